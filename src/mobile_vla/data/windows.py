"""Windows and chunks as row numbers: which frames a policy sees at a sample, and which actions it should answer with.

Legend: `B` samples, `T` window frames (`window_size`), `K` chunk steps (`fwd_pred_next_n`). Rows number all frames of a frame
store, episode after episode. A sample is one frame: its window ends there. So every frame of every episode is a sample exactly
once, and no episode is too short. In a window the valid frames come first, in time order, then padding: the last valid row
again, masked False. This module is pure numpy and knows nothing of files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


def window_rows(sample_ends: Rows, episode_starts: Rows, window_size: int) -> tuple[Rows, Mask]:
    """Return the rows that the windows ending at `sample_ends` hold.

    Args:
        sample_ends: `(B,)` row of each sample, the newest frame of its window.
        episode_starts: `(B,)` first row of that sample's episode.
        window_size: `T`, at least 1.

    Returns:
        rows `(B, T)` int64 and mask `(B, T)` bool, True where a row is a frame of the window and not padding.

    Raises:
        DataError: `window_size` is below 1, or a sample lies before its episode.
    """
    _check_length("window_size", window_size)
    ends, starts = _column(sample_ends), _column(episode_starts)
    if (ends < starts).any():
        raise DataError(problem("sample_ends", ends[ends < starts].tolist(), "a sample lies within its episode"))
    valid = np.minimum(window_size, ends - starts + 1)
    steps = np.arange(window_size, dtype=np.int64)[None]
    return np.minimum(ends - valid + 1 + steps, ends), steps < valid


def chunk_rows(indices: Rows, episode_last: Rows, steps: int) -> tuple[Rows, Mask]:
    """Return the rows of the `K` actions that start at every window position.

    The mask speaks of the episode's end only: at a padded window position combine it with the window's mask.

    Args:
        indices: `(B, T)` rows from `window_rows`.
        episode_last: `(B,)` last row (inclusive) of each sample's episode.
        steps: `K`, at least 1.

    Returns:
        rows `(B, T, K)` int64 (beyond the end: the last row) and mask `(B, T, K)` bool, False beyond the episode's end.

    Raises:
        DataError: `steps` is below 1.
    """
    _check_length("fwd_pred_next_n", steps)
    last = np.asarray(episode_last, dtype=np.int64)[:, None, None]
    ahead = np.asarray(indices, dtype=np.int64)[:, :, None] + np.arange(steps, dtype=np.int64)
    return np.minimum(ahead, last), ahead <= last


def _column(rows: Rows) -> Rows:
    return np.asarray(rows, dtype=np.int64)[:, None]


def _check_length(name: str, value: int) -> None:
    if value < 1:
        raise DataError(problem(name, value, "at least 1"))
