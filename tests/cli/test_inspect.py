"""`mobile-vla inspect` tells what a checkpoint holds, and how large a configured model is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mobile_vla.cli.inspect import inspect
from mobile_vla.core.config import build
from mobile_vla.core.errors import CheckpointError, ConfigError
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.hf.miniature import write_miniature
from mobile_vla.model.policy import PolicyConfig, build_policy
from mobile_vla.task.normalisation import ActionNormaliser

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    policy = build_policy(build(PolicyConfig, {"rate_hz": 2.5, "fwd_pred_next_n": 3}, "test"))
    policy.normaliser = ActionNormaliser.symmetric((0.5, 0.4, 1.0))
    save_policy(policy, tmp_path / "a.ckpt", {"task_name": "mine", "git_commit": "abc", "config": {"long": "left out"}})
    return tmp_path / "a.ckpt"


def test_a_checkpoint_tells_where_it_comes_from_and_what_it_expects(checkpoint: Path, capsys) -> None:
    inspect(checkpoint)
    shown = capsys.readouterr().out
    for line in (
        "  task_name: mine",
        "  git_commit: abc",
        "  model: tiny",
        "  image_size: [64, 64]",
        "  standardise: per_image",
        "  linear_x: [-0.5, 0.5] m/s",
        "  linear_y: [-0.4, 0.4] m/s",
        "  angular_z: [-1, 1] rad/s",
        "  action_type: 0 move, 1 rotate, 2 stop, 3 special",
        "  chunk: 3 x 4 at 2.5 Hz",
    ):
        assert line in shown.splitlines()
    assert "left out" not in shown


def test_a_pretrained_checkpoint_names_its_architecture(tmp_path: Path, capsys) -> None:
    folder = write_miniature(tmp_path / "model", "llava")
    config = {"rate_hz": 5, "model": "hf", "backbone": {"path": str(folder)}, "act_head": {"type": "FCDecoder"}}
    save_policy(build_policy(build(PolicyConfig, config, "test")), tmp_path / "a.ckpt", {})
    inspect(tmp_path / "a.ckpt")
    shown = capsys.readouterr().out
    assert "  model_type: llava\n" in shown
    assert "  mean: [0.48, 0.46, 0.41]\n" in shown
    assert "  tokenizer: pretrained BPE, " in shown


def test_the_guides_model_is_counted_without_weights_or_memory(capsys) -> None:
    inspect(config=ROOT / "configs/mobile_vla/train_mobile_vla_full_ft.json")
    name, total, trainable = capsys.readouterr().out.splitlines()
    assert name == "Model created: RoboKosMos_MobileVLA"
    counts = [int(line.rpartition(" ")[2].replace(",", "")) for line in (total, trainable)]
    assert counts[0] == counts[1] > 1_664_485_376
    assert (total.split(":")[0], trainable.split(":")[0]) == ("Total parameters", "Trainable parameters")


def test_freezing_shows_in_the_count(capsys) -> None:
    freeze = ["train_setup.freeze_backbone=true", "train_setup.train_vision=false"]
    inspect(config=ROOT / "configs/mobile_vla/train_mobile_vla_full_ft.json", overrides=freeze)
    _, total, trainable = (line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines())
    assert int(total.replace(",", "")) - int(trainable.replace(",", "")) == 1_664_485_376


def test_exactly_one_thing_is_inspected(checkpoint: Path) -> None:
    for arguments in ({}, {"checkpoint": checkpoint, "config": checkpoint}):
        with pytest.raises(ConfigError, match="name either a checkpoint or --config FILE"):
            inspect(**arguments)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "b.ckpt")
    with pytest.raises(CheckpointError, match="a checkpoint of Mobile VLA holds"):
        inspect(tmp_path / "b.ckpt")
