"""Plain scenes for the tests of the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mobile_vla.sim.scene import Box, CameraMount, Goal, Look, Scene

CARDBOARD = (0.72, 0.53, 0.34)
RED, GREEN = (0.9, 0.1, 0.1), (0.1, 0.8, 0.1)
MakeScene = Callable[..., Scene]


def _box(x: float, y: float, half_x: float = 0.2, half_y: float = 0.16, yaw: float = 0.0) -> Box:
    return Box(x, y, yaw, half_x, half_y, 0.15, CARDBOARD)


@pytest.fixture(scope="session")
def make_box() -> Callable[..., Box]:
    """`make_box(x, y, half_x, half_y, yaw) -> Box`."""
    return _box


@pytest.fixture(scope="session")
def make_scene() -> MakeScene:
    """`make_scene(boxes=..., goal=(x, y), radius_m=..., **fields) -> Scene`: one box half way to a goal 2.6 m ahead."""

    def make(
        *,
        start: tuple[float, float, float] = (0.0, 0.0, 0.0),
        boxes: tuple[Box, ...] = (_box(1.3, 0.0),),
        goal: tuple[float, float] = (2.6, 0.0),
        radius_m: float = 0.10,
        **fields: Any,
    ) -> Scene:
        look = Look((0.55,) * 3, (0.8,) * 3, 0, (0.45, 0.0, -0.9), 0.6, 0.5)
        rest: dict[str, Any] = {"distractors": (), "camera": CameraMount(), "look": look, **fields}
        return Scene(start=start, boxes=boxes, goal=Goal(*goal, radius_m, 0.5, RED, GREEN), **rest)

    return make
