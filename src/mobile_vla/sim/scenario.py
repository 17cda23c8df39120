"""What a scenario looks like, before chance moves it; `scenes` is the registry of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mobile_vla.core.errors import SimulationError, problem
from mobile_vla.core.registry import Registry
from mobile_vla.sim.scene import MAX_BOXES
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

    Raises:
        SimulationError: the name counts other boxes than there are, or there are too many or none.
    """

    scenario: Scenario
    family: str
    boxes: tuple[BoxSpec, ...]
    goal_distance_m: float = 2.6

    def __post_init__(self) -> None:
        if not 1 <= len(self.boxes) <= MAX_BOXES:
            raise SimulationError(
                problem(f"{self.scenario.name}.boxes", len(self.boxes), f"a scene has 1 to {MAX_BOXES} boxes")
            )
        if len(self.boxes) != self.scenario.num_boxes:
            rule = f"the scenario's name, and with it the instruction, counts {self.scenario.num_boxes}"
            raise SimulationError(problem(f"{self.scenario.name}.boxes", len(self.boxes), rule))


scenes: Final[Registry[SceneSpec]] = Registry("scenario", "mobile_vla.sim.scenarios")
