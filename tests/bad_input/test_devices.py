"""Devices that this machine does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

Cli = Callable[..., Any]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU, whatever this one has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_training_on_a_gpu_that_is_not_there_moves_nothing(cli: Cli, config: Path, tmp_path: Path) -> None:
    older = tmp_path / "run" / "checkpoints" / "mobile_vla-best.ckpt"
    older.parent.mkdir(parents=True)
    older.write_text("an older run's")
    message = cli("train", "--config", config, "--set", "trainer.accelerator=gpu").error()
    assert message == (
        "trainer.accelerator = 'gpu': PyTorch finds no GPU here. "
        "Use 'cpu', or 'auto', which takes a GPU where there is one (nvidia-smi shows them)."
    )
    assert [path.name for path in older.parent.iterdir()] == [older.name]


def test_no_devices_and_more_gpus_than_there_are(cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = cli("train", "--config", config, "--set", "trainer.devices=0").error()
    assert none == "trainer.devices = 0: at least 1, or 'auto'."
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    options = ["--set", "trainer.accelerator=gpu", "--set", "trainer.devices=3"]
    assert cli("train", "--config", config, *options).error() == (
        "trainer.devices = 3: this machine has 2 GPUs. Use 'auto' for all."
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["infer", "open-loop"])
def test_a_policy_on_a_gpu_that_is_not_there(cli: Cli, trained: Path, name: str) -> None:
    message = cli(name, "--checkpoint", trained, "--device", "cuda").error()
    assert message.startswith("device = 'cuda': not usable here (")
    assert "'cpu'" in message.rpartition("). Use ")[2]


@pytest.mark.parametrize("device", ["warp", "fpga", "cuda:x"])
@pytest.mark.parametrize("name", ["infer", "open-loop"])
def test_a_device_that_is_none_is_told_in_one_line(cli: Cli, trained: Path, name: str, device: str) -> None:
    message = cli(name, "--checkpoint", trained, "--device", device).error()
    assert message.startswith(f"device = {device!r}: not usable here (")
    assert "\n" not in message
    assert len(message) < 600
