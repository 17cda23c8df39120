"""The camera: deterministic, the same view at every size, left is left, and it sits where the scene says."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mobile_vla.sim.gl import APT_LINE
from mobile_vla.sim.randomisation import draw_scene
from mobile_vla.sim.scenario import scenes
from mobile_vla.sim.scene import CameraMount, Distractor, Scene
from mobile_vla.sim.world import World

MakeScene = Callable[..., Scene]
Picture = NDArray[np.uint8]

RENDER = """
from mobile_vla.sim.navigation import Navigation
drive = Navigation(5.0, 32, 32)
drive.start("1box_vert_left", 0, 0)
drive.world.render()
"""


@pytest.fixture(scope="module")
def world() -> World:
    return World(90, 160)


def picture(world: World, scene: Scene) -> Picture:
    world.load(scene)
    return world.render()


def red_at(image: Picture) -> tuple[float, float]:
    """Return the mean row and column, as shares of the picture, of what is plainly red (the goal)."""
    red, green, blue = (image[..., channel].astype(int) for channel in range(3))
    rows, columns = np.nonzero((red > 2 * green) & (red > 2 * blue) & (red > 60))
    assert len(rows) > 3, "no goal in the picture"
    return float(rows.mean()) / image.shape[0], float(columns.mean()) / image.shape[1]


def test_the_same_scene_gives_the_same_picture(world: World) -> None:
    scene, other = (draw_scene(scenes.get("2box_hori_left"), seed, 2) for seed in (3, 4))
    first = picture(world, scene)
    assert (picture(world, other) != first).mean() > 0.2
    np.testing.assert_array_equal(picture(world, scene), first)
    np.testing.assert_array_equal(picture(World(90, 160), scene), first)
    assert (first.dtype, first.shape) == (np.uint8, (90, 160, 3))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_small_picture_is_a_large_one_resized(level: int, make_scene: MakeScene) -> None:
    scene = draw_scene(scenes.get("2box_vert_left"), 5, level)
    large, small = picture(World(720, 1280), scene), picture(World(64, 64), scene)
    resized = np.asarray(Image.fromarray(large).resize((64, 64), Image.Resampling.BOX))
    difference = np.abs(resized.astype(float) - small)
    assert difference.mean() < 4.0
    other = draw_scene(scenes.get("2box_vert_left"), 6, level) if level else make_scene()
    assert np.abs(picture(World(64, 64), other).astype(float) - small).mean() > 2 * difference.mean()


def test_left_in_the_world_is_left_in_the_picture(world: World, make_scene: MakeScene) -> None:
    column = {y: red_at(picture(world, make_scene(boxes=(), goal=(2.6, y))))[1] for y in (-0.8, 0.0, 0.8)}
    assert column[0.8] < 0.4 < column[0.0] < 0.6 < column[-0.8]
    assert column[0.0] == pytest.approx(0.5, abs=0.01)


def test_a_robot_turned_left_sees_the_goal_to_its_right(world: World, make_scene: MakeScene) -> None:
    assert red_at(picture(world, make_scene(start=(0.0, 0.0, 0.3), boxes=())))[1] > 0.6


def test_the_goal_is_where_a_pinhole_camera_puts_it(world: World, make_scene: MakeScene) -> None:
    for fov_deg in (60, 80, 100):
        mount = CameraMount(fov_x_rad=math.radians(fov_deg))
        column = red_at(picture(world, make_scene(boxes=(), goal=(2.6, 0.6), camera=mount)))[1]
        depth = (2.6 - 0.1) * math.cos(mount.pitch_rad)
        expected = 0.5 - 0.5 * (0.6 / depth) / math.tan(mount.fov_x_rad / 2)
        assert column == pytest.approx(expected, abs=0.015)


def test_height_pitch_and_yaw_of_the_camera_move_the_picture(world: World, make_scene: MakeScene) -> None:
    def goal_at(**mount: float) -> tuple[float, float]:
        return red_at(picture(world, make_scene(boxes=(), camera=CameraMount(**mount))))

    row, column = goal_at()
    assert goal_at(height_m=0.45)[0] > row + 0.02  # from higher up, the goal's middle is further down
    assert goal_at(pitch_rad=0.25)[0] < row - 0.05  # looking further down lifts it
    assert goal_at(yaw_rad=0.2)[1] > column + 0.05  # looking left moves it right


def test_an_object_is_drawn_in_its_colour_and_light_matters(world: World, make_scene: MakeScene) -> None:
    scene = make_scene(boxes=())
    bright = picture(world, scene)
    dark = picture(world, replace(scene, look=replace(scene.look, brightness=0.1, ambient=0.2)))
    assert dark.mean() < 0.7 * bright.mean()
    blue = picture(world, replace(scene, goal=replace(scene.goal, colour=(0.1, 0.1, 0.9))))
    row, column = red_at(bright)
    pixel = blue[int(row * 90), int(column * 160)].astype(int)
    assert pixel[2] > 2 * max(pixel[0], pixel[1])


@pytest.mark.parametrize("shape", ["sphere", "cylinder", "box"])
def test_things_beside_the_course_are_seen(world: World, make_scene: MakeScene, shape: str) -> None:
    bare = picture(world, make_scene())
    beside = picture(world, make_scene(distractors=(Distractor(2.5, 1.0, 0.25, shape, (0.1, 0.4, 0.8)),)))
    changed = (bare != beside).any(axis=2)
    assert changed[:, :80].sum() > 20
    assert not changed[:, 80:].any()


@pytest.mark.parametrize("texture", [1, 2, 3])
def test_floor_textures_differ(world: World, make_scene: MakeScene, texture: int) -> None:
    scene = make_scene()
    other = replace(scene, look=replace(scene.look, floor_texture=texture))
    assert (picture(world, scene) != picture(world, other)).any(axis=2).mean() > 0.02


def test_the_view_from_above_has_the_goal_ahead_and_left_to_the_left(world: World, make_scene: MakeScene) -> None:
    world.load(make_scene(boxes=(), goal=(2.6, 0.8)))
    above = world.render("above", size=(120, 120))
    blank = world.render("above", size=(120, 120))
    assert above.shape == (120, 120, 3)
    np.testing.assert_array_equal(above, blank)
    world.load(make_scene(boxes=(), goal=(2.6, -0.8)))
    changed = np.nonzero((world.render("above", size=(120, 120)) != above).any(axis=2))
    assert changed[0].mean() < 60  # ahead is up
    assert {True, False} == set((changed[1] < 60).tolist())


def test_worlds_of_different_sizes_take_turns(make_scene: MakeScene) -> None:
    small, large = World(24, 48), World(48, 24)
    first = picture(small, make_scene())
    assert picture(large, make_scene()).shape == (48, 24, 3)
    np.testing.assert_array_equal(small.render(), first)


@pytest.mark.skipif(sys.platform != "linux", reason="EGL and OSMesa are Linux's")
@pytest.mark.parametrize(
    "environment",
    [{"MUJOCO_GL": "egl", "MUJOCO_EGL_DEVICE_ID": "4096"}, {"MUJOCO_GL": "glfw", "DISPLAY": ""}, {"MUJOCO_GL": "disable"}],
    ids=lambda environment: environment["MUJOCO_GL"],
)
def test_a_machine_that_cannot_render_says_what_to_install(environment: dict[str, str]) -> None:
    run = subprocess.run([sys.executable, "-c", RENDER], capture_output=True, text=True, env={**os.environ, **environment})
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("mobile_vla.core.errors.SimulationError: MUJOCO_GL = '" + environment["MUJOCO_GL"])
    assert f"Install a software renderer: {APT_LINE}" in last


@pytest.mark.skipif(sys.platform != "linux", reason="OSMesa is Linux's")
def test_a_library_that_is_missing_says_what_to_install() -> None:
    """OSMesa asked for and not there: MuJoCo fails as early as its import."""
    hide = "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
    environment = {**os.environ, "MUJOCO_GL": "osmesa", "PYOPENGL_PLATFORM": "osmesa", "LD_LIBRARY_PATH": ""}
    run = subprocess.run([sys.executable, "-c", hide + RENDER], capture_output=True, text=True, env=environment)
    if run.returncode == 0:
        pytest.skip("OSMesa is installed where no search is needed to find it")
    assert (
        "mobile_vla.core.errors.SimulationError: MUJOCO_GL = 'osmesa': the simulator's camera cannot render here" in run.stderr
    )
    assert APT_LINE in run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="EGL and OSMesa are Linux's")
@pytest.mark.parametrize(("installed", "expected"), [(("EGL", "OSMesa"), "egl"), (("OSMesa",), "osmesa"), ((), "")])
def test_the_backend_is_the_first_that_is_installed(
    installed: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mobile_vla.sim import gl

    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(gl.ctypes.util, "find_library", lambda name: f"lib{name}.so" if name in installed else None)
    assert gl.choose_backend() == expected
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    assert gl.choose_backend() == "glfw"
