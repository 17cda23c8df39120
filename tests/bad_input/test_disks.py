"""Disks that are full or read-only: a clear error, what is finished stays whole, nothing half-written stays."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobile_vla.data.reader import find_episodes, read_episode
from mobile_vla.data.writer import EpisodeWriter
from mobile_vla.model.checkpoint import load_policy

Cli = Callable[..., Any]
SmallDisk = Callable[[int], Any]

FULL = "No space left on device. The disk is full: free some space there, or choose another folder."
READ_ONLY = "Read-only file system. The file system is read-only: choose another folder."
RECORD = ("--sim", "--image-size", "64x64", "--level", 0)


@pytest.fixture
def tub(tmp_path: Path) -> Path:
    """A Donkeycar tub of 200 noisy pictures, which compress badly."""
    folder = tmp_path / "tub"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = []
    for index in range(200):
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(folder / "images" / f"{index}.jpg")
        picture = {"_index": index, "cam/image_array": f"{index}.jpg", "_timestamp_ms": 1_600_000_000_000 + index * 50}
        lines.append(json.dumps({**picture, "user/angle": 0.1, "user/throttle": 0.5}))
    (folder / "catalog_0.catalog").write_text("\n".join(lines))
    rows = [[], [], {}, {"created_at": 0}, {"paths": ["catalog_0.catalog"], "deleted_indexes": []}]
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.mark.parametrize("frame_shape", [(48, 64, 3), (300, 400, 3)])
@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("kib", [40, 9_000, 13_500])
def test_episodes_are_whole_or_absent_when_the_disk_fills_up(
    small_disk: SmallDisk, frame_shape: tuple[int, int, int], compression: Any, kib: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, frame_shape, dtype=np.uint8)

    def fill(folder: Path) -> Iterator[Path]:
        for number in range(2000):
            path = folder / f"{number}.h5"
            with EpisodeWriter(path, instruction="x", rate_hz=5.0, compression=compression) as writer:
                for _ in range(40):
                    writer.append(image, np.zeros(4, dtype=np.float32))
            yield path

    with small_disk(kib) as folder:
        whole: list[Path] = []
        with pytest.raises(OSError, match="No space left on device") as caught:
            whole.extend(fill(folder))
        assert str(caught.value.filename).endswith(".h5")
        assert sorted(folder.iterdir()) == sorted(folder / f"{number}.h5" for number in range(len(list(folder.iterdir()))))
        for path in folder.iterdir():
            np.testing.assert_array_equal(read_episode(path).images[-1], image)


def test_an_import_onto_a_full_disk_leaves_nothing(cli: Cli, small_disk: SmallDisk, tub: Path) -> None:
    with small_disk(10_000) as folder:
        message = cli(
            "data", "import", "donkeycar", tub, "--out", folder / "out", "--episode-frames", 50, "--gap-frames", 0
        ).error()
        assert message.endswith(FULL)
        assert str(folder / "out") in message
        assert not list((folder / "out").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_recording_onto_a_full_disk_keeps_the_finished_episodes(
    command: Callable[..., Any], finished: Callable[..., Any], small_disk: SmallDisk, workers: int
) -> None:
    pytest.importorskip("mujoco")
    with small_disk(35_000) as folder:
        options = ("--episodes", 200, "--workers", workers, *RECORD, "--image-size", "300x300")
        process = command("record", "--out", folder / "out", *options)
        message = finished(process, 110).error()
        assert message.endswith(FULL)
        assert str(folder / "out" / "episode_") in message
        assert not list((folder / "out").glob(".*"))
        for path in find_episodes(folder / "out"):
            assert len(read_episode(path)) > 1


def test_training_onto_a_full_disk_keeps_the_previous_checkpoint(
    cli: Cli, config: Path, trained: Path, small_disk: SmallDisk
) -> None:
    size_kib = trained.stat().st_size // 1024
    with small_disk(3 * size_kib) as folder:  # the files of two epochs
        options = ["--set", f"output_dir={folder / 'run'}", "--set", "max_epochs=6", "--set", "scheduler=constant"]
        message = cli("train", "--config", config, *options).error()
        checkpoints = folder / "run" / "checkpoints"
        assert message == f"{checkpoints / 'mobile_vla-last.ckpt'}: {FULL}"
        assert not list(checkpoints.glob(".*"))
        files = list(checkpoints.glob("*.ckpt"))
        assert {"mobile_vla-last.ckpt", "mobile_vla-best.ckpt"} < {path.name for path in files}
        for path in files:
            load_policy(path)
        steps = load_policy(checkpoints / "mobile_vla-last.ckpt").provenance
        assert steps["val_metrics"]["val_loss"] > 0
        kept = folder.parent / "kept.ckpt"
        shutil.copy(checkpoints / "mobile_vla-last.ckpt", kept)
    resumed = cli("train", "--config", config, "--set", "max_epochs=6", "--set", "scheduler=constant", "--resume", kept)
    assert resumed.code == 0, resumed.err


def test_a_disk_without_room_for_the_log_is_named(cli: Cli, config: Path, small_disk: SmallDisk) -> None:
    with small_disk(8) as folder:
        message = cli("train", "--config", config, "--set", f"output_dir={folder}").error()
        assert message.startswith(str(folder))
        assert message.endswith(FULL)


@pytest.mark.parametrize("below", ["", "new/folder"])
def test_a_read_only_folder_is_named_before_the_work(
    cli: Cli, config: Path, trained: Path, read_only: Path, tub: Path, below: str
) -> None:
    pytest.importorskip("mujoco")
    out = read_only / below
    commands: list[tuple[Any, ...]] = [
        ("record", "--out", out, "--workers", 0, *RECORD),
        ("train", "--config", config, "--set", f"output_dir={out}"),
        ("evaluate", "--checkpoint", trained, "--out", out, "--workers", 0),
        ("open-loop", "--checkpoint", trained, "--out", out),
    ]
    for arguments in commands:
        result = cli(*arguments)
        assert result.error() == f"{out}: {READ_ONLY}"
        assert result.out == ""
    message = cli("data", "import", "donkeycar", tub, "--out", out).error()
    assert message.startswith(str(read_only))
    assert message.endswith(READ_ONLY)


def test_a_file_where_a_folder_should_be_is_named(cli: Cli, config: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file")
    rule = "Not a directory. A part of the path is a file: choose another path."
    for out in (tmp_path / "notes", tmp_path / "notes" / "run"):
        assert cli("train", "--config", config, "--set", f"output_dir={out}").error() == f"{out}: {rule}"
        assert cli("record", "--out", out, "--workers", 0, *RECORD).error() == f"{out}: {rule}"
    assert (tmp_path / "notes").read_text() == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_permission_is_named(cli: Cli, config: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    message = cli("train", "--config", config, "--set", f"output_dir={locked}").error()
    assert message.startswith(f"{locked}: Permission denied. Change the permissions (ls -ld shows them)")
