"""Chance: reproducible everywhere, blind to the side, symmetric left to right, wider level by level, always drivable."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core.errors import SimulationError
from mobile_vla.sim.randomisation import LEVELS, distance_to_box, draw_scene, is_drivable
from mobile_vla.sim.scenario import BoxSpec, SceneSpec, scenes
from mobile_vla.sim.scene import Box, Scene
from mobile_vla.task.scenarios import SCENARIOS, parse_scenario

FAMILIES = sorted({f"{scenario.num_boxes}box_{scenario.layout}_left" for scenario in SCENARIOS})
DRAW_ELSEWHERE = """
import json
from dataclasses import asdict
from mobile_vla.sim.randomisation import draw_scene
from mobile_vla.sim.scenario import scenes
print(json.dumps([asdict(draw_scene(scenes.get(name), 11, 2)) for name in scenes]))
"""


def draw(name: str, seed: int, level: int) -> Scene:
    return draw_scene(scenes.get(name), seed, level)


def tried(name: str, level: int, count: int = 400) -> list[Scene]:
    return [draw(name, seed, level) for seed in range(count)]


@pytest.mark.parametrize("level", range(len(LEVELS)))
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_the_same_seed_gives_the_same_scene(name: str, level: int) -> None:
    assert draw(name, 5, level) == draw(name, 5, level)


def test_another_process_draws_the_same_scenes() -> None:
    there = json.loads(subprocess.run([sys.executable, "-c", DRAW_ELSEWHERE], capture_output=True, check=True).stdout)
    here = [asdict(draw(name, 11, 2)) for name in scenes]
    assert json.loads(json.dumps(here)) == there


@given(seed=st.integers(0, 2**40), level=st.integers(0, len(LEVELS) - 1))
def test_left_and_right_share_their_scenes(seed: int, level: int) -> None:
    for name in FAMILIES:
        assert draw(name, seed, level) == draw(parse_scenario(name).mirrored.name, seed, level)


@pytest.mark.parametrize("level", [1, 2])
def test_seeds_families_and_levels_give_different_scenes(level: int) -> None:
    drawn = [draw(name, seed, level) for name in FAMILIES for seed in range(50)]
    assert len({scene.start for scene in drawn}) == len(drawn)
    assert draw("1box_vert_left", 3, 1).start != draw("1box_vert_left", 3, 2).start


def test_level_0_draws_nothing() -> None:
    lopsided = SceneSpec(parse_scenario("1box_vert_left"), "lopsided", (BoxSpec(0.5, 0.1, 0.2, 0.1),))
    for spec in (*(scenes.get(name) for name in FAMILIES), lopsided):
        assert len({draw_scene(spec, seed, 0) for seed in range(40)}) == 1
    scene = draw_scene(lopsided, 7, 0)
    assert scene.start == (0.0, 0.0, 0.0)
    assert (scene.goal.x, scene.goal.y) == (2.6, 0.0)
    assert (scene.boxes[0].x, scene.boxes[0].y, scene.boxes[0].yaw) == (1.3, 0.1, 0.0)
    assert scene.distractors == ()


def _numbers(scene: Scene) -> dict[str, float]:
    box = scene.boxes[0]
    return {
        "start_y": scene.start[1],
        "start_yaw": scene.start[2],
        "goal_x": scene.goal.x,
        "goal_y": scene.goal.y,
        "box_yaw": box.yaw,
        "box_size": box.half_x,
        "floor": scene.look.floor[0],
        "brightness": scene.look.brightness,
        "camera_height": scene.camera.height_m,
        "camera_pitch": scene.camera.pitch_rad,
        "fov": scene.camera.fov_x_rad,
        "distractors": float(len(scene.distractors)),
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_level_2_is_wider_than_level_1_in_everything(name: str) -> None:
    one, two = ([_numbers(scene) for scene in tried(name, level)] for level in (1, 2))
    for key in one[0]:
        narrow, wide = (float(np.std([row[key] for row in rows])) for rows in (one, two))
        assert wide > 1.15 * narrow > 0, key


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("name", FAMILIES)
def test_scenes_are_symmetric_left_to_right(name: str, level: int) -> None:
    """Each quantity with a side has mean 0 (within 4 standard errors), and as many scenes lean left as right."""
    count = 600
    drawn = tried(name, level, count)
    sided = {
        "start": [scene.start[1] for scene in drawn],
        "yaw": [scene.start[2] for scene in drawn],
        "goal": [scene.goal.y for scene in drawn],
        "boxes": [sum(box.y for box in scene.boxes) for scene in drawn],
        "first box": [scene.boxes[0].y for scene in drawn],
        "box yaw": [sum(box.yaw for box in scene.boxes) for scene in drawn],
        "camera": [scene.camera.yaw_rad for scene in drawn],
        "light": [scene.look.light_direction[1] for scene in drawn],
        "beside": [sum(thing.y for thing in scene.distractors) for scene in drawn],
    }
    for key, values in sided.items():
        array = np.array(values)
        assert abs(array.mean()) < 4 * array.std() / math.sqrt(count), key
        lean = int((array > 0).sum()) - int((array < 0).sum())
        assert abs(lean) < 4 * math.sqrt(count), key


def test_a_lopsided_scenario_leans_either_way() -> None:
    spec = SceneSpec(parse_scenario("1box_vert_left"), "lopsided", (BoxSpec(0.5, 0.4, 0.2, 0.1),))
    left = sum(draw_scene(spec, seed, 1).boxes[0].y > 0 for seed in range(400))
    assert 160 <= left <= 240


@pytest.mark.parametrize("level", range(len(LEVELS)))
@pytest.mark.parametrize("name", FAMILIES)
def test_every_scene_is_drivable(name: str, level: int) -> None:
    for scene in tried(name, level, 200):
        assert is_drivable(scene)
        for box in scene.boxes:
            assert distance_to_box(box, scene.goal.x, scene.goal.y) >= 0.55
            assert distance_to_box(box, *scene.start[:2]) >= 0.55


def test_a_goal_beside_a_box_is_not_drivable() -> None:
    scene = draw("1box_vert_left", 0, 0)
    assert not is_drivable(replace(scene, goal=replace(scene.goal, x=scene.boxes[0].x + 0.6)))


def test_a_goal_is_never_the_colour_of_cardboard() -> None:
    for scene in tried("1box_hori_left", 2, 300):
        red, green, blue = scene.goal.colour
        orange = red > green > blue and 0.04 < (green - blue) / (red - blue) / 6 < 0.13
        assert not orange


def test_boxes_without_room_are_refused() -> None:
    spec = SceneSpec(parse_scenario("1box_vert_left"), "blocked", (BoxSpec(0.05, 0.0, 0.2, 0.2),))
    with pytest.raises(SimulationError, match=r"scenario family 'blocked': no drivable scene in 200 draws; its boxes stand"):
        draw_scene(spec, 0, 1)


@pytest.mark.parametrize("level", [-1, 3])
def test_an_unknown_level_is_refused(level: int) -> None:
    with pytest.raises(SimulationError, match=rf"^level = {level}: randomisation levels are 0 \(none\) to 2 \(wide\)\.$"):
        draw("1box_vert_left", 0, level)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(SimulationError, match=r"^seed = -1: seeds are whole numbers >= 0\.$"):
        draw("1box_vert_left", -1, 1)


@given(
    x=st.floats(-3, 3),
    y=st.floats(-3, 3),
    yaw=st.floats(-4, 4),
    half=st.tuples(st.floats(0.05, 0.6), st.floats(0.05, 0.6)),
)
def test_the_distance_to_a_box_is_that_to_its_nearest_point(x: float, y: float, yaw: float, half: tuple[float, float]) -> None:
    box = Box(0.3, -0.2, yaw, *half, 0.15, (1.0, 1.0, 1.0))
    u, v = np.meshgrid(np.linspace(-half[0], half[0], 121), np.linspace(-half[1], half[1], 121))
    points_x = box.x + math.cos(yaw) * u - math.sin(yaw) * v
    points_y = box.y + math.sin(yaw) * u + math.cos(yaw) * v
    sampled = float(np.hypot(points_x - x, points_y - y).min())
    assert distance_to_box(box, x, y) == pytest.approx(sampled, abs=0.012)
