"""The MuJoCo model, as MJCF text: one model for all scenes, its bodies moved, resized and repainted for each of them."""

from __future__ import annotations

from typing import Final

from mobile_vla.sim.base import ROBOT_RADIUS_M
from mobile_vla.sim.scene import MAX_BOXES, MAX_DISTRACTORS

TIMESTEP_S: Final = 0.01
MAX_WIDTH: Final = 1920
MAX_HEIGHT: Final = 1080
DISTRACTOR_SHAPES: Final = ("sphere", "cylinder", "box")
WALL_DISTANCE_M: Final = 7.0

_FLOOR_TEXTURES: Final = (
    'builtin="flat" rgb1="1 1 1"',
    'builtin="checker" rgb1="1 1 1" rgb2="0.82 0.82 0.82"',
    'builtin="flat" rgb1="1 1 1" mark="random" random="0.04" markrgb="0.7 0.7 0.7"',
    'builtin="checker" rgb1="1 1 1" rgb2="0.9 0.86 0.82" mark="edge" markrgb="0.6 0.6 0.6"',
)


def build_mjcf() -> str:
    """Return the model's XML.

    `statistic extent` is pinned: MuJoCo's near plane scales with it, and walls would cut the goal open.
    """
    return f"""
<mujoco model="box_navigation">
  <option timestep="{TIMESTEP_S}" integrator="implicitfast" gravity="0 0 0"/>
  <statistic extent="1" center="0 0 0"/>
  <visual>
    <global offwidth="{MAX_WIDTH}" offheight="{MAX_HEIGHT}"/>
    <quality shadowsize="0" offsamples="4"/>
    <map znear="0.02" zfar="40"/>
    <headlight ambient="0.35 0.35 0.35" diffuse="0 0 0" specular="0 0 0"/>
  </visual>
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1="0.75 0.82 0.9" rgb2="0.95 0.95 0.95" width="64" height="384"/>
    <texture name="cardboard" type="cube" builtin="flat" rgb1="1 1 1" rgb2="0.93 0.93 0.93" mark="edge" markrgb="0.6 0.55 0.5"
             width="64" height="64"/>
    <material name="cardboard" texture="cardboard" specular="0" shininess="0"/>
    {_floors()}
  </asset>
  <worldbody>
    <light name="sun" type="directional" pos="0 0 4" dir="0 0 -1" castshadow="false" specular="0 0 0"/>
    <geom name="floor" type="plane" size="20 20 1" material="floor0" contype="0" conaffinity="0"/>
    {_walls()}
    {_boxes()}
    <body name="goal">
      <geom name="goal" type="cylinder" size="0.1 0.25" conaffinity="2" contype="0"/>
      <geom name="goal_cap" type="cylinder" size="0.06 0.04" contype="0" conaffinity="0"/>
    </body>
    {_distractors()}
    <body name="robot" pos="0 0 0">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <joint name="yaw" type="hinge" axis="0 0 1"/>
      <geom name="hull" type="cylinder" size="{ROBOT_RADIUS_M} 0.1" pos="0 0 0.12" mass="20" contype="2" conaffinity="0"
            rgba="0.15 0.2 0.3 1"/>
      <camera name="front" pos="0.1 0 0.3" xyaxes="0 -1 0 0 0 1" resolution="16 9" focal="1 1" sensorsize="1.678 0.944"/>
    </body>
    <camera name="above" pos="1.3 0 5" xyaxes="0 -1 0 1 0 0" fovy="50"/>
  </worldbody>
  <actuator>
    <velocity joint="x" kv="600"/>
    <velocity joint="y" kv="600"/>
    <velocity joint="yaw" kv="40"/>
  </actuator>
</mujoco>"""


def _floors() -> str:
    return "".join(
        f'<texture name="floor{i}" type="2d" {texture} width="256" height="256"/>'
        f'<material name="floor{i}" texture="floor{i}" texrepeat="24 24" texuniform="false" specular="0" shininess="0"/>'
        for i, texture in enumerate(_FLOOR_TEXTURES)
    )


def _walls() -> str:
    d = WALL_DISTANCE_M
    places = ((d + 2, 0, 0.1, d), (2 - d, 0, 0.1, d), (2, d, d, 0.1), (2, -d, d, 0.1))
    return "".join(
        f'<geom name="wall{i}" type="box" pos="{x} {y} 1.2" size="{half_x} {half_y} 1.2" contype="0" conaffinity="0"/>'
        for i, (x, y, half_x, half_y) in enumerate(places)
    )


def _boxes() -> str:
    return "".join(
        f'<body name="box{i}">'
        f'<geom name="box{i}" type="box" size="0.2 0.2 0.2" material="cardboard" contype="0" conaffinity="2"/></body>'
        for i in range(MAX_BOXES)
    )


def _distractors() -> str:
    return "".join(
        f'<body name="beside_{shape}{i}">'
        f'<geom name="beside_{shape}{i}" type="{shape}" size="0.1 0.1 0.1" contype="0" conaffinity="0"/></body>'
        for i in range(MAX_DISTRACTORS)
        for shape in DISTRACTOR_SHAPES
    )
