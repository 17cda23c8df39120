"""One scene, as plain numbers: what stands where, what it looks like, and where the camera sits.

World frame: the robot starts near the origin and the goal stands about along +x; metres, radians, +y left, +z up. Nothing here
knows MuJoCo, and nothing here names a side: the same scene serves the drive to the left and the drive to the right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MAX_BOXES: Final = 3
MAX_DISTRACTORS: Final = 4

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""


@dataclass(frozen=True)
class Box:
    """A cardboard box on the floor.

    Attributes:
        x, y, yaw: centre (m) and heading (rad) in the world frame.
        half_x, half_y, half_z: half extents along the box's own axes (m).
        colour: of its cardboard.
    """

    x: float
    y: float
    yaw: float
    half_x: float
    half_y: float
    half_z: float
    colour: Colour


@dataclass(frozen=True)
class Goal:
    """The goal object: an upright cylinder with a cap.

    Attributes:
        x, y: centre (m).
        radius_m, height_m: of the cylinder.
        colour, cap_colour: of the cylinder and of its cap.
    """

    x: float
    y: float
    radius_m: float
    height_m: float
    colour: Colour
    cap_colour: Colour


@dataclass(frozen=True)
class Distractor:
    """A thing beside the course that is neither box nor goal; it cannot be touched.

    Attributes:
        x, y: centre (m).
        size_m: half its extent.
        shape: `sphere`, `cylinder` or `box`.
        colour: its colour.
    """

    x: float
    y: float
    size_m: float
    shape: str
    colour: Colour


@dataclass(frozen=True)
class CameraMount:
    """Where the forward camera sits on the robot.

    Attributes:
        height_m: above the floor.
        pitch_rad: + looks down.
        yaw_rad: + looks left.
        fov_x_rad: horizontal field of view; the vertical one follows from 16:9.
    """

    height_m: float = 0.30
    pitch_rad: float = math.radians(8)
    yaw_rad: float = 0.0
    fov_x_rad: float = math.radians(80)


@dataclass(frozen=True)
class Look:
    """Light and surroundings.

    Attributes:
        floor, wall: base colours.
        floor_texture: index into the world's floor textures.
        light_direction: unit vector along which the light falls (z < 0).
        brightness: of the directional light, 0 to 1.
        ambient: of the light from everywhere, 0 to 1.
    """

    floor: Colour
    wall: Colour
    floor_texture: int
    light_direction: tuple[float, float, float]
    brightness: float
    ambient: float


@dataclass(frozen=True)
class Scene:
    """Everything that `World.load` needs.

    Attributes:
        start: x m, y m, yaw rad of the robot.
        boxes, goal, distractors, camera, look: see their classes.
    """

    start: tuple[float, float, float]
    boxes: tuple[Box, ...]
    goal: Goal
    distractors: tuple[Distractor, ...]
    camera: CameraMount
    look: Look

    @property
    def course(self) -> tuple[float, float]:
        """Unit vector (world frame) from the start to the goal: what "along" and "beside" mean for the side of a box."""
        dx, dy = self.goal.x - self.start[0], self.goal.y - self.start[1]
        length = math.hypot(dx, dy)
        return dx / length, dy / length


def along_and_left(scene: Scene, x: float, y: float) -> tuple[float, float]:
    """Return how far `(x, y)` lies along the course from the start, and how far to the left of it (m)."""
    ux, uy = scene.course
    dx, dy = x - scene.start[0], y - scene.start[1]
    return dx * ux + dy * uy, dy * ux - dx * uy
