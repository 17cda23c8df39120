"""A small synthetic dataset: the colour of the picture says what to do, the instruction says which way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_vla.data.writer import write_episode
from mobile_vla.task.episode import Episode
from mobile_vla.training.config import TrainConfig

RATE_HZ = 5.0


def synthetic_episode(seed: int, frames: int = 9) -> Episode:
    """Return a drive whose actions follow from pixels (red: forward, blue: turn) and words (the side)."""
    rng = np.random.default_rng(seed)
    side = "left" if seed % 2 else "right"
    red = rng.random(frames) < 0.5
    images = rng.integers(0, 60, (frames, 20, 24, 3), dtype=np.uint8)
    images[..., 0] += np.where(red, 180, 0).astype(np.uint8)[:, None, None]
    images[..., 2] += np.where(red, 0, 180).astype(np.uint8)[:, None, None]
    actions = np.zeros((frames, 4), dtype=np.float32)
    actions[:, 0] = np.where(red, 1.0, 0.0)
    actions[:, 2] = np.where(red, 0.0, 1.0 if side == "left" else -1.0)
    actions[:, 3] = np.where(red, 0, 1)
    return Episode(
        images=images,
        actions=actions,
        timestamps=np.arange(frames) / RATE_HZ,
        rate_hz=RATE_HZ,
        instruction=f"Take the {side} route to the goal",
        scenario=f"1box_vert_{side}",
    )


def write_dataset(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Write `count` episodes of 7 to 10 frames into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in range(first, first + count):
        episode = synthetic_episode(seed, frames=7 + seed % 4)
        paths.append(folder / f"episode_20250101_{120000 + seed}_{episode.scenario}_50cm.h5")
        write_episode(episode, paths[-1])
    return paths


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, 12)
    return folder


@pytest.fixture
def more_episodes(tmp_path: Path) -> Callable[[int], list[Path]]:
    """Return a function that writes some more episodes into `more/` and names them."""
    return lambda count: write_dataset(tmp_path / "more", count, first=100)


MakeConfig = Callable[..., TrainConfig]


@pytest.fixture
def make_config(dataset: Path, tmp_path: Path) -> MakeConfig:
    """Return a function that makes the smallest useful configuration, with keys replaced."""

    def make(**keys: Any) -> TrainConfig:
        tree: dict[str, Any] = {
            "rate_hz": RATE_HZ,
            "window_size": 3,
            "fwd_pred_next_n": 2,
            "backbone": {"channels": [4, 8, 8, 8], "embedding_dim": 16, "feature_dim": 16},
            "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
            "preprocess": {"image_size": [32, 32], "max_tokens": 16},
            "batch_size": 8,
            "learning_rate": 5e-3,
            "max_epochs": 2,
            "val_fraction": 0.3,
            "data_dir": str(dataset),
            "output_dir": str(tmp_path / "run"),
            "trainer": {"accelerator": "cpu", "devices": 1, "log_every_n_steps": 1, "cpu_threads": 1},
        }
        return TrainConfig.model_validate({**tree, **keys})

    return make
