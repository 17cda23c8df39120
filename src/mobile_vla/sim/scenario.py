"""What a scenario looks like, before chance moves it; `scenes` is the registry of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mobile_vla.core.registry import Registry
from mobile_vla.task.scenarios import Scenario


@dataclass(frozen=True)
class BoxSpec:
    """The nominal place and size of one box.

    Attributes:
        along: where it stands between start (0) and goal (1).
        left_m: how far to the left of the straight course (m).
        half_x, half_y, half_z: half extents (m); x is along the course.
    """

    along: float
    left_m: float
    half_x: float
    half_y: float
    half_z: float = 0.15


@dataclass(frozen=True)
class SceneSpec:
    """One scenario: its name and side, and the nominal scene.

    Scenarios that share a `family` draw the same scenes from the same seeds, whatever their side.

    Attributes:
        scenario: name and side.
        family: names the scene without the side, for example `1box_vert`.
        boxes: the obstacles.
        goal_distance_m: nominal distance from start to goal.
    """

    scenario: Scenario
    family: str
    boxes: tuple[BoxSpec, ...]
    goal_distance_m: float = 2.6


scenes: Final[Registry[SceneSpec]] = Registry("scenario", "mobile_vla.sim.scenarios")
