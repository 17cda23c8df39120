"""The judge: from the physics, how a drive stands and how it ended.

Success: a stop command held for two control steps with speed below 0.05 m/s, at most 0.30 m of free space between hull and
goal object, the goal within 25 degrees of the nose, every box passed on the instructed side, nothing touched, within 14 s. A
box counts as passed on the side on which the robot crosses the line through the box's centre across the course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from mobile_vla.sim.base import ROBOT_RADIUS_M
from mobile_vla.sim.scene import Scene, along_and_left
from mobile_vla.task.scenarios import Side

TIME_LIMIT_S: Final = 14.0
GOAL_GAP_M: Final = 0.30
GOAL_BEARING_RAD: Final = math.radians(25)
STILL_MPS: Final = 0.05
STOPS_TO_FINISH: Final = 2
STOPPED_EARLY_S: Final = 2.0
"""A stop held this long away from the goal ends the drive."""

End = Literal["success", "hit_box", "hit_goal", "wrong_side", "stopped_early", "timeout"]
"""How a drive ended. `stopped_early`: it held a stop away from the goal. `wrong_side`: it stopped at the goal, past the wrong
side."""

Pose = tuple[float, float, float]


@dataclass
class Judge:
    """Watches one drive, one call of `observe` per control step.

    Attributes:
        scene: the scene.
        side: the side that was asked for.
        period_s: control period.
        path_length_m: driven so far.
    """

    scene: Scene
    side: Side
    period_s: float
    path_length_m: float = 0.0
    _last: Pose | None = None
    _sides: dict[int, Side] = field(default_factory=dict)
    _stops: int = 0

    def observe(self, pose: Pose, speed_mps: float, stop_commanded: bool, contact: str | None, time_s: float) -> End | None:
        """Take the state after a control step; return how the drive ended, or None while it goes on."""
        self._follow(pose)
        self._stops = self._stops + 1 if stop_commanded and speed_mps < STILL_MPS else 0
        if contact is not None:
            return "hit_box" if contact == "box" else "hit_goal"
        if self._stops >= STOPS_TO_FINISH and self.at_goal(pose):
            return "success" if self.side_taken == self.side else "wrong_side"
        if self._stops * self.period_s >= STOPPED_EARLY_S:
            return "stopped_early"
        return "timeout" if time_s >= TIME_LIMIT_S - 1e-9 else None

    @property
    def side_taken(self) -> Side | Literal["mixed"] | None:
        """The side on which every box was passed, `mixed` when they differ, None while a box has not been passed."""
        if len(self._sides) < len(self.scene.boxes):
            return None
        sides = set(self._sides.values())
        return sides.pop() if len(sides) == 1 else "mixed"

    def at_goal(self, pose: Pose) -> bool:
        """Return whether the robot is close enough to the goal and faces it."""
        return goal_gap(self.scene, pose) <= GOAL_GAP_M and abs(goal_bearing(self.scene, pose)) <= GOAL_BEARING_RAD

    def _follow(self, pose: Pose) -> None:
        if self._last is not None:
            self.path_length_m += math.hypot(pose[0] - self._last[0], pose[1] - self._last[1])
        along, left = along_and_left(self.scene, pose[0], pose[1])
        for index, box in enumerate(self.scene.boxes):
            box_along, box_left = along_and_left(self.scene, box.x, box.y)
            if along < box_along:
                self._sides.pop(index, None)  # in front of it (again): not passed
            else:
                self._sides.setdefault(index, "left" if left > box_left else "right")
        self._last = pose


def goal_gap(scene: Scene, pose: Pose) -> float:
    """Return the free distance between the robot's hull and the goal object (m)."""
    return math.hypot(scene.goal.x - pose[0], scene.goal.y - pose[1]) - ROBOT_RADIUS_M - scene.goal.radius_m


def goal_bearing(scene: Scene, pose: Pose) -> float:
    """Return the angle from the robot's nose to the goal, + to the left, in (-pi, pi]."""
    return wrap_angle(math.atan2(scene.goal.y - pose[1], scene.goal.x - pose[0]) - pose[2])


def wrap_angle(angle: float) -> float:
    """Return `angle` (rad) in (-pi, pi]."""
    return -((-angle + math.pi) % (2 * math.pi) - math.pi)
