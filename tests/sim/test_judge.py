"""The judge: success needs everything at once, and a box counts on the side on which it was really passed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.sim.base import ROBOT_RADIUS_M
from mobile_vla.sim.judge import GOAL_GAP_M, TIME_LIMIT_S, Judge, goal_bearing, goal_gap, wrap_angle
from mobile_vla.sim.scene import Box, Scene
from mobile_vla.task.scenarios import Side

MakeScene = Callable[..., Scene]
MakeBox = Callable[..., Box]
Point = tuple[float, float]

PERIOD_S = 0.2
TOUCHING_X = 2.6 - 0.10 - ROBOT_RADIUS_M
"""Where the hull would touch the goal of the plain scene, coming along the course."""
AT_GOAL = (TOUCHING_X - 0.2, 0.0)
LEFT, RIGHT, BEFORE, BEHIND = (1.35, 0.5), (1.35, -0.5), (0.6, 0.0), (2.0, 0.0)


def watch(scene: Scene, side: Side, places: Sequence[Point]) -> Judge:
    """Lead a judge through `places`, nose ahead; the drive is still going on."""
    judge = Judge(scene, side, PERIOD_S)
    for number, (x, y) in enumerate(places):
        assert judge.observe((x, y, 0.0), 0.5, False, None, number * PERIOD_S) is None
    return judge


def stop(judge: Judge, pose: tuple[float, float, float], steps: int = 2, speed_mps: float = 0.0) -> str | None:
    """Stop there for `steps`; return how the drive ended."""
    end = None
    for _ in range(steps):
        end = judge.observe(pose, speed_mps, True, None, 5.0)
    return end


def test_a_stop_at_the_goal_is_a_success_on_its_second_step(make_scene: MakeScene) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), LEFT, BEHIND])
    assert judge.observe((*AT_GOAL, 0.0), 0.0, True, None, 5.0) is None
    assert judge.observe((*AT_GOAL, 0.0), 0.0, True, None, 5.2) == "success"


@pytest.mark.parametrize(
    ("gap_m", "bearing_deg", "speed_mps", "expected"),
    [
        (0.01, 0, 0.0, "success"),
        (GOAL_GAP_M - 0.01, 0, 0.0, "success"),
        (GOAL_GAP_M + 0.01, 0, 0.0, None),
        (0.2, 24, 0.0, "success"),
        (0.2, -24, 0.0, "success"),
        (0.2, 26, 0.0, None),
        (0.2, -26, 0.0, None),
        (0.2, 0, 0.049, "success"),
        (0.2, 0, 0.051, None),
    ],
)
def test_success_needs_gap_bearing_and_rest(
    make_scene: MakeScene, gap_m: float, bearing_deg: float, speed_mps: float, expected: str | None
) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), LEFT, BEHIND])
    pose = (TOUCHING_X - gap_m, 0.0, math.radians(-bearing_deg))
    assert stop(judge, pose, speed_mps=speed_mps) == expected


def test_standing_still_without_a_stop_command_is_no_success(make_scene: MakeScene) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), LEFT, BEHIND])
    assert all(judge.observe((*AT_GOAL, 0.0), 0.0, False, None, 5.0) is None for _ in range(20))


def test_the_two_stop_steps_must_be_consecutive(make_scene: MakeScene) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), LEFT, BEHIND])
    for stop_commanded in (True, False, True, False):
        assert judge.observe((*AT_GOAL, 0.0), 0.0, stop_commanded, None, 5.0) is None


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("places", "taken"),
    [
        ([(0.0, 0.0), LEFT, BEHIND], "left"),
        ([(0.0, 0.0), RIGHT, BEHIND], "right"),
        ([(0.0, 0.0), (1.2, -0.5), (1.2, 0.5), LEFT, BEHIND], "left"),
        ([(0.0, 0.0), LEFT, BEFORE, RIGHT, BEHIND], "right"),
        ([(0.0, 0.0), RIGHT, BEFORE, LEFT, BEHIND], "left"),
        ([(0.0, 0.0), LEFT, BEHIND, (1.4, -0.5), BEHIND], "left"),
    ],
    ids=["left", "right", "changed its mind before", "back and around right", "back and around left", "around it, behind"],
)
def test_a_box_counts_where_it_was_crossed_last(make_scene: MakeScene, side: Side, places: list[Point], taken: Side) -> None:
    judge = watch(make_scene(), side, places)
    assert judge.side_taken == taken
    assert stop(judge, (*AT_GOAL, 0.0)) == ("success" if taken == side else "wrong_side")


def test_going_back_in_front_of_a_box_uncounts_it(make_scene: MakeScene) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), LEFT])
    assert judge.side_taken == "left"
    judge.observe((*BEFORE, 0.0), 0.5, False, None, 1.0)
    assert judge.side_taken is None


def test_two_boxes_passed_on_different_sides_are_a_wrong_side(make_scene: MakeScene, make_box: MakeBox) -> None:
    scene = make_scene(boxes=(make_box(0.9, 0.0), make_box(1.6, 0.0)))
    judge = watch(scene, "left", [(0.0, 0.0), (0.9, 0.5)])
    assert judge.side_taken is None  # the second box is still ahead
    judge.observe((1.6, -0.5, 0.0), 0.5, False, None, 1.0)
    assert judge.side_taken == "mixed"
    assert stop(judge, (*AT_GOAL, 0.0)) == "wrong_side"


@pytest.mark.parametrize(("y", "end"), [(0.6, "success"), (0.0, "wrong_side"), (-0.6, "wrong_side")])
def test_between_two_boxes_is_not_around_them(make_scene: MakeScene, make_box: MakeBox, y: float, end: str) -> None:
    scene = make_scene(boxes=(make_box(1.3, 0.4, 0.1, 0.1), make_box(1.3, -0.4, 0.1, 0.1)))
    assert stop(watch(scene, "left", [(0.0, 0.0), (1.3, y), BEHIND]), (*AT_GOAL, 0.0)) == end


@pytest.mark.parametrize("turn", [0.4, -0.4, 1.2, math.pi])
def test_sides_belong_to_the_course_not_to_the_axes(make_scene: MakeScene, make_box: MakeBox, turn: float) -> None:
    cos, sin = math.cos(turn), math.sin(turn)

    def turned(x: float, y: float) -> Point:
        return cos * x - sin * y, sin * x + cos * y

    scene = make_scene(boxes=(make_box(*turned(1.3, 0.0)),), goal=turned(2.6, 0.0))
    assert watch(scene, "left", [turned(*place) for place in ((0.0, 0.0), LEFT, BEHIND)]).side_taken == "left"
    assert watch(scene, "left", [turned(*place) for place in ((0.0, 0.0), RIGHT, BEHIND)]).side_taken == "right"


def test_a_stop_held_elsewhere_for_two_seconds_ends_the_drive(make_scene: MakeScene) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), (0.5, 0.0)])
    assert stop(judge, (0.5, 0.0, 0.0), steps=9) is None
    assert stop(judge, (0.5, 0.0, 0.0), steps=1) == "stopped_early"


def test_driving_on_starts_the_two_seconds_anew(make_scene: MakeScene) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), (0.5, 0.0)])
    assert stop(judge, (0.5, 0.0, 0.0), steps=9) is None
    judge.observe((0.6, 0.0, 0.0), 0.5, False, None, 3.0)
    assert stop(judge, (0.6, 0.0, 0.0), steps=9) is None


@pytest.mark.parametrize(("contact", "end"), [("box", "hit_box"), ("goal", "hit_goal")])
def test_a_contact_ends_the_drive_even_while_it_would_succeed(make_scene: MakeScene, contact: str, end: str) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), LEFT, BEHIND])
    stop(judge, (*AT_GOAL, 0.0), steps=1)
    assert judge.observe((*AT_GOAL, 0.0), 0.0, True, contact, 5.0) == end


def test_time_runs_out(make_scene: MakeScene) -> None:
    judge = watch(make_scene(), "left", [(0.0, 0.0), LEFT])
    assert judge.observe((*LEFT, 0.0), 0.5, False, None, TIME_LIMIT_S - PERIOD_S) is None
    assert judge.observe((*LEFT, 0.0), 0.5, False, None, TIME_LIMIT_S) == "timeout"


def test_the_driven_path_is_measured(make_scene: MakeScene) -> None:
    assert watch(make_scene(), "left", [(0.0, 0.0), (0.3, 0.4), (0.3, 1.4)]).path_length_m == pytest.approx(1.5)


def test_gap_and_bearing_are_seen_from_the_robot(make_scene: MakeScene) -> None:
    scene = make_scene(goal=(2.0, 1.0))
    assert goal_gap(scene, (2.0, 0.0, 0.0)) == pytest.approx(1.0 - ROBOT_RADIUS_M - 0.10)
    assert goal_bearing(scene, (1.0, 0.0, 0.0)) == pytest.approx(math.pi / 4)  # to the left: +
    assert goal_bearing(scene, (1.0, 0.0, math.pi / 2)) == pytest.approx(-math.pi / 4)


@given(st.floats(-50, 50))
def test_angles_wrap_into_one_turn(angle: float) -> None:
    wrapped = wrap_angle(angle)
    assert -math.pi < wrapped <= math.pi
    assert math.isclose(math.cos(wrapped), math.cos(angle), abs_tol=1e-9)
    assert math.isclose(math.sin(wrapped), math.sin(angle), abs_tol=1e-9)


def test_half_a_turn_is_plus_pi() -> None:
    assert wrap_angle(math.pi) == wrap_angle(-math.pi) == math.pi
