"""The privileged expert: it sees the true scene and drives the taut string to the goal.

It is a pure function of scene, side and pose, so it can drive and it can also say what to do in any state that somebody else
got into (the corrections of DAgger, Ross et al. 2011).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.sim.base import LINEAR_ACCELERATION, ROBOT_RADIUS_M
from mobile_vla.sim.judge import Pose, goal_bearing, goal_gap, wrap_angle
from mobile_vla.sim.planner import nearest_box, plan
from mobile_vla.sim.scene import Scene
from mobile_vla.task.actions import ActionType, make_action
from mobile_vla.task.scenarios import Side

CRUISE_MPS: Final = 0.8
STOP_GAP_M: Final = 0.20
"""Free distance to the goal at which the expert stops."""
_STOP_BEARING_RAD: Final = math.radians(12)
_BRAKING: Final = 0.9
"""m/s^2: how hard it plans to brake before the goal; the base could do 2."""
_OVERRUN_M: Final = 0.04
"""How far past the place where it means to stop a step may carry it; the rest of `STOP_GAP_M` is for slowing down."""
_TURN_GAIN: Final = 2.0
"""1/s."""
_GOAL_IN_VIEW_RAD: Final = 0.45
"""The nose follows the path but stays this close to the goal's bearing, so that the camera keeps the goal in view."""


def expert_action(scene: Scene, side: Side, pose: Pose, period_s: float = 0.2) -> NDArray[np.float32]:
    """Return the action `(4,)` that drives from `pose` to the goal of `scene`, past every box on `side`.

    It will be held for `period_s`, the control period in seconds: near the goal, a slow clock needs a slow robot.
    """
    bearing = goal_bearing(scene, pose)
    if goal_gap(scene, pose) <= STOP_GAP_M:
        if abs(bearing) <= _STOP_BEARING_RAD:
            return make_action(0.0, 0.0, 0.0, ActionType.STOP)
        return make_action(0.0, 0.0, _TURN_GAIN * bearing, ActionType.ROTATE)
    path = plan(scene, side, pose[0], pose[1])
    if path is None:
        return _back_off(scene, pose)
    heading, speed = _along(path, pose, scene, period_s)
    wanted = bearing + max(-_GOAL_IN_VIEW_RAD, min(_GOAL_IN_VIEW_RAD, wrap_angle(heading - bearing)))
    turn = _TURN_GAIN * wrap_angle(wanted)
    return make_action(speed * math.cos(heading), speed * math.sin(heading), turn, ActionType.MOVE)


def _along(path: list[tuple[float, float]], pose: Pose, scene: Scene, period_s: float) -> tuple[float, float]:
    """Return the direction of the next way point (rad, body frame) and the speed (m/s) that can still brake before the goal."""
    next_x, next_y = path[0]
    points = [pose[:2], *path]
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    left_over = max(0.0, length - ROBOT_RADIUS_M - scene.goal.radius_m - STOP_GAP_M + 0.03)
    speed = min(CRUISE_MPS, math.sqrt(2.0 * _BRAKING * left_over), _can_stop_within(left_over + _OVERRUN_M, period_s))
    return wrap_angle(math.atan2(next_y - pose[1], next_x - pose[0]) - pose[2]), speed


def _can_stop_within(distance_m: float, period_s: float) -> float:
    """Return the speed (m/s) that, held for one period and then braked as hard as the base can, needs `distance_m`."""
    a = LINEAR_ACCELERATION
    return a * (math.sqrt(period_s**2 + 2.0 * distance_m / a) - period_s)


def _back_off(scene: Scene, pose: Pose) -> NDArray[np.float32]:
    """Return a slow step straight away from the nearest box."""
    box = nearest_box(scene, pose[0], pose[1])
    away = wrap_angle(math.atan2(pose[1] - box.y, pose[0] - box.x) - pose[2])
    return make_action(0.3 * math.cos(away), 0.3 * math.sin(away), 0.0, ActionType.MOVE)
