"""Order of samples: complete, reproducible, resumable, shared between processes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.training.sampling import ALONE, Position, Share, TrainingBatches, ValidationBatches, epoch_order


def batches(samples: int, size: int, steps: int | None = None, epoch: int = 0, done: int = 0, share: Share = ALONE) -> list:
    return list(TrainingBatches(lambda: samples, size, steps, 5, lambda: Position(epoch, done), share))


@given(samples=st.integers(1, 60), size=st.integers(1, 9), world=st.integers(1, 3))
def test_one_pass_holds_every_sample_and_only_full_batches(samples: int, size: int, world: int) -> None:
    drawn = [batch for rank in range(world) for batch in batches(samples, size, share=Share(rank, world))]
    assert {len(batch) for batch in drawn} == {size}
    assert set(np.concatenate(drawn).tolist()) == set(range(samples))
    assert len(np.concatenate(drawn)) < samples + size * world


@given(samples=st.integers(1, 40), wanted=st.integers(1, 120))
def test_no_sample_comes_again_before_all_have_come(samples: int, wanted: int) -> None:
    counts = np.bincount(epoch_order(samples, wanted, 0, 0), minlength=samples)
    assert counts.max() - counts.min() <= 1


def test_steps_per_epoch_is_exact() -> None:
    assert sum(len(batch) for batch in batches(10, 4, steps=7)) == 28


def test_same_seed_same_order_and_each_epoch_another() -> None:
    first, again, later = batches(50, 8), batches(50, 8), batches(50, 8, epoch=1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)


def test_a_resumed_epoch_goes_on_where_it_stood() -> None:
    assert np.array_equal(batches(50, 8, done=3), batches(50, 8)[3:])


def test_a_grown_set_is_drawn_from_without_a_new_loader() -> None:
    count = [10]
    loader = TrainingBatches(lambda: count[0], 4, 5, 0, lambda: Position(0, 0))
    assert max(np.concatenate(list(loader))) == 9
    count[0] = 20
    assert set(np.concatenate(list(loader)).tolist()) == set(range(20))


@given(samples=st.integers(1, 50), size=st.integers(1, 9))
def test_validation_holds_every_sample_once(samples: int, size: int) -> None:
    assert np.concatenate(list(ValidationBatches(samples, size))).tolist() == list(range(samples))
