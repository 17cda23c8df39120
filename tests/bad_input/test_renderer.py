"""A machine on which no OpenGL can start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NO_GL = {
    "egl": {"MUJOCO_GL": "egl", "__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent.json"},
    "unknown": {"MUJOCO_GL": "nonsense"},
}


@pytest.mark.parametrize(
    ("machine", "workers"), [("unknown", 0), pytest.param("egl", 0), pytest.param("egl", 1, marks=pytest.mark.slow)]
)
def test_a_renderer_that_cannot_start_is_told_with_the_line_that_mends_it(
    command: Callable[..., Any], finished: Callable[..., Any], tmp_path: Path, machine: str, workers: int
) -> None:
    size = ("--image-size", "32x32")
    process = command("record", "--sim", "--out", tmp_path, "--episodes", 1, *size, "--workers", workers, **NO_GL[machine])
    message = finished(process).error()
    assert message.startswith(f"MUJOCO_GL = {NO_GL[machine]['MUJOCO_GL']!r}: the simulator's camera cannot render here (")
    assert "sudo apt-get install -y libegl1 libgl1-mesa-dri" in message
    assert "\n" not in message
    assert not list(tmp_path.iterdir())
