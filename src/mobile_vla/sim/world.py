"""The world: MuJoCo physics of the robot among boxes, and its camera.

One model is compiled per world and reshaped for every scene. `drive` advances time; `render` takes a picture. Poses are x m, y
m, yaw rad in the world frame; twists are body frame, REP-103.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mobile_vla.sim.camera import shared_camera  # isort: skip  (chooses the GL backend before mujoco is imported)

import mujoco

from mobile_vla.core.errors import SimulationError, problem
from mobile_vla.sim.base import BaseController, Twist
from mobile_vla.sim.mjcf import DISTRACTOR_SHAPES, MAX_HEIGHT, MAX_WIDTH, TIMESTEP_S, build_mjcf
from mobile_vla.sim.scene import MAX_BOXES, MAX_DISTRACTORS, CameraMount, Scene

Contact = Literal["box", "goal"]

DEFAULT_HEIGHT: Final = 720
DEFAULT_WIDTH: Final = 1280
_ASPECT: Final = 16 / 9
_BURIED_Z_M: Final = -50.0
"""Where bodies go that the scene does not use."""


class World:
    """One robot in one scene.

    Args:
        height, width: of the camera's pictures in pixels. The field of view is that of a 16:9 camera whatever the size, so that
            a 64 x 64 picture shows what a 720 x 1280 one shows after resizing.

    Raises:
        SimulationError: the size is beyond the renderer's buffer.
    """

    def __init__(self, height: int = DEFAULT_HEIGHT, width: int = DEFAULT_WIDTH) -> None:
        if not (0 < height <= MAX_HEIGHT and 0 < width <= MAX_WIDTH):
            rule = f"a camera picture is at most {MAX_HEIGHT} high and {MAX_WIDTH} wide"
            raise SimulationError(problem("camera size", (height, width), rule))
        self.height, self.width = height, width
        self._model = mujoco.MjModel.from_xml_string(build_mjcf())
        self._data = mujoco.MjData(self._model)
        self._base = BaseController()
        self._hull = self._geom("hull")
        self._touch: dict[int, Contact] = {self._geom("goal"): "goal"}
        self._touch.update({self._geom(f"box{i}"): "box" for i in range(MAX_BOXES)})
        self.contact: Contact | None = None
        self.scene: Scene | None = None

    def load(self, scene: Scene) -> None:
        """Arrange everything as `scene` says and put the robot, at rest, on its start. Time starts at zero."""
        if len(scene.boxes) > MAX_BOXES or len(scene.distractors) > MAX_DISTRACTORS:
            rule = f"at most {MAX_BOXES} boxes and {MAX_DISTRACTORS} distractors"
            raise SimulationError(problem("scene", (len(scene.boxes), len(scene.distractors)), rule))
        mujoco.mj_resetData(self._model, self._data)
        self._base = BaseController()
        self.contact, self.scene = None, scene
        self._place_boxes(scene)
        self._place_goal(scene)
        self._place_distractors(scene)
        self._mount_camera(scene.camera)
        self._paint(scene)
        self._data.qpos[:] = scene.start
        mujoco.mj_forward(self._model, self._data)

    @property
    def time_s(self) -> float:
        """Simulated seconds since `load`."""
        return float(self._data.time)

    @property
    def pose(self) -> tuple[float, float, float]:
        """The robot's x m, y m, yaw rad in the world frame; yaw is not wrapped."""
        x, y, yaw = self._data.qpos
        return float(x), float(y), float(yaw)

    @property
    def twist(self) -> NDArray[np.float64]:
        """The measured body twist `(3,)`: m/s, m/s, rad/s."""
        vx, vy, wz = (float(v) for v in self._data.qvel)
        cos, sin = math.cos(self._data.qpos[2]), math.sin(self._data.qpos[2])
        return np.array([cos * vx + sin * vy, cos * vy - sin * vx, wz])

    def drive(self, twist: Twist | None, duration_s: float) -> None:
        """Command `twist` (None: no new command, the base's own timeout counts on) and advance by `duration_s`.

        `contact` becomes "box" or "goal" at the first touch and stays so until the next `load`.
        """
        if twist is not None:
            self._base.command(twist)
        for _ in range(max(1, round(duration_s / TIMESTEP_S))):
            vx, vy, wz = self._base.step(TIMESTEP_S)
            yaw = float(self._data.qpos[2])
            cos, sin = math.cos(yaw), math.sin(yaw)
            self._data.ctrl[:] = (cos * vx - sin * vy, sin * vx + cos * vy, wz)
            mujoco.mj_step(self._model, self._data)
            if self._data.ncon and self.contact is None:
                self.contact = self._touched()

    def render(self, camera: str = "front", size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Return the picture `(height, width, 3)` uint8 RGB of the `front` camera (or of `above`).

        Args:
            camera: `front` or `above`.
            size: height, width in pixels; None: the world's own.

        Raises:
            SimulationError: no renderer can start on this machine; the message says what to install.
        """
        camera_id = int(mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera))
        height, width = size or (self.height, self.width)
        return shared_camera(self._model, height, width).picture(self._model, self._data, camera_id)

    def _geom(self, name: str) -> int:
        return int(mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_GEOM, name))

    def _body(self, name: str) -> int:
        return int(mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_BODY, name))

    def _touched(self) -> Contact | None:
        for contact in self._data.contact:
            pair = {int(contact.geom1), int(contact.geom2)}
            if self._hull in pair:
                for geom, what in self._touch.items():
                    if geom in pair:
                        return what
        return None

    def _place(self, name: str, position: tuple[float, float, float], yaw: float = 0.0) -> None:
        body = self._body(name)
        self._model.body_pos[body] = position
        self._model.body_quat[body] = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))

    def _resize(self, geom: int, size: tuple[float, float, float]) -> None:
        """Resize a geom, with the bounds that MuJoCo's broad phase and culling read."""
        kind = self._model.geom_type[geom]  # a numpy number: equal to the enum's members, but not found among them as a key
        extent = size
        if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
            extent = (size[0], size[0], size[0])
        elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
            extent = (size[0], size[0], size[1])
        self._model.geom_size[geom] = size
        self._model.geom_aabb[geom, 3:] = extent
        self._model.geom_rbound[geom] = size[0] if kind == mujoco.mjtGeom.mjGEOM_SPHERE else float(np.linalg.norm(extent))

    def _place_boxes(self, scene: Scene) -> None:
        for i in range(MAX_BOXES):
            if i >= len(scene.boxes):
                self._place(f"box{i}", (0.0, 0.0, _BURIED_Z_M))
                continue
            box, geom = scene.boxes[i], self._geom(f"box{i}")
            self._place(f"box{i}", (box.x, box.y, box.half_z), box.yaw)
            self._resize(geom, (box.half_x, box.half_y, box.half_z))
            self._model.geom_rgba[geom] = (*box.colour, 1.0)

    def _place_goal(self, scene: Scene) -> None:
        goal = scene.goal
        self._place("goal", (goal.x, goal.y, goal.height_m / 2))
        geom, cap = self._geom("goal"), self._geom("goal_cap")
        self._resize(geom, (goal.radius_m, goal.height_m / 2, 0.0))
        self._resize(cap, (goal.radius_m * 0.6, goal.height_m * 0.08, 0.0))
        self._model.geom_pos[cap] = (0.0, 0.0, goal.height_m * 0.58)
        self._model.geom_rgba[geom] = (*goal.colour, 1.0)
        self._model.geom_rgba[cap] = (*goal.cap_colour, 1.0)

    def _place_distractors(self, scene: Scene) -> None:
        for i in range(MAX_DISTRACTORS):
            for shape in DISTRACTOR_SHAPES:
                used = i < len(scene.distractors) and scene.distractors[i].shape == shape
                if not used:
                    self._place(f"beside_{shape}{i}", (0.0, 0.0, _BURIED_Z_M))
                    continue
                thing, geom = scene.distractors[i], self._geom(f"beside_{shape}{i}")
                self._place(f"beside_{shape}{i}", (thing.x, thing.y, thing.size_m))
                self._resize(geom, (thing.size_m, thing.size_m, thing.size_m))
                self._model.geom_rgba[geom] = (*thing.colour, 1.0)

    def _mount_camera(self, mount: CameraMount) -> None:
        camera = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, "front")
        self._model.cam_pos[camera] = (0.1, 0.0, mount.height_m)
        self._model.cam_quat[camera] = _camera_quaternion(mount.yaw_rad, mount.pitch_rad)
        width = 2.0 * math.tan(mount.fov_x_rad / 2)
        self._model.cam_sensorsize[camera] = (width, width / _ASPECT)

    def _paint(self, scene: Scene) -> None:
        look, floor = scene.look, self._geom("floor")
        texture = f"floor{look.floor_texture}"
        self._model.geom_matid[floor] = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_MATERIAL, texture)
        self._model.geom_rgba[floor] = (*look.floor, 1.0)
        for i in range(4):
            self._model.geom_rgba[self._geom(f"wall{i}")] = (*look.wall, 1.0)
        self._model.light_dir[0] = look.light_direction
        self._model.light_diffuse[0] = (look.brightness,) * 3
        self._model.vis.headlight.ambient[:] = (look.ambient,) * 3


def _camera_quaternion(yaw: float, pitch: float) -> NDArray[np.float64]:
    """Return the quaternion (w, x, y, z) of a camera that looks along +x, turned by `yaw` (+ left), then `pitch` (+ down)."""
    forward = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), -math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    axes = np.stack([right, np.cross(right, forward), -forward], axis=1)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, axes.ravel())
    return quaternion
