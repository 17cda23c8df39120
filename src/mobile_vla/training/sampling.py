"""Which samples make up which batch: a function of (seed, epoch), so that order survives a restart.

Legend: `N` samples, `B` batch, `S` batches per epoch, `R` processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Position(NamedTuple):
    """Where training stands: the epoch, and how many of its batches are done (a resumed epoch does not repeat them)."""

    epoch: int
    batches_done: int


class Share(NamedTuple):
    """Which part of every batch a process takes: number `rank` of `world`."""

    rank: int = 0
    world: int = 1


ALONE: Final = Share()


def epoch_order(samples: int, wanted: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return `(wanted,)` sample numbers: shuffles of `0..samples - 1`, one after the other.

    No sample appears twice before every sample has appeared once.
    """
    rng = np.random.default_rng([seed, epoch])
    rounds = -(-wanted // samples)
    return np.concatenate([rng.permutation(samples) for _ in range(rounds)])[:wanted].astype(np.int64)


class TrainingBatches:
    """A batch sampler: yields `(B,)` sample numbers; every batch is full.

    Args:
        samples: returns `N` of this moment (the training set may grow).
        batch_size: `B`, per process.
        steps: `S`; None: as many as one pass over all samples takes, the last batch being filled up from a further shuffle.
        seed: the run's seed.
        position: returns where training stands when an epoch begins.
        share: this process among all.
    """

    def __init__(
        self,
        samples: Callable[[], int],
        batch_size: int,
        steps: int | None,
        seed: int,
        position: Callable[[], Position],
        share: Share = ALONE,
    ) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._steps = steps
        self._seed = seed
        self._position = position
        self._share = share
        self._length = self._steps or -(-samples() // (batch_size * share.world))

    def __len__(self) -> int:
        """Return `S`, fixed when the loader is made."""
        return self._length

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Yield the rest of the epoch in which training stands."""
        position = self._position()
        wanted = self._length * self._share.world * self._batch_size
        order = epoch_order(self._samples(), wanted, self._seed, position.epoch)
        batches = order.reshape(self._length, self._share.world, self._batch_size)
        yield from batches[position.batches_done :, self._share.rank]


class ValidationBatches:
    """A batch sampler: yields every sample once, in order; the last batch may be smaller."""

    def __init__(self, samples: int, batch_size: int, share: Share = ALONE) -> None:
        mine = np.array_split(np.arange(samples, dtype=np.int64), share.world)[share.rank]
        self._batches = [mine[start : start + batch_size] for start in range(0, len(mine), batch_size)]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Yield `(B,)` sample numbers."""
        yield from self._batches
