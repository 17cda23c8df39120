"""Chooses how MuJoCo renders without a screen. Import this before `mujoco`: MuJoCo reads `MUJOCO_GL` when it is imported.

EGL where its library is installed, else OSMesa, else a message with the line that installs it. A `MUJOCO_GL` that the user has
set is left alone.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
from typing import Final

from mobile_vla.core.errors import SimulationError

APT_LINE: Final = "sudo apt-get install -y libegl1 libgl1-mesa-dri libopengl0"


def choose_backend() -> str:
    """Set `MUJOCO_GL` (and PyOpenGL's platform with it) when it is not set, and return its value ("" = MuJoCo's own choice)."""
    if "MUJOCO_GL" not in os.environ and sys.platform == "linux":
        for backend, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
            if ctypes.util.find_library(library):
                os.environ["MUJOCO_GL"] = backend
                break
    return os.environ.get("MUJOCO_GL", "")


def rendering_error(reason: Exception) -> SimulationError:
    """Return the error for a renderer that cannot start: what failed, and the line that usually mends it."""
    backend = os.environ.get("MUJOCO_GL", "")
    return SimulationError(
        f"MUJOCO_GL = {backend!r}: the simulator's camera cannot render here ({reason}). "
        f"Install a software renderer: {APT_LINE}  (or libosmesa6 with MUJOCO_GL=osmesa)."
    )


choose_backend()
