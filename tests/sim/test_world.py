"""The world's physics: REP-103 signs, and contact exactly where things stand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from mobile_vla.core.errors import SimulationError
from mobile_vla.sim.base import ROBOT_RADIUS_M, Twist
from mobile_vla.sim.scene import Box, Distractor, Scene
from mobile_vla.sim.world import World

MakeScene = Callable[..., Scene]
MakeBox = Callable[..., Box]
CREEP_MPS = 0.2


@pytest.fixture(scope="module")
def world() -> World:
    return World(32, 32)


def hold(world: World, twist: Twist, seconds: float) -> None:
    for _ in range(round(seconds / 0.2)):
        world.drive(twist, 0.2)


def creep_until_contact(world: World, seconds: float = 8.0) -> tuple[str | None, float, float]:
    """Drive ahead slowly; return what was touched, and where the robot stood then."""
    while world.contact is None and world.time_s < seconds:
        world.drive((CREEP_MPS, 0.0, 0.0), 0.01)
    return world.contact, *world.pose[:2]


@pytest.mark.parametrize("yaw", [0.0, 0.9, math.pi / 2, -2.5])
@pytest.mark.parametrize(
    ("twist", "ahead", "aside", "turn"),
    [((0.5, 0.0, 0.0), 1, 0, 0), ((-0.5, 0.0, 0.0), -1, 0, 0), ((0.0, 0.5, 0.0), 0, 1, 0), ((0.0, 0.0, 0.5), 0, 0, 1)],
    ids=["forward", "backward", "left", "counter-clockwise"],
)
def test_a_twist_is_driven_in_the_body_frame_with_rep_103_signs(
    world: World, make_scene: MakeScene, twist: Twist, ahead: int, aside: int, turn: int, yaw: float
) -> None:
    world.load(make_scene(start=(0.4, -0.3, yaw), boxes=(), goal=(9.0, 9.0)))
    hold(world, twist, 1.0)
    x, y, now = world.pose
    nose, left = (math.cos(yaw), math.sin(yaw)), (-math.sin(yaw), math.cos(yaw))
    moved = (x - 0.4, y + 0.3)
    expected = 0.5 - 0.5 * 0.5**2 / 2.0  # one second at 0.5 m/s, less what the ramp of 2 m/s^2 costs
    assert moved[0] * nose[0] + moved[1] * nose[1] == pytest.approx(ahead * expected, abs=0.02)
    assert moved[0] * left[0] + moved[1] * left[1] == pytest.approx(aside * expected, abs=0.02)
    assert now - yaw == pytest.approx(turn * 0.475, abs=0.02)
    np.testing.assert_allclose(world.twist, twist, atol=0.01)


def test_driving_while_turning_follows_a_circle(world: World, make_scene: MakeScene) -> None:
    world.load(make_scene(boxes=(), goal=(9.0, 9.0)))
    hold(world, (0.5, 0.0, 1.0), 1.0)
    x, y, yaw = world.pose
    centre = (x - 0.5 * math.sin(yaw), y + 0.5 * math.cos(yaw))  # to the left, one radius v / w away
    hold(world, (0.5, 0.0, 1.0), 2.0)
    assert math.dist(centre, world.pose[:2]) == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(world.twist, (0.5, 0.0, 1.0), atol=0.03)


def test_without_new_commands_the_robot_stops(world: World, make_scene: MakeScene) -> None:
    world.load(make_scene(boxes=(), goal=(9.0, 9.0)))
    hold(world, (0.8, 0.0, 0.0), 1.0)
    world.drive(None, 0.4)
    assert world.twist[0] == pytest.approx(0.8, abs=0.02)
    world.drive(None, 1.0)
    np.testing.assert_allclose(world.twist, 0.0, atol=1e-3)


@pytest.mark.parametrize("half", [(0.05, 0.05), (0.1, 0.3), (0.28, 0.16), (0.5, 0.6)])
@pytest.mark.parametrize("from_deg", [0, 90, 180, 270])
def test_a_box_of_any_size_is_touched_where_it_stands(
    world: World, make_scene: MakeScene, make_box: MakeBox, half: tuple[float, float], from_deg: int
) -> None:
    yaw = math.radians(from_deg)
    start = (1.3 - 1.2 * math.cos(yaw), -1.2 * math.sin(yaw), yaw)
    world.load(make_scene(start=start, boxes=(make_box(1.3, 0.0, *half),), goal=(30.0, 0.0)))
    what, x, y = creep_until_contact(world)
    face = half[0] if from_deg in (0, 180) else half[1]
    assert what == "box"
    assert math.dist((x, y), (1.3, 0.0)) == pytest.approx(face + ROBOT_RADIUS_M, abs=0.02)


def test_a_turned_box_is_touched_at_its_corner(world: World, make_scene: MakeScene, make_box: MakeBox) -> None:
    world.load(make_scene(boxes=(make_box(1.3, 0.0, 0.2, 0.2, math.pi / 4),), goal=(30.0, 0.0)))
    what, x, _ = creep_until_contact(world)
    assert (what, x) == ("box", pytest.approx(1.3 - 0.2 * math.sqrt(2) - ROBOT_RADIUS_M, abs=0.02))


def test_every_box_of_three_can_be_touched(world: World, make_scene: MakeScene, make_box: MakeBox) -> None:
    for bearing in (-0.8, 0.0, 0.8):
        boxes = tuple(make_box(1.2 * math.cos(a), 1.2 * math.sin(a), 0.1, 0.1, a) for a in (-0.8, 0.0, 0.8))
        world.load(make_scene(start=(0.0, 0.0, bearing), boxes=boxes, goal=(30.0, 0.0)))
        what, x, y = creep_until_contact(world)
        assert what == "box"
        assert math.hypot(x, y) == pytest.approx(1.2 - 0.1 - ROBOT_RADIUS_M, abs=0.02)


@pytest.mark.parametrize("radius_m", [0.05, 0.075, 0.10, 0.135, 0.30])
@pytest.mark.parametrize("yaw", [0.0, 0.5, -2.0])
def test_a_goal_of_any_size_is_touched_where_it_stands(
    world: World, make_scene: MakeScene, radius_m: float, yaw: float
) -> None:
    start = (1.3 - 1.2 * math.cos(yaw), -1.2 * math.sin(yaw), yaw)
    world.load(make_scene(start=start, boxes=(), goal=(1.3, 0.0), radius_m=radius_m))
    what, x, y = creep_until_contact(world)
    assert what == "goal"
    assert math.dist((x, y), (1.3, 0.0)) == pytest.approx(radius_m + ROBOT_RADIUS_M, abs=0.02)


def test_a_near_miss_is_no_contact(world: World, make_scene: MakeScene, make_box: MakeBox) -> None:
    world.load(make_scene(boxes=(make_box(0.8, 0.16 + ROBOT_RADIUS_M + 0.01, 0.2, 0.16),), goal=(30.0, 0.0)))
    assert creep_until_contact(world)[0] is None


def test_the_first_contact_is_kept_until_the_next_scene(world: World, make_scene: MakeScene) -> None:
    world.load(make_scene())
    creep_until_contact(world)
    hold(world, (-0.5, 0.0, 0.0), 1.0)
    assert world.contact == "box"
    world.load(make_scene())
    assert (world.contact, world.time_s, world.pose) == (None, 0.0, (0.0, 0.0, 0.0))
    np.testing.assert_array_equal(world.twist, 0.0)


def test_boxes_of_the_last_scene_are_gone(world: World, make_scene: MakeScene) -> None:
    world.load(make_scene())
    world.load(make_scene(boxes=(), goal=(30.0, 0.0)))
    assert creep_until_contact(world)[0] is None


def test_things_beside_the_course_cannot_be_touched(world: World, make_scene: MakeScene) -> None:
    thing = Distractor(0.6, 0.0, 0.2, "box", (0.2, 0.5, 0.2))
    world.load(make_scene(boxes=(), goal=(30.0, 0.0), distractors=(thing,)))
    what, x, _ = creep_until_contact(world)
    assert what is None
    assert x > 1.0


@pytest.mark.parametrize("size", [(0, 64), (64, -1), (1081, 64), (64, 1921)])
def test_a_picture_beyond_the_renderers_buffer_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(
        SimulationError, match=rf"^camera size = \({size[0]}, {size[1]}\): .* at most 1080 high and 1920 wide\.$"
    ):
        World(*size)


def test_too_many_boxes_are_refused(world: World, make_scene: MakeScene, make_box: MakeBox) -> None:
    with pytest.raises(SimulationError, match=r"^scene = \(4, 0\): at most 3 boxes and 4 distractors\.$"):
        world.load(make_scene(boxes=(make_box(1.0, 0.0),) * 4))
