from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core.errors import DataError
from mobile_vla.data.windows import chunk_rows, window_rows

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def bounds(lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """First and last row of the episode of every row."""
    firsts = np.cumsum([0, *lengths[:-1]])
    return np.repeat(firsts, lengths), np.repeat(firsts + np.array(lengths) - 1, lengths)


@given(LENGTHS, st.integers(1, 10))
def test_every_frame_ends_exactly_one_window_of_its_own_past(lengths: list[int], size: int) -> None:
    starts, _ = bounds(lengths)
    rows, mask = window_rows(np.arange(sum(lengths)), starts, size)
    assert rows.shape == mask.shape == (sum(lengths), size)
    newest = []
    for end, start, window, valid in zip(range(sum(lengths)), starts, rows, mask, strict=True):
        expected = list(range(max(start, end - size + 1), end + 1))
        assert window[valid].tolist() == expected
        assert valid.tolist() == [True] * len(expected) + [False] * (size - len(expected))
        assert set(window[~valid]) <= {end}
        newest.append(window[valid][-1])
    assert newest == list(range(sum(lengths)))


@given(LENGTHS, st.integers(1, 5), st.integers(1, 6))
def test_chunks_are_the_next_actions_and_stop_at_the_episodes_end(lengths: list[int], size: int, steps: int) -> None:
    starts, lasts = bounds(lengths)
    rows, _ = window_rows(np.arange(sum(lengths)), starts, size)
    chunks, mask = chunk_rows(rows, lasts, steps)
    assert chunks.shape == mask.shape == (sum(lengths), size, steps)
    for sample, window in enumerate(rows):
        for position, frame in enumerate(window):
            expected = list(range(frame, min(frame + steps, lasts[sample] + 1)))
            assert chunks[sample, position][mask[sample, position]].tolist() == expected
    assert (chunks <= lasts[:, None, None]).all()


def test_a_worked_example() -> None:
    rows, mask = window_rows(np.array([3, 6]), np.array([2, 2]), 4)
    assert rows.tolist() == [[2, 3, 3, 3], [3, 4, 5, 6]]
    assert mask.tolist() == [[True, True, False, False], [True] * 4]
    chunks, chunk_mask = chunk_rows(rows[1:], np.array([6]), 2)
    assert chunks.tolist() == [[[3, 4], [4, 5], [5, 6], [6, 6]]]
    assert chunk_mask[0, 3].tolist() == [True, False]


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(DataError, match="window_size = 0: at least 1"):
        window_rows(np.array([0]), np.array([0]), 0)
    with pytest.raises(DataError, match="fwd_pred_next_n = 0: at least 1"):
        chunk_rows(np.zeros((1, 1), dtype=np.int64), np.array([0]), 0)
    with pytest.raises(DataError, match="a sample lies within its episode"):
        window_rows(np.array([0]), np.array([1]), 2)
