"""A small dataset, a small training, the command line in this process and in others, and disks that refuse."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_vla.cli.app import main
from mobile_vla.data.writer import write_episode
from mobile_vla.task.episode import Episode

RATE_HZ = 5.0


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    code: int
    out: str
    err: str

    def error(self) -> str:
        """Return the message of a command that failed as it should: status 1, one message, no traceback."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert "Traceback" not in self.err
        _, *messages = re.split(r"(?<!\w)Error: ", self.err)
        assert len(messages) == 1, self.err
        return messages[0].strip()


Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs `mobile-vla` with its arguments in this process."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["mobile-vla", *map(str, arguments)])
        capfd.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        except Exception:
            code = 1
            traceback.print_exc()
        return Result(int(code), *capfd.readouterr())

    return run


@pytest.fixture
def command() -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts `mobile-vla` in a process group of its own, as a terminal does."""

    def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mobile_vla", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )

    return start


@pytest.fixture
def finished() -> Callable[[subprocess.Popen[str]], Result]:
    """Return a function that waits for a started command."""

    def wait(process: subprocess.Popen[str], timeout_s: float = 90) -> Result:
        out, err = process.communicate(timeout=timeout_s)
        return Result(process.returncode, out, err)

    return wait


def drive(seed: int, frames: int = 8, size: tuple[int, int] = (20, 24)) -> Episode:
    """Return a drive of random pixels and valid random actions."""
    rng = np.random.default_rng(seed)
    actions = np.zeros((frames, 4), dtype=np.float32)
    actions[:, 0] = rng.uniform(-1, 1, frames)
    side = "left" if seed % 2 else "right"
    return Episode(
        images=rng.integers(0, 256, (frames, *size, 3), dtype=np.uint8),
        actions=actions,
        timestamps=np.arange(frames) / RATE_HZ,
        rate_hz=RATE_HZ,
        instruction=f"Take the {side} route to the goal",
        scenario=f"1box_vert_{side}",
    )


@pytest.fixture(scope="session")
def good_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for seed in range(6):
        episode = drive(seed)
        write_episode(episode, folder / f"episode_20250101_{120000 + seed}_{episode.scenario}_50cm.h5")
    return folder


@pytest.fixture
def dataset(good_dataset: Path, tmp_path: Path) -> Path:
    """A copy of the good dataset, to be spoiled."""
    return Path(shutil.copytree(good_dataset, tmp_path / "dataset"))


@pytest.fixture
def episode(dataset: Path) -> Path:
    """The first file of `dataset`."""
    return min(dataset.glob("*.h5"))


def config_tree(data_dir: Path, output_dir: Path) -> dict[str, Any]:
    """Return the smallest useful configuration."""
    return {
        "model": "tiny",
        "rate_hz": RATE_HZ,
        "window_size": 3,
        "backbone": {"channels": [4, 8, 8, 8], "embedding_dim": 16, "feature_dim": 16},
        "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
        "preprocess": {"image_size": [32, 32], "max_tokens": 16},
        "batch_size": 8,
        "max_epochs": 1,
        "val_fraction": 0.3,
        "data_dir": str(data_dir),
        "output_dir": str(output_dir),
        "trainer": {"accelerator": "cpu", "devices": 1, "cpu_threads": 1},
    }


@pytest.fixture
def config(dataset: Path, tmp_path: Path) -> Path:
    """A configuration file that trains on `dataset` into `run`."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config_tree(dataset, tmp_path / "run")), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(good_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a short training."""
    from mobile_vla.training.config import TrainConfig
    from mobile_vla.training.run import train

    folder = tmp_path_factory.mktemp("trained")
    return train(TrainConfig.model_validate(config_tree(good_dataset, folder)), say=lambda _: None).last_path


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    mount, umount = shutil.which("mount"), shutil.which("umount")
    command = [mount or "mount", *options, str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount the file system that this is tried on")
    try:
        yield folder
    finally:
        subprocess.run([umount or "umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[[int], Any]:
    """Return a function that gives a context manager: a disk of so many KiB."""

    def make(kib: int) -> Any:
        folder = tmp_path / "small"
        folder.mkdir()
        return mounted(folder, "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs")

    return make


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that is mounted read-only: that binds root, too."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs") as disk:
        yield disk
