"""Made-up drives: a scene, a path around it, and a camera drawn with one ray per picture column."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from mobile_vla.evaluation.outcome import BoxFootprint, Drive, Floor
from mobile_vla.sim.judge import End
from mobile_vla.task.scenarios import SCENARIOS, other_side, parse_scenario

MakeDrive = Callable[..., Drive]
FIELD_OF_VIEW_RAD = 1.4


def _drive(
    scenario: str = "1box_vert_left",
    *,
    agent: str = "policy",
    seed: int = 0,
    end: End = "success",
    steps: int = 24,
    frame_px: int = 0,
    instruction: str | None = None,
) -> Drive:
    kind = parse_scenario(scenario)
    rng = np.random.default_rng(seed)
    floor = _floor(kind.num_boxes, kind.layout, rng)
    passed = other_side(kind.side) if end == "wrong_side" else kind.side
    share = {"success": 1.0, "wrong_side": 1.0, "hit_goal": 1.05, "hit_box": 0.35, "stopped_early": 0.6, "timeout": 0.5}[end]
    path = _path(floor, 1.0 if passed == "left" else -1.0, share, steps, squeeze=0.3 if end == "hit_box" else 1.0)
    return Drive(
        agent=agent,
        scenario=scenario,
        seed=seed,
        instruction=instruction if instruction is not None else f"Pass the boxes on the {kind.side} side",
        end=end,
        side_asked=kind.side,
        side_taken=passed if share > 0.55 else None,
        gap_m=max(0.0, floor.goal[0] - path[-1][0] - 0.3),
        bearing_rad=0.05,
        path_length_m=float(sum(math.dist(a[:2], b[:2]) for a, b in itertools.pairwise(path))),
        duration_s=steps * 0.2,
        path=path,
        floor=floor,
        frames=tuple(_camera(floor, pose, frame_px, rng) for pose in path) if frame_px else (),
    )


def _floor(num_boxes: int, layout: str, rng: np.random.Generator) -> Floor:
    jitter = rng.uniform(-0.1, 0.1, size=(3, 2))
    half = (0.25, 0.12) if layout == "vert" else (0.12, 0.25)
    offsets = (
        [(0.0, 0.0)] if num_boxes == 1 else ([(-0.3, 0.0), (0.35, 0.0)] if layout == "vert" else [(0.0, -0.28), (0.0, 0.28)])
    )
    boxes = tuple(
        BoxFootprint(1.2 + x + jitter[i, 0], y + jitter[i, 1], float(jitter[i, 0]), *half) for i, (x, y) in enumerate(offsets)
    )
    return Floor(boxes, (2.5 + jitter[2, 0], 2 * jitter[2, 1], 0.08), 0.18)


def _path(floor: Floor, sign: float, share: float, steps: int, squeeze: float) -> tuple[tuple[float, float, float], ...]:
    goal_x, goal_y, _ = floor.goal
    width = squeeze * (0.55 + max(abs(box.y) for box in floor.boxes))
    along = np.linspace(0.0, share, steps)
    x = along * (goal_x - 0.5)
    y = sign * width * np.sin(np.pi * np.clip(along, 0, 1)) + along * goal_y
    yaw = np.arctan2(np.gradient(y), np.gradient(x))
    return tuple((float(a), float(b), float(c)) for a, b, c in zip(x, y, yaw, strict=True))


def _camera(floor: Floor, pose: tuple[float, float, float], size: int, rng: np.random.Generator) -> np.ndarray:
    rows = np.linspace(0, 1, size)[:, None, None]
    image = np.where(rows < 0.45, [176, 190, 205], np.array([150, 146, 138]) * (0.75 + 0.35 * rows))
    image = np.broadcast_to(image, (size, size, 3)).copy()
    discs = [(box.x, box.y, max(box.half_x, box.half_y), (150, 104, 62), 0.35) for box in floor.boxes]
    discs.append((*floor.goal, (30, 150, 80), 0.3))
    for x, y, radius, colour, tall in sorted(discs, key=lambda disc: -math.hypot(disc[0] - pose[0], disc[1] - pose[1])):
        distance = max(0.25, math.hypot(x - pose[0], y - pose[1]))
        bearing = math.remainder(math.atan2(y - pose[1], x - pose[0]) - pose[2], math.tau)
        centre, half = (0.5 - bearing / FIELD_OF_VIEW_RAD) * size, radius / distance / FIELD_OF_VIEW_RAD * size
        left, right = (int(np.clip(value, 0, size)) for value in (centre - half, centre + half))
        top, bottom = (int(np.clip(size * (0.45 + value / distance), 0, size)) for value in (0.3 - tall, 0.3))
        image[top:bottom, left:right] = np.array(colour) * min(1.0, 0.6 + 0.4 / distance)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_drive() -> MakeDrive:
    """`make_drive(scenario, *, agent, seed, end, steps, frame_px, instruction) -> Drive`; frames only with `frame_px` > 0."""
    return _drive


@pytest.fixture(scope="session")
def many_drives() -> list[Drive]:
    """Five agents, eight scenarios, five seeds; the policy fails six times in five ways."""
    drives = []
    failures: dict[int, End] = {
        3: "hit_box",
        11: "wrong_side",
        17: "stopped_early",
        25: "timeout",
        31: "hit_goal",
        38: "hit_box",
    }
    for agent in ("policy", "expert", "random", "always_forward", "deaf"):
        for number in range(40):
            scenario = SCENARIOS[number % 8].name
            end: End = {"policy": failures.get(number, "success"), "expert": "success", "deaf": "wrong_side"}.get(
                agent, "timeout"
            )
            if agent == "deaf" and number % 2:
                end = "success"
            instruction = "가장 왼쪽 외곽으로 돌아 컵까지 가세요" if agent == "policy" and number == 3 else None
            px = 32 if agent == "policy" and number < 4 else 0
            drives.append(
                _drive(
                    scenario,
                    agent=agent,
                    seed=1000 + number,
                    end=end,
                    frame_px=px,
                    instruction="" if agent == "deaf" else instruction,
                )
            )
    return drives
