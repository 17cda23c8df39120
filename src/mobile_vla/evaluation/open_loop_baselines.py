"""What can be predicted without looking: from the training actions alone, and from the frame's position in its episode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Baseline:
    """Guesses made of the training set alone.

    Attributes:
        overall: the guess for any frame.
        at: `(P,)` the guess at each frame position, `P` the length of the longest training episode.
    """

    overall: float
    at: NDArray[Any]

    def constant(self, frames: int) -> NDArray[Any]:
        """Return `overall` for each frame, `(frames,)`."""
        return np.full(frames, self.overall, dtype=self.at.dtype)

    def time_only(self, frames: int) -> NDArray[Any]:
        """Return the guess at each position, `(frames,)`; beyond the longest training episode its last one is kept."""
        return np.asarray(self.at[np.minimum(np.arange(frames), len(self.at) - 1)])


def mean_velocity(training: Sequence[NDArray[np.floating]], column: int) -> Baseline:
    """Return the means of velocity `column` (0 to 2) of `training`, `(T_i, 4)` each, over all frames and at each position."""
    values = [np.asarray(actions[:, column], dtype=np.float64) for actions in training]
    return _baseline(values, lambda found: float(found.mean()), np.float64)


def majority_class(training: Sequence[NDArray[np.floating]], classes_of: Callable[[Any], NDArray[np.int64]]) -> Baseline:
    """Return the most common class of `training`, `(T_i, 4)` each, over all frames and at each position."""
    return _baseline([classes_of(actions) for actions in training], _most_common, np.int64)


def _baseline(values: Sequence[NDArray[Any]], guess: Callable[[NDArray[Any]], float], dtype: type) -> Baseline:
    longest = max(len(one) for one in values)
    at = [guess(np.array([one[position] for one in values if len(one) > position])) for position in range(longest)]
    return Baseline(guess(np.concatenate(list(values))), np.array(at, dtype=dtype))


def _most_common(labels: NDArray[Any]) -> float:
    values, counts = np.unique(labels, return_counts=True)
    return int(values[np.argmax(counts)])
