"""What one closed-loop drive came to, as plain data: what tables, pictures and JSON are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mobile_vla.sim.judge import End
from mobile_vla.task.scenarios import Side


@dataclass(frozen=True)
class BoxFootprint:
    """A box on the floor: centre x, y (m), yaw (rad), half extents along its own axes (m)."""

    x: float
    y: float
    yaw: float
    half_x: float
    half_y: float


@dataclass(frozen=True)
class Floor:
    """The scene seen from above, world frame: start at the origin side, the goal roughly along +x.

    Attributes:
        boxes: the obstacles.
        goal: x, y, radius of the goal object (m).
        robot_radius_m: radius of the robot's hull.
    """

    boxes: tuple[BoxFootprint, ...]
    goal: tuple[float, float, float]
    robot_radius_m: float


@dataclass(frozen=True)
class Drive:
    """One closed-loop drive.

    Attributes:
        agent: who drove (`policy`, `expert`, `random`, ...).
        scenario: for example `1box_vert_left`.
        seed: the scene's seed.
        instruction: the text that was spoken (the deaf agent does not hear it).
        end: how it ended.
        side_asked: the side that the scenario names.
        side_taken: the side on which every box was passed, `mixed` when they differ, None when a box was not passed.
        gap_m: free distance between hull and goal object at the end.
        bearing_rad: angle from the robot's nose to the goal at the end, + to the left.
        path_length_m: driven path.
        duration_s: simulated time.
        path: `(x, y, yaw)` per control step, world frame (m, m, rad).
        floor: the scene from above.
        frames: indices refer to control steps; RGB uint8 arrays for a GIF, or empty.
    """

    agent: str
    scenario: str
    seed: int
    instruction: str
    end: End
    side_asked: Side
    side_taken: Side | Literal["mixed"] | None
    gap_m: float
    bearing_rad: float
    path_length_m: float
    duration_s: float
    path: tuple[tuple[float, float, float], ...]
    floor: Floor
    frames: tuple[object, ...] = ()

    @property
    def success(self) -> bool:
        """Stopped near the goal, no contact, on the instructed side, in time."""
        return self.end == "success"

    @property
    def side_followed(self) -> bool | None:
        """Whether every box was passed on the side asked for; None when a box was not passed at all."""
        return None if self.side_taken is None else self.side_taken == self.side_asked
