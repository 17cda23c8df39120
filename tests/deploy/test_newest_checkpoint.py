"""The newest checkpoint is the one written last, of whatever run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mobile_vla.core.errors import CheckpointError
from mobile_vla.deploy.newest_checkpoint import newest_checkpoint


def put(path: Path, written_s: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (written_s, written_s))
    return path


@pytest.mark.parametrize(
    "newest", ["demo/checkpoints/mobile_vla-last.ckpt", "a/b/checkpoints/mobile_vla-epoch=10-val_loss=0.1.ckpt"]
)
def test_the_one_written_last_is_taken_in_whatever_run_and_under_whatever_name(tmp_path, newest) -> None:
    put(tmp_path / "mobile_vla" / "checkpoints" / "mobile_vla-best.ckpt", 100)
    expected = put(tmp_path / newest, 200)
    put(tmp_path / "zzz" / "checkpoints" / "mobile_vla-best.ckpt", 150)
    assert newest_checkpoint(tmp_path) == expected


def test_of_one_moment_the_best_is_taken_then_the_epochs(tmp_path) -> None:
    folder = tmp_path / "mobile_vla" / "checkpoints"
    put(folder / "mobile_vla-last.ckpt", 100)
    epoch = put(folder / "mobile_vla-epoch=00-val_loss=0.5.ckpt", 100)
    assert newest_checkpoint(tmp_path) == epoch
    best = put(folder / "mobile_vla-best.ckpt", 100)
    assert newest_checkpoint(tmp_path) == best


def test_leftovers_and_links_to_nothing_do_not_count(tmp_path) -> None:
    folder = tmp_path / "mobile_vla" / "checkpoints"
    expected = put(folder / "mobile_vla-best.ckpt", 100)
    put(folder / "previous_20250101_120000" / "mobile_vla-best.ckpt", 300)
    put(folder / ".mobile_vla-last.ckpt.7.partial", 300)
    (folder / "mobile_vla-last.ckpt").symlink_to(folder / "gone.ckpt")
    assert newest_checkpoint(tmp_path) == expected


@pytest.mark.parametrize("exists", [True, False])
def test_without_any_the_command_that_trains_one_is_named(tmp_path, exists) -> None:
    runs = tmp_path / "runs"
    if exists:
        put(runs / "mobile_vla" / "logs" / "events", 1)
    message = (
        f"checkpoint: none is given, and there is no checkpoints/*.ckpt below {runs}. "
        "Train a policy first: ./scripts/run_mobile_vla_train.sh. Or name a checkpoint that lies elsewhere."
    )
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        newest_checkpoint(runs)
