"""The action: a body twist and what kind of step it is.

| index | name | unit | range | sign (REP-103, body frame) |
|---|---|---|---|---|
| 0 | linear_x | m/s | [-1.15, 1.15] | + forward |
| 1 | linear_y | m/s | [-1.15, 1.15] | + left |
| 2 | angular_z | rad/s | [-1.15, 1.15] | + counter-clockwise |
| 3 | action_type | - | {0, 1, 2, 3} | 0 move, 1 rotate, 2 stop, 3 special |

Shapes: one action `(4,)`, an episode's actions `(T, 4)`, a chunk `(K, 4)`, all float32. The twist that a robot may drive
follows from the type (`commanded_twist`): a stop is a zero twist, a rotation has no linear part. This module knows nothing of
torch.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem

ACTION_NAMES: Final = ("linear_x", "linear_y", "angular_z", "action_type")
ACTION_DIM: Final = 4
VELOCITY_DIM: Final = 3
VELOCITY_LIMIT: Final = 1.15
"""Largest magnitude of each velocity: m/s for the linear two, rad/s for the angular one."""


class ActionType(IntEnum):
    """What kind of step an action is (column 3)."""

    MOVE = 0
    ROTATE = 1
    STOP = 2
    SPECIAL = 3


STOP_ACTION: Final = np.array([0.0, 0.0, 0.0, ActionType.STOP], dtype=np.float32)
STOP_ACTION.setflags(write=False)


def make_action(linear_x: float, linear_y: float, angular_z: float, action_type: ActionType) -> NDArray[np.float32]:
    """Return one action `(4,)` with its velocities clipped to the limits (m/s, m/s, rad/s)."""
    twist = np.clip([linear_x, linear_y, angular_z], -VELOCITY_LIMIT, VELOCITY_LIMIT)
    return np.array([*twist, float(action_type)], dtype=np.float32)


def commanded_twist(action: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the twist `(3,)` that `action` `(4,)` allows: zero for stop and special, no linear part for rotate."""
    kind = round(float(action[3]))
    twist = np.clip(np.asarray(action[:3], dtype=np.float64), -VELOCITY_LIMIT, VELOCITY_LIMIT)
    if kind == ActionType.MOVE:
        return twist
    if kind == ActionType.ROTATE:
        return np.array([0.0, 0.0, twist[2]])
    return np.zeros(3)


def check_actions(actions: NDArray[np.floating], where: str = "actions") -> None:
    """Check `(T, 4)` actions: shape, finite, velocities within the limits, types in 0..3.

    Raises:
        DataError: naming the first bad frame, column, value and rule.
    """
    array = np.asarray(actions)
    if array.ndim != 2 or array.shape[1] != ACTION_DIM:
        raise DataError(problem(f"{where}.shape", array.shape, f"actions are (T, {ACTION_DIM}): {', '.join(ACTION_NAMES)}"))
    rules = (
        (~np.isfinite(array), "actions are finite numbers"),
        (_beyond_limit(array), f"velocities lie in [-{VELOCITY_LIMIT}, {VELOCITY_LIMIT}]"),
        (_unknown_type(array), "action_type is 0 move, 1 rotate, 2 stop or 3 special"),
    )
    for bad, rule in rules:
        if bad.any():
            frame, column = (int(index) for index in np.argwhere(bad)[0])
            raise DataError(problem(f"{where}[{frame}].{ACTION_NAMES[column]}", float(array[frame, column]), rule))


def _beyond_limit(array: NDArray[np.floating]) -> NDArray[np.bool_]:
    bad = np.zeros(array.shape, dtype=bool)
    bad[:, :VELOCITY_DIM] = np.abs(array[:, :VELOCITY_DIM]) > VELOCITY_LIMIT + 1e-4
    return bad


def _unknown_type(array: NDArray[np.floating]) -> NDArray[np.bool_]:
    bad = np.zeros(array.shape, dtype=bool)
    bad[:, VELOCITY_DIM] = ~np.isin(array[:, VELOCITY_DIM], [float(kind) for kind in ActionType])
    return bad
