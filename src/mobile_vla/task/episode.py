"""The episode: one drive, from the first frame to the stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem
from mobile_vla.task.actions import check_actions
from mobile_vla.task.state import check_states


@dataclass(frozen=True)
class Episode:
    """One recorded drive. `T` frames; row t of every array belongs to the same moment.

    Attributes:
        images: `(T, H, W, 3)` uint8 RGB; what the camera saw when `actions[t]` was chosen.
        actions: `(T, 4)` float32 (see `task.actions`).
        timestamps: `(T,)` float64, seconds from the first frame, strictly increasing.
        rate_hz: nominal frames per second; the cadence at which `actions` were chosen.
        instruction: what the driver was told.
        scenario: for example `1box_vert_left`; empty when unknown.
        states: `(T, 15)` float32, or None.
        success: whether the drive reached its goal, None when unknown.
        metadata: everything else (strings, numbers, booleans, lists of these).
    """

    images: NDArray[np.uint8]
    actions: NDArray[np.float32]
    timestamps: NDArray[np.float64]
    rate_hz: float
    instruction: str
    scenario: str = ""
    states: NDArray[np.float32] | None = None
    success: bool | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.actions)


def check_episode(episode: Episode, where: str = "episode") -> None:
    """Check shapes, lengths, ranges and times. Raises DataError naming field, value, rule and remedy."""
    images = episode.images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:]:
        raise DataError(problem(f"{where}.images", f"{images.dtype} {images.shape}", "images are uint8 (T, H, W, 3) RGB"))
    check_actions(episode.actions, f"{where}.actions")
    if len(images) != len(episode.actions):
        rule = "every image has its action"
        raise DataError(problem(f"{where}.images", f"{len(images)} images, {len(episode.actions)} actions", rule))
    if len(images) == 0:
        raise DataError(problem(f"{where}.images", images.shape, "an episode has at least one frame"))
    check_timestamps(episode.timestamps, len(images), where)
    if not (np.isfinite(episode.rate_hz) and episode.rate_hz > 0):
        raise DataError(problem(f"{where}.rate_hz", episode.rate_hz, "rate_hz is the recording's frames per second, > 0"))
    if episode.states is not None:
        check_states(episode.states, f"{where}.states")
        if len(episode.states) != len(images):
            rule = "every image has its state, or no state is stored"
            raise DataError(problem(f"{where}.states", f"{len(episode.states)} states, {len(images)} images", rule))


def check_timestamps(timestamps: NDArray[np.floating], frames: int, where: str) -> None:
    """Check `(T,)` seconds: one per frame, finite, strictly increasing. Raises DataError."""
    if timestamps.shape != (frames,):
        raise DataError(problem(f"{where}.timestamps.shape", timestamps.shape, f"one time per frame, ({frames},)"))
    if not np.isfinite(timestamps).all():
        raise DataError(problem(f"{where}.timestamps", timestamps.tolist(), "timestamps are finite seconds"))
    steps = np.diff(timestamps)
    if (steps <= 0).any():
        frame = int(np.argmax(steps <= 0)) + 1
        rule = "timestamps strictly increase"
        raise DataError(problem(f"{where}.timestamps[{frame}]", float(timestamps[frame]), rule, "State the rate instead"))
