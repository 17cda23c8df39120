"""The robot state: 15 numbers, optional everywhere.

| index | name | unit |
|---|---|---|
| 0-2 | position_x, position_y, position_z | m, odometry frame (origin where the episode starts, +x the way the robot faced) |
| 3-5 | linear_velocity_x, _y, _z | m/s, body frame |
| 6-8 | angular_velocity_x, _y, _z | rad/s, body frame |
| 9-12 | orientation_x, _y, _z, _w | unit quaternion, odometry frame |
| 13 | battery_level | fraction, 0 to 1 |
| 14 | system_status | 0 nominal, 1 fault |

A missing state is `None` (not zeros); inside a policy it is zeros with a presence mask of 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem

STATE_NAMES: Final = (
    "position_x",
    "position_y",
    "position_z",
    "linear_velocity_x",
    "linear_velocity_y",
    "linear_velocity_z",
    "angular_velocity_x",
    "angular_velocity_y",
    "angular_velocity_z",
    "orientation_x",
    "orientation_y",
    "orientation_z",
    "orientation_w",
    "battery_level",
    "system_status",
)
STATE_DIM: Final = len(STATE_NAMES)


def planar_state(
    pose: tuple[float, float, float], twist: NDArray[np.floating], battery_level: float = 1.0, system_status: float = 0.0
) -> NDArray[np.float32]:
    """Return the state `(15,)` of a robot on the floor.

    Args:
        pose: x m, y m, yaw rad in the odometry frame.
        twist: `(3,)` linear_x m/s, linear_y m/s, angular_z rad/s in the body frame.
        battery_level: 0 to 1.
        system_status: 0 nominal, 1 fault.
    """
    x, y, yaw = pose
    state = np.zeros(STATE_DIM, dtype=np.float32)
    state[0:2] = x, y
    state[3:5] = twist[:2]
    state[8] = twist[2]
    state[11:13] = np.sin(yaw / 2), np.cos(yaw / 2)
    state[13:15] = battery_level, system_status
    return state


def check_states(states: NDArray[np.floating], where: str = "states") -> None:
    """Check `(T, 15)` states for shape and finiteness. Raises DataError naming frame and field."""
    array = np.asarray(states)
    if array.ndim != 2 or array.shape[1] != STATE_DIM:
        raise DataError(problem(f"{where}.shape", array.shape, f"states are (T, {STATE_DIM})"))
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        frame, column = (int(index) for index in bad[0])
        raise DataError(problem(f"{where}[{frame}].{STATE_NAMES[column]}", float(array[frame, column]), "states are finite"))
