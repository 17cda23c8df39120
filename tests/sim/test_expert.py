"""The taut string and the expert that follows it: clear of boxes, on the asked side, sensible from any pose."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mobile_vla.sim.base import ROBOT_RADIUS_M
from mobile_vla.sim.expert import CRUISE_MPS, STOP_GAP_M, expert_action
from mobile_vla.sim.judge import GOAL_GAP_M, goal_bearing, goal_gap
from mobile_vla.sim.planner import CLEARANCES_M, nearest_box, plan
from mobile_vla.sim.randomisation import distance_to_box, draw_scene
from mobile_vla.sim.scenario import scenes
from mobile_vla.sim.scene import Box, Scene, along_and_left
from mobile_vla.task.actions import ActionType, check_actions
from mobile_vla.task.scenarios import SCENARIOS, Side, other_side

MakeScene = Callable[..., Scene]
MakeBox = Callable[..., Box]
Point = tuple[float, float]

FREE_M = ROBOT_RADIUS_M + CLEARANCES_M[-1] - 0.01
"""What every planned path keeps from a box: the smallest clearance, less the planner's skin."""
SCENES = st.builds(
    lambda scenario, seed, level: draw_scene(scenes.get(scenario.name), seed, level),
    st.sampled_from(SCENARIOS),
    st.integers(0, 10_000),
    st.integers(1, 2),
)
SIDES = st.sampled_from(["left", "right"])


def length_of(points: list[Point]) -> float:
    return sum(math.dist(a, b) for a, b in itertools.pairwise(points))


def samples(a: Point, b: Point) -> list[Point]:
    count = max(2, math.ceil(math.dist(a, b) / 0.02))
    return [(a[0] + (b[0] - a[0]) * i / count, a[1] + (b[1] - a[1]) * i / count) for i in range(count + 1)]


def nearest_m(scene: Scene, points: list[Point]) -> float:
    """Return how close the way through `points` comes to a box."""
    places = [place for a, b in itertools.pairwise(points) for place in samples(a, b)]
    return min(distance_to_box(box, *place) for box in scene.boxes for place in places)


def crossings(scene: Scene, points: list[Point]) -> list[Side]:
    """Return on which side of each box the way crosses the line across the course through its centre, either way."""
    sides: list[Side] = []
    for box in scene.boxes:
        level, beside = along_and_left(scene, box.x, box.y)
        for a, b in itertools.pairwise([along_and_left(scene, *point) for point in points]):
            if (a[0] < level) != (b[0] < level):
                share = (level - a[0]) / (b[0] - a[0])
                sides.append("left" if a[1] + share * (b[1] - a[1]) > beside else "right")
    return sides


def mirror(scene: Scene) -> Scene:
    x, y, yaw = scene.start
    boxes = tuple(replace(box, y=-box.y, yaw=-box.yaw) for box in scene.boxes)
    return replace(scene, start=(x, -y, -yaw), boxes=boxes, goal=replace(scene.goal, y=-scene.goal.y))


@settings(max_examples=200, deadline=None)
@given(scene=SCENES, side=SIDES, x=st.floats(-0.5, 3.5), y=st.floats(-1.5, 1.5))
def test_a_path_keeps_clear_of_boxes_and_on_the_asked_side(scene: Scene, side: Side, x: float, y: float) -> None:
    path = plan(scene, side, x, y)
    assume(path is not None)
    assert path is not None
    way = [(x, y), *path]
    assert path[-1] == (scene.goal.x, scene.goal.y)
    assert nearest_m(scene, way) >= FREE_M - 1e-6
    assert set(crossings(scene, way)) <= {side}


@settings(max_examples=100, deadline=None)
@given(scene=SCENES, side=SIDES)
def test_from_the_start_there_is_a_way_past_every_box(scene: Scene, side: Side) -> None:
    path = plan(scene, side, *scene.start[:2])
    assert path is not None
    assert crossings(scene, [scene.start[:2], *path]) == [side] * len(scene.boxes)


@settings(max_examples=40, deadline=None)
@given(scene=SCENES, side=SIDES)
def test_the_path_is_taut(scene: Scene, side: Side) -> None:
    """No detour over one or two other points, with the same clearance and side, is shorter.

    The planner's octagons stand a little further out than a rounded outline, hence 3 percent.
    """
    start, goal = scene.start[:2], (scene.goal.x, scene.goal.y)
    path = plan(scene, side, *start)
    assert path is not None
    sign = 1.0 if side == "left" else -1.0
    grid = [(float(x), sign * float(y)) for x in np.linspace(0.4, goal[0], 6) for y in np.linspace(0.0, 1.2, 7)]
    ways = [[start, a, goal] for a in grid] + [[start, a, b, goal] for a, b in itertools.combinations(grid, 2) if a[0] < b[0]]
    shorter = [way for way in [[start, goal], *ways] if length_of(way) < 0.97 * length_of([start, *path])]
    for way in shorter:
        free = nearest_m(scene, way) >= ROBOT_RADIUS_M + CLEARANCES_M[0]
        assert not (free and crossings(scene, way) == [side] * len(scene.boxes)), way


def test_a_free_course_is_driven_straight(make_scene: MakeScene, make_box: MakeBox) -> None:
    scene = make_scene(boxes=(make_box(1.3, -1.0),))
    assert plan(scene, "left", 0.0, 0.0) == [(2.6, 0.0)]
    assert len(plan(scene, "right", 0.0, 0.0) or []) > 1  # the long way round, because it was asked for


def test_no_path_from_a_place_that_touches_a_box(make_scene: MakeScene) -> None:
    scene = make_scene()  # its box spans x 1.1 to 1.5
    assert plan(scene, "left", 1.1 - ROBOT_RADIUS_M - 0.005, 0.0) is None
    assert plan(scene, "left", 1.1 - ROBOT_RADIUS_M - 0.025, 0.0) is not None


@settings(max_examples=300, deadline=None)
@given(scene=SCENES, side=SIDES, x=st.floats(-3, 6), y=st.floats(-3, 3), yaw=st.floats(-10, 10))
def test_the_expert_has_an_answer_to_any_pose(scene: Scene, side: Side, x: float, y: float, yaw: float) -> None:
    action = expert_action(scene, side, (x, y, yaw))
    assert action.shape == (4,)
    assert action.dtype == np.float32
    check_actions(action[None])
    assert math.hypot(*action[:2]) <= CRUISE_MPS + 1e-6
    if action[3] == ActionType.STOP:
        assert not action[:3].any()
    if action[3] == ActionType.ROTATE:
        assert not action[:2].any()


@settings(max_examples=150, deadline=None)
@given(scene=SCENES, side=SIDES, x=st.floats(-0.5, 1.6), y=st.floats(-1.2, 1.2), yaw=st.floats(-1, 1))
def test_a_mirrored_scene_gives_the_mirrored_action(scene: Scene, side: Side, x: float, y: float, yaw: float) -> None:
    here = expert_action(scene, side, (x, y, yaw))
    there = expert_action(mirror(scene), other_side(side), (x, -y, -yaw))
    np.testing.assert_allclose(there, here * [1, -1, -1, 1], atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(scene=SCENES, side=SIDES, angle=st.floats(-math.pi, math.pi), yaw=st.floats(-3, 3))
def test_too_close_to_a_box_the_expert_backs_off(scene: Scene, side: Side, angle: float, yaw: float) -> None:
    box = scene.boxes[0]
    radius = next(r for r in np.arange(0.1, 2.0, 0.005) if _free(box, angle, r) > ROBOT_RADIUS_M)
    x, y = box.x + radius * math.cos(angle), box.y + radius * math.sin(angle)
    assume(all(distance_to_box(near, x, y) > ROBOT_RADIUS_M for near in scene.boxes))
    assume(goal_gap(scene, (x, y, yaw)) > STOP_GAP_M and plan(scene, side, x, y) is None)
    vx, vy, _, kind = expert_action(scene, side, (x, y, yaw))
    moved = (x + 0.05 * (math.cos(yaw) * vx - math.sin(yaw) * vy), y + 0.05 * (math.sin(yaw) * vx + math.cos(yaw) * vy))
    assert kind == ActionType.MOVE
    box = nearest_box(scene, x, y)
    assert distance_to_box(box, *moved) > distance_to_box(box, x, y)


def _free(box: Box, angle: float, radius: float) -> float:
    return distance_to_box(box, box.x + radius * math.cos(angle), box.y + radius * math.sin(angle))


@pytest.mark.parametrize(("yaw", "kind"), [(0.0, ActionType.STOP), (0.2, ActionType.STOP), (0.5, ActionType.ROTATE)])
def test_at_the_goal_the_expert_turns_to_it_and_stops(make_scene: MakeScene, yaw: float, kind: ActionType) -> None:
    x = 2.6 - 0.10 - ROBOT_RADIUS_M - STOP_GAP_M + 0.01
    action = expert_action(make_scene(), "left", (x, 0.0, yaw))
    assert action[3] == kind
    assert (action[2] < 0) == (kind == ActionType.ROTATE)  # the goal is to the right of a nose that points left


def test_the_expert_stops_where_the_judge_says_success(make_scene: MakeScene) -> None:
    scene = make_scene()
    for yaw in np.linspace(-3, 3, 25):
        for angle in np.linspace(-3, 3, 25):
            radius = 0.10 + ROBOT_RADIUS_M + STOP_GAP_M - 0.01
            pose = (2.6 + radius * math.cos(angle), radius * math.sin(angle), float(yaw))
            if expert_action(scene, "left", pose)[3] == ActionType.STOP:
                assert goal_gap(scene, pose) <= GOAL_GAP_M
                assert abs(goal_bearing(scene, pose)) <= math.radians(25)


@pytest.mark.parametrize("pose", [(3.4, 0.3, 0.0), (1.9, -0.2, 2.5), (1.3, -0.6, 0.0), (0.9, 0.0, -1.0)])
@pytest.mark.parametrize("side", ["left", "right"])
def test_from_odd_poses_a_point_robot_arrives_on_the_asked_side(
    make_scene: MakeScene, side: Side, pose: tuple[float, float, float]
) -> None:
    """Past the goal, behind the box, beside it on the wrong side, inside its clearance."""
    scene = make_scene()
    x, y, yaw = pose
    driven = [(x, y)]
    for _ in range(300):
        vx, vy, wz, kind = (float(value) for value in expert_action(scene, side, (x, y, yaw)))
        if kind == ActionType.STOP:
            break
        x += 0.1 * (math.cos(yaw) * vx - math.sin(yaw) * vy)
        y += 0.1 * (math.sin(yaw) * vx + math.cos(yaw) * vy)
        yaw += 0.1 * wz
        driven.append((x, y))
    assert goal_gap(scene, (x, y, yaw)) <= STOP_GAP_M
    assert nearest_m(scene, driven) > ROBOT_RADIUS_M
    assert set(crossings(scene, driven)) <= {side}
