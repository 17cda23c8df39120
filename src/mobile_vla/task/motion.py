"""Motion classes: which way an action drives, in one definition for every measure and every table.

The twist that an action allows (`task.actions`) is reduced to the signs of its three velocities, with a dead band around zero:

| velocity | dead band | + | - |
|---|---|---|---|
| linear_x | 0.05 m/s | forward | backward |
| linear_y | 0.115 m/s (a tenth of the limit) | left | right |
| angular_z | 0.115 rad/s (a tenth of the limit) | left (counter-clockwise) | right |

The three signs are the action class (27 of them). The motion direction follows from the action class alone: `left` or `right`
by the sum of the signs of linear_y and angular_z, `stop` when all three signs are zero, `straight` otherwise (backward, and
sliding one way while turning the other, count as straight). So equal action classes always mean equal directions.

On recordings driven with keys, whose velocities are 0 or +-1.15, these are the classes of the keys.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mobile_vla.task.actions import VELOCITY_DIM, VELOCITY_LIMIT, ActionType

Motion = Literal["left", "straight", "right", "stop"]
MOTIONS: Final[tuple[Motion, ...]] = ("left", "straight", "right", "stop")
"""The directions; `motion_classes` returns indices into this tuple."""

DEAD_BAND: Final = (0.05, 0.1 * VELOCITY_LIMIT, 0.1 * VELOCITY_LIMIT)
"""Velocities of at most this magnitude count as zero: m/s, m/s, rad/s."""

ACTION_CLASSES: Final = 3**VELOCITY_DIM
"""Number of action classes."""

_LEFT, _STRAIGHT, _RIGHT, _STOP = range(len(MOTIONS))


def velocity_signs(actions: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the signs `(..., 3)` in {-1, 0, 1} of the velocities that `actions` `(..., 4)` allow, dead band applied."""
    array = np.asarray(actions, dtype=np.float64)
    twist, kind = array[..., :VELOCITY_DIM], np.round(array[..., VELOCITY_DIM])
    signs = np.where(np.abs(twist) > DEAD_BAND, np.sign(twist), 0.0).astype(np.int64)
    signs[(kind == ActionType.STOP) | (kind == ActionType.SPECIAL)] = 0
    signs[kind == ActionType.ROTATE, :2] = 0
    return signs


def action_classes(actions: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the action class `(...)`, 0 to 26, of each of `actions` `(..., 4)`; a stop is 13."""
    result: NDArray[np.int64] = (velocity_signs(actions) + 1) @ np.array([9, 3, 1], dtype=np.int64)
    return result


def motion_classes(actions: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the motion direction `(...)` of each of `actions` `(..., 4)`, as an index into `MOTIONS`."""
    signs = velocity_signs(actions)
    sideways = signs[..., 1] + signs[..., 2]
    forward_or_still = np.where((signs != 0).any(axis=-1), _STRAIGHT, _STOP)
    return np.select([sideways > 0, sideways < 0], [_LEFT, _RIGHT], forward_or_still).astype(np.int64)


def motion_of(action: NDArray[np.floating]) -> Motion:
    """Return the motion direction of one action `(4,)`."""
    return MOTIONS[int(motion_classes(action))]
