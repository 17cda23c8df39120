"""Chance: from a scenario, a seed and a level to one scene.

Level 0 draws nothing: the nominal scene. Level 1 is a lab on different days. Level 2 is wide: another lab. The draw depends on
the scenario's family, never on its side, and is symmetric left to right, so that without the instruction nobody can know the
side.
"""

from __future__ import annotations

import colorsys
import math
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from mobile_vla.core.errors import SimulationError, problem
from mobile_vla.sim.scenario import BoxSpec, SceneSpec
from mobile_vla.sim.scene import MAX_DISTRACTORS, Box, CameraMount, Colour, Distractor, Goal, Look, Scene

FLOOR_TEXTURES: Final = 4
_CARDBOARD: Final[Colour] = (0.72, 0.53, 0.34)
_TRIES: Final = 200


@dataclass(frozen=True)
class Level:
    """How far chance may move things. A plain number is the half width of a symmetric range; a pair is (low, high).

    Lengths in m, angles in rad, `size` and `fov` are factors, colours are in HSV shares.
    """

    start_left: float
    start_yaw: float
    goal_distance: tuple[float, float]
    goal_left: float
    box_along: float
    box_left: float
    box_yaw: float
    size: tuple[float, float]
    colour: float
    goal_hue: float
    brightness: tuple[float, float]
    camera_height: float
    camera_pitch: float
    fov: float
    distractors: int
    mirror: bool = True
    """Whether one scene in two swaps left and right."""


LEVELS: Final = (
    Level(0, 0, (1, 1), 0, 0, 0, 0, (1, 1), 0, 0, (0.6, 0.6), 0, 0, 0, 0, mirror=False),
    Level(0.15, 0.20, (0.85, 1.15), 0.25, 0.08, 0.08, 0.20, (0.85, 1.15), 0.15, 0.06, (0.4, 0.7), 0.02, 0.03, 0.02, 2),
    Level(0.30, 0.45, (0.75, 1.35), 0.50, 0.12, 0.12, 0.45, (0.75, 1.35), 0.35, 0.50, (0.25, 0.8), 0.06, 0.08, 0.08, 4),
)


def draw_scene(spec: SceneSpec, seed: int, level: int) -> Scene:
    """Return the scene of `spec` for `seed` (>= 0) at randomisation `level` (0, 1 or 2).

    The same arguments give the same scene in every process and on every machine.

    Raises:
        SimulationError: an unknown level or a negative seed.
    """
    if not 0 <= level < len(LEVELS):
        raise SimulationError(problem("level", level, f"randomisation levels are 0 (none) to {len(LEVELS) - 1} (wide)"))
    if seed < 0:
        raise SimulationError(problem("seed", seed, "seeds are whole numbers >= 0"))
    rng = np.random.default_rng([seed, zlib.crc32(spec.family.encode()), level])
    for _ in range(_TRIES):
        scene = _draw(spec, LEVELS[level], rng)
        if is_drivable(scene):
            return scene
    raise SimulationError(f"scenario family {spec.family!r}: no drivable scene in {_TRIES} draws; its boxes stand too close.")


def is_drivable(scene: Scene) -> bool:
    """Return whether robot and goal have room: no box within 0.55 m of the goal or of the start."""
    places = [(scene.goal.x, scene.goal.y), scene.start[:2]]
    return all(distance_to_box(box, x, y) >= 0.55 for box in scene.boxes for x, y in places)


def _draw(spec: SceneSpec, level: Level, rng: np.random.Generator) -> Scene:
    def around(half_width: float) -> float:
        return float(rng.uniform(-half_width, half_width))

    mirror = -1.0 if rng.random() >= 0.5 and level.mirror else 1.0
    distance = spec.goal_distance_m * float(rng.uniform(*level.goal_distance))
    goal_y = around(level.goal_left)
    boxes = tuple(_draw_box(box, mirror, (distance, goal_y), level, rng) for box in spec.boxes)
    return Scene(
        start=(0.0, around(level.start_left), around(level.start_yaw)),
        boxes=boxes,
        goal=_draw_goal(distance, goal_y, level, rng),
        distractors=_draw_distractors(distance, level, rng),
        camera=CameraMount(
            height_m=0.30 + around(level.camera_height),
            pitch_rad=math.radians(8) + around(level.camera_pitch),
            yaw_rad=around(level.camera_pitch) * 0.5,
            fov_x_rad=math.radians(80) * (1.0 + around(level.fov)),
        ),
        look=_draw_look(level, rng),
    )


def _draw_box(spec: BoxSpec, mirror: float, goal: tuple[float, float], level: Level, rng: np.random.Generator) -> Box:
    along = spec.along + float(rng.uniform(-level.box_along, level.box_along))
    size_x, size_y, size_z = rng.uniform(*level.size, size=3)
    return Box(
        x=goal[0] * along,
        y=goal[1] * along + mirror * spec.left_m + float(rng.uniform(-level.box_left, level.box_left)),
        yaw=float(rng.uniform(-level.box_yaw, level.box_yaw)),
        half_x=spec.half_x * float(size_x),
        half_y=spec.half_y * float(size_y),
        half_z=spec.half_z * float(size_z),
        colour=_near(_CARDBOARD, level.colour, rng),
    )


def _draw_goal(x: float, y: float, level: Level, rng: np.random.Generator) -> Goal:
    hue = float(rng.uniform(-level.goal_hue, level.goal_hue)) % 1.0
    if 0.04 < hue < 0.13:  # cardboard's own hues: a goal of that colour would be a box
        hue = (hue + 0.25) % 1.0
    size = float(rng.uniform(*level.size))
    return Goal(
        x=x,
        y=y,
        radius_m=0.10 * size,
        height_m=0.50 * float(rng.uniform(*level.size)),
        colour=colorsys.hsv_to_rgb(hue, 0.9, 0.85),
        cap_colour=colorsys.hsv_to_rgb((hue + 0.08) % 1.0, 0.3, 0.95),
    )


def _draw_distractors(distance: float, level: Level, rng: np.random.Generator) -> tuple[Distractor, ...]:
    count = int(rng.integers(0, min(level.distractors, MAX_DISTRACTORS) + 1))
    return tuple(
        Distractor(
            x=float(rng.uniform(0.5, distance + 2.0)),
            y=float(rng.choice([-1.0, 1.0]) * rng.uniform(1.9, 3.0)),
            size_m=float(rng.uniform(0.08, 0.25)),
            shape=str(rng.choice(["sphere", "cylinder", "box"])),
            colour=colorsys.hsv_to_rgb(
                float(rng.uniform(0.2, 0.75)), float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.3, 0.9))
            ),
        )
        for _ in range(count)
    )


def _draw_look(level: Level, rng: np.random.Generator) -> Look:
    tilt = min(1.0, level.colour * 3.0)
    direction = np.array([rng.uniform(0.0, 0.8), rng.uniform(-tilt, tilt), -1.0]) if tilt else np.array([0.5, 0.0, -1.0])
    direction /= np.linalg.norm(direction)
    return Look(
        floor=_near((0.55, 0.55, 0.55), level.colour, rng),
        wall=_near((0.80, 0.80, 0.78), level.colour, rng),
        floor_texture=int(rng.integers(FLOOR_TEXTURES)) if level.colour else 0,
        light_direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        brightness=float(rng.uniform(*level.brightness)),
        ambient=float(rng.uniform(0.40, 0.65)) if level.colour else 0.50,
    )


def _near(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    moved = np.clip(np.asarray(colour) + rng.uniform(-spread, spread) + rng.uniform(-spread, spread, size=3) * 0.3, 0.05, 1.0)
    return float(moved[0]), float(moved[1]), float(moved[2])


def distance_to_box(box: Box, x: float, y: float) -> float:
    """Return the distance on the floor from `(x, y)` to the nearest point of `box` (m); 0 inside."""
    dx, dy = x - box.x, y - box.y
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    outside_x = max(abs(dx * cos + dy * sin) - box.half_x, 0.0)
    outside_y = max(abs(dy * cos - dx * sin) - box.half_y, 0.0)
    return math.hypot(outside_x, outside_y)
