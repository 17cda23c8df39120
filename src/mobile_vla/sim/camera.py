"""One offscreen renderer for all worlds of a process: an OpenGL context and MuJoCo's render context are costly, worlds are not.

All worlds share one model text, so their textures and meshes are the same and one render context serves them all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobile_vla.sim.gl import rendering_error  # isort: skip  (chooses the GL backend before mujoco is imported)

try:
    import mujoco
except ModuleNotFoundError:
    raise
except Exception as reason:  # MuJoCo loads the backend's library on import, and each backend fails in its own way
    raise rendering_error(reason) from reason

_MAX_GEOMS = 200


class Camera:
    """Takes pictures of one size.

    Args:
        model: any world's model; its assets are uploaded once.
        height, width: of the pictures (pixels).

    Raises:
        SimulationError: no OpenGL here; the message says what to install.
    """

    def __init__(self, model: Any, height: int, width: int) -> None:
        self.height, self.width = height, width
        try:
            self._gl = mujoco.GLContext(width, height)
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        except Exception as reason:  # each GL backend raises its own kinds, ctypes' among them
            raise rendering_error(reason) from reason
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, _MAX_GEOMS)
        self._options, self._view = mujoco.MjvOption(), mujoco.MjvCamera()
        self._viewport = mujoco.MjrRect(0, 0, width, height)

    def picture(self, model: Any, data: Any, camera_id: int) -> NDArray[np.uint8]:
        """Return what the model's camera `camera_id` sees, `(height, width, 3)` uint8 RGB."""
        self._gl.make_current()
        self._view.type, self._view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, camera_id
        mujoco.mjv_updateScene(model, data, self._options, None, self._view, mujoco.mjtCatBit.mjCAT_ALL.value, self._scene)
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        pixels = np.empty((self.height, self.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._viewport, self._context)
        return np.ascontiguousarray(pixels[::-1])  # OpenGL's rows run upwards


_cameras: dict[tuple[int, int], Camera] = {}


def shared_camera(model: Any, height: int, width: int) -> Camera:
    """Return this process' camera of that size, made on first use."""
    if (height, width) not in _cameras:
        _cameras[height, width] = Camera(model, height, width)
    return _cameras[height, width]
