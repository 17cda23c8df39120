"""Cadence: how many times a second a policy looks and decides.

A policy learned at 6 Hz and served at 1.3 Hz does not drive. So `rate_hz` is stored in every episode and every checkpoint,
and a recording whose rate is off by more than `TOLERANCE` is refused or resampled, by choice, never ignored.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem

TOLERANCE: Final = 0.2
"""Largest relative difference of two rates that counts as the same cadence."""

OnMismatch = Literal["refuse", "resample"]


def same_cadence(rate_hz: float, other_hz: float) -> bool:
    """Return whether two rates (Hz) differ by at most 20 % of the larger one."""
    return abs(rate_hz - other_hz) <= TOLERANCE * max(rate_hz, other_hz)


def frames_at_rate(
    timestamps: NDArray[np.floating], policy_hz: float, on_mismatch: OnMismatch, where: str
) -> NDArray[np.int64]:
    """Return the indices of the frames `(N,)` that a policy at `policy_hz` would have looked at.

    Within the tolerance these are all frames. Beyond it, `"resample"` takes the frame nearest to each tick of the policy's
    clock (a recording slower than the policy is refused either way: frames cannot be invented) and `"refuse"` raises.

    Args:
        timestamps: `(T,)` strictly increasing seconds.
        policy_hz: the policy's rate.
        on_mismatch: what to do beyond the tolerance.
        where: names the recording in the message.

    Raises:
        DataError: the rates do not match, with both values and the remedy.
    """
    frames = len(timestamps)
    everything = np.arange(frames, dtype=np.int64)
    if frames < 2:
        return everything
    recorded_hz = 1.0 / float(np.median(np.diff(timestamps)))
    if same_cadence(recorded_hz, policy_hz):
        return everything
    rule = f"the policy runs at {policy_hz:g} Hz, and rates more than {TOLERANCE:.0%} apart do not mix"
    if on_mismatch == "refuse":
        remedy = f"Set on_rate_mismatch to 'resample', or rate_hz to {recorded_hz:.2f}"
        raise DataError(problem(f"{where}.rate_hz", round(recorded_hz, 2), rule, remedy))
    if recorded_hz < policy_hz:
        remedy = f"Frames cannot be invented: set rate_hz to {recorded_hz:.2f} or less"
        raise DataError(problem(f"{where}.rate_hz", round(recorded_hz, 2), rule, remedy))
    ticks = np.arange(timestamps[0], timestamps[-1] + 1e-9, 1.0 / policy_hz)
    right = np.clip(np.searchsorted(timestamps, ticks), 1, frames - 1)
    nearer_left = ticks - timestamps[right - 1] <= timestamps[right] - ticks
    return np.unique(np.where(nearer_left, right - 1, right)).astype(np.int64)


class FrameGate:
    """Decides which frames of a live camera enter the window of a policy at `rate_hz`, whatever the camera's rate.

    A frame enters when at least 90 % of the policy's period has passed since the last one that did: a camera at the policy's
    own rate with jitter loses no frame.
    """

    def __init__(self, rate_hz: float) -> None:
        self.period_s = 1.0 / rate_hz
        self._last_s: float | None = None

    def reset(self) -> None:
        """Forget the last frame (a new episode begins)."""
        self._last_s = None

    def accepts(self, stamp_s: float) -> bool:
        """Return whether the frame taken at `stamp_s` (monotonic seconds) enters the window, and remember it if so."""
        if self._last_s is not None and stamp_s - self._last_s < 0.9 * self.period_s:
            return False
        self._last_s = stamp_s
        return True
