"""Small episodes for the tests of the data room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mobile_vla.data.writer import write_episode
from mobile_vla.task.episode import Episode

MakeEpisode = Callable[..., Episode]
WriteEpisode = Callable[..., Path]


def build_episode(
    frames: int = 5, size: tuple[int, int] = (6, 8), seed: int = 0, rate_hz: float = 10.0, **fields: Any
) -> Episode:
    """Return an episode of random pixels; a frame's linear_x tells its index."""
    rng = np.random.default_rng(seed)
    actions = np.zeros((frames, 4), dtype=np.float32)
    actions[:, 0] = np.arange(frames) / 100
    actions[-1] = 0, 0, 0, 2
    values: dict[str, Any] = {
        "images": rng.integers(0, 256, (frames, *size, 3), dtype=np.uint8),
        "actions": actions,
        "timestamps": np.arange(frames) / rate_hz,
        "rate_hz": rate_hz,
        "instruction": "Pass the box on the left side",
        "scenario": "1box_vert_left",
    }
    return Episode(**{**values, **fields})


@pytest.fixture
def make_episode() -> MakeEpisode:
    return build_episode


@pytest.fixture
def write(tmp_path: Path) -> WriteEpisode:
    """Return a function that writes an episode into `tmp_path` and returns its path."""

    def write_one(name: str = "episode_20250101_120000_1box_vert_left_50cm.h5", **fields: Any) -> Path:
        write_episode(build_episode(**fields), tmp_path / name)
        return tmp_path / name

    return write_one


@pytest.fixture
def bare_file(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file with the guide's two datasets and whatever attributes are given."""

    def write_bare(name: str = "episode_20250101_120000_1box_vert_left_50cm.h5", frames: int = 6, **attributes: Any) -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            file["observations/images"] = np.zeros((frames, 6, 8, 3), dtype=np.uint8)
            file["action"] = np.zeros((frames, 4), dtype=np.float32)
            for key, value in attributes.items():
                file.require_group("episode_metadata").attrs[key] = value
        return tmp_path / name

    return write_bare
