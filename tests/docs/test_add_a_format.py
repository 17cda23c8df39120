"""docs/add_a_format.md, followed to the letter in a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_vla.data.reader import read_episode

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "add_a_format.md").read_text(encoding="utf-8")
TARGET = re.findall(r"Save this as `(src/[\w/]+\.py)`", TEXT)[0]
SOURCE = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]
COMMANDS = re.findall(r"^mobile-vla (.*)$", TEXT, re.MULTILINE)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's source with the document's file in it."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / TARGET).write_text(SOURCE, encoding="utf-8")
    return tmp_path


def mobile_vla(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    arguments = [sys.executable, "-m", "mobile_vla", *command.split()]
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def write_drive(folder: Path, frames: int) -> None:
    folder.mkdir()
    rows = ["image,seconds,forward,left,turn"]
    for index in range(frames):
        Image.fromarray(np.full((12, 16, 3), 40 * index, dtype=np.uint8)).save(folder / f"{index}.png")
        rows.append(f"{index}.png,{1_600_000_000 + 0.2 * index},0.5,-0.25,{0.125 * index}")
    (folder / "drive.csv").write_text("\n".join(rows) + "\n")


def test_the_commands_of_the_document_work(package: Path) -> None:
    write_drive(package / "my_drive", frames=4)
    listed, imported = (mobile_vla(package, command) for command in COMMANDS)
    assert listed.returncode == 0, listed.stderr
    assert "picture-folder" in listed.stdout
    assert imported.returncode == 0, imported.stderr
    assert "Wrote 1 episodes, 4 frames, to data/mine" in imported.stdout
    episode = read_episode(package / "data" / "mine" / "episode_20200913_122640_1box_vert_left.h5")
    np.testing.assert_allclose(episode.actions, [[0.5, -0.25, 0.125 * index, 0.0] for index in range(4)])
    np.testing.assert_array_equal(episode.images[:, 0, 0, 0], [0, 40, 80, 120])
    np.testing.assert_allclose(episode.timestamps, [0.0, 0.2, 0.4, 0.6], atol=1e-6)


def test_a_source_without_its_table_is_named_and_leaves_nothing(package: Path) -> None:
    (package / "my_drive").mkdir()
    done = mobile_vla(package, COMMANDS[1])
    assert done.returncode == 1
    assert done.stderr == "Error: source = 'my_drive': it holds no drive.csv.\n"
    assert not list(package.glob("data/**/*.h5"))


def test_the_example_keeps_the_house_style(tmp_path: Path) -> None:
    path = tmp_path / "picture_folder.py"
    path.write_text(SOURCE, encoding="utf-8")
    for arguments in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *arguments, "--config", str(ROOT / "pyproject.toml"), str(path)]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
