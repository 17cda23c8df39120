"""Whole runs on a small synthetic dataset."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from mobile_vla.core.errors import CheckpointError
from mobile_vla.model.checkpoint import load_policy
from mobile_vla.model.policy import VLAPolicy
from mobile_vla.training.config import TrainConfig
from mobile_vla.training.lightning_module import TrainingDivergedError
from mobile_vla.training.run import TrainResult, train

MakeConfig = Callable[..., TrainConfig]
MoreEpisodes = Callable[[int], list[Path]]


def run(config: Any, **options: Any) -> TrainResult:
    return train(config, say=lambda line: None, **options)


def same_weights(one: VLAPolicy, other: VLAPolicy) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def state_of(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def test_the_lines_of_the_guide(make_config: MakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    result = train(make_config(max_epochs=1))
    out, err = capfd.readouterr()
    total, trainable = (f"{count:,}" for count in result.policy.parameter_counts())
    frames = [int(value) for value in re.findall(r"dataset: (\d+) samples", out)]
    assert out.splitlines()[:7] == [
        "Found 12 .h5 files in dataset",
        f"Train dataset: {frames[0]} samples",
        f"Val dataset: {frames[1]} samples",
        "Model created: RoboTiny_MobileVLA",
        f"Total parameters: {total}",
        f"Trainable parameters: {trainable}",
        "Starting training...",
    ]
    steps = -(-frames[0] // 8)
    assert re.search(rf"Epoch 0: 100%\|.+\| {steps}/{steps} \[\d\d:\d\d<", out)
    assert "GPU available" not in out + err
    assert "Tip" not in out + err
    assert "Warning" not in err


def test_the_loss_falls_and_files_are_named_as_the_guide_says(make_config: MakeConfig, tmp_path: Path) -> None:
    result = run(make_config(max_epochs=16, learning_rate=1e-2, fwd_pred_next_n=1))
    names = sorted(path.name for path in (tmp_path / "run/checkpoints").glob("*.ckpt"))
    losses = {
        int(epoch): float(loss) for epoch, loss in re.findall(r"epoch=(\d\d)-val_loss=(\d\.\d{4})\.ckpt", " ".join(names))
    }
    assert [name for name in names if "epoch" not in name] == ["mobile_vla-best.ckpt", "mobile_vla-last.ckpt"]
    assert len(losses) == 3
    assert result.metrics["val/type_accuracy"] > 0.9
    assert load_policy(result.best_path).provenance["best_val_loss"] == pytest.approx(min(losses.values()), abs=1e-4)
    events = list((tmp_path / "run/logs/mobile_vla/version_0").glob("events.out.tfevents.*"))
    assert len(events) == 1


def test_checkpoints_load_alone_and_say_where_they_come_from(make_config: MakeConfig, dataset: Path) -> None:
    result = run(make_config(max_epochs=1))
    for path in (result.best_path, result.last_path):
        loaded = load_policy(path)
        assert same_weights(loaded.policy, result.policy)
        assert loaded.provenance["split_hash"] == result.split.sha256
        assert loaded.provenance["config"]["data_dir"] == str(dataset)
        assert loaded.provenance["val_metrics"]["val_loss"] == pytest.approx(result.metrics["val_loss"])
        assert len(loaded.provenance["data_hash"]) == 64


def test_same_seed_same_weights_and_another_seed_others(make_config: MakeConfig, tmp_path: Path) -> None:
    first = run(make_config(max_epochs=1)).policy
    torch.rand(3)
    assert same_weights(first, run(make_config(max_epochs=1)).policy)
    assert not same_weights(first, run(make_config(max_epochs=1, seed=1)).policy)


AUGMENTED = {"augmentation": {"color_jitter": 0.2, "gaussian_noise": 0.02, "random_shift": 0.1}}


@pytest.mark.parametrize("steps_per_epoch", [None, 5])
def test_resume_is_exact_to_the_bit(make_config: MakeConfig, tmp_path: Path, steps_per_epoch: int | None) -> None:
    keys = {"train_dataset": AUGMENTED, "steps_per_epoch": steps_per_epoch, "use_state": True}
    straight = run(make_config(output_dir=str(tmp_path / "straight"), **keys))
    stopped = run(make_config(output_dir=str(tmp_path / "two"), **keys), callbacks=[StopAfterEpoch(0)])
    resumed = run(make_config(output_dir=str(tmp_path / "two"), **keys), resume=stopped.last_path)
    assert not same_weights(stopped.policy, straight.policy)
    assert same_weights(resumed.policy, straight.policy)
    assert _optimiser_equal(state_of(resumed.last_path), state_of(straight.last_path))
    assert not list((tmp_path / "two/checkpoints").glob("previous_*"))
    assert resumed.metrics["val_loss"] == straight.metrics["val_loss"]


def test_ctrl_c_saves_between_steps_and_resumes_exactly(make_config: MakeConfig, tmp_path: Path) -> None:
    straight = run(make_config(output_dir=str(tmp_path / "straight"), train_dataset=AUGMENTED))
    config = make_config(output_dir=str(tmp_path / "two"), train_dataset=AUGMENTED)
    before = signal.getsignal(signal.SIGINT)
    lines: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train(config, callbacks=[PressCtrlC(at_step=4)], say=lines.append)
    assert signal.getsignal(signal.SIGINT) is before
    last = tmp_path / "two/checkpoints/mobile_vla-last.ckpt"
    assert lines[-1] == f"Stopped after 4 steps. Continue with --resume {last}"
    assert state_of(last)["global_step"] == 4
    assert same_weights(run(config, resume=last).policy, straight.policy)


def test_a_new_run_moves_an_older_one_aside(make_config: MakeConfig, tmp_path: Path) -> None:
    run(make_config(max_epochs=1))
    lines: list[str] = []
    train(make_config(max_epochs=1), say=lines.append)
    folder = tmp_path / "run/checkpoints"
    (aside,) = folder.glob("previous_*")
    assert f"Older checkpoints moved to {aside}" in lines
    assert {path.name for path in aside.iterdir()} == {path.name for path in folder.iterdir() if path.is_file()}
    assert (tmp_path / "run/logs/mobile_vla/version_1").is_dir()
    assert not list(folder.glob("*-v1*"))


def test_test_mode_leaves_real_checkpoints_alone(make_config: MakeConfig, tmp_path: Path) -> None:
    real = run(make_config(max_epochs=1))
    before = {path: path.stat().st_mtime_ns for path in real.last_path.parent.iterdir()}
    for _ in range(2):
        tested = run(make_config(batch_size=2, max_epochs=7), test_mode=True)
    assert {path: path.stat().st_mtime_ns for path in real.last_path.parent.iterdir()} == before
    assert tested.last_path.parent == tmp_path / "run/test/checkpoints"
    assert state_of(tested.last_path)["global_step"] == 10
    assert len(list(tested.last_path.parent.glob("*.ckpt"))) == 2


def test_init_from_takes_the_weights_and_starts_a_new_schedule(make_config: MakeConfig, tmp_path: Path) -> None:
    first = run(make_config(max_epochs=1))
    frozen = make_config(learning_rate=1e-12, max_steps=1, output_dir=str(tmp_path / "next"), weight_decay=0.0)
    started = run(frozen, init_from=first.last_path)
    for name, weight in started.policy.named_parameters():
        torch.testing.assert_close(weight, dict(first.policy.named_parameters())[name], atol=1e-6, rtol=0)
    assert state_of(started.last_path)["global_step"] == 1


def test_weights_of_another_policy_are_refused(make_config: MakeConfig) -> None:
    first = run(make_config(max_epochs=1))
    for option in ("init_from", "resume"):
        with pytest.raises(CheckpointError, match=r"differs from the config in window_size \(checkpoint 3, config 4\)"):
            run(make_config(window_size=4), **{option: first.last_path})
    with pytest.raises(CheckpointError, match=r"no such file .*mobile_vla-best\.ckpt"):
        run(make_config(), resume=first.last_path.with_name("gone.ckpt"))


def test_a_nan_loss_stops_with_a_clear_error_and_no_checkpoint(make_config: MakeConfig, tmp_path: Path) -> None:
    message = (
        r"loss = nan: the loss is a finite number, and here \(epoch 0, batch 2\) it is not\. Lower learning_rate \(0\.005\)"
    )
    with pytest.raises(TrainingDivergedError, match=message):
        run(make_config(), callbacks=[Poison(at_batch=2)])
    assert not list((tmp_path / "run/checkpoints").glob("*.ckpt"))


def test_max_steps_and_accumulation_count_optimiser_steps(make_config: MakeConfig) -> None:
    assert state_of(run(make_config(max_steps=3)).last_path)["global_step"] == 3
    accumulated = make_config(steps_per_epoch=6, max_epochs=1, trainer={"accelerator": "cpu", "accumulate_grad_batches": 3})
    assert state_of(run(accumulated).last_path)["global_step"] == 2


def test_frozen_backbone_stays_and_bf16_trains(make_config: MakeConfig) -> None:
    start = run(make_config(learning_rate=1e-12, max_steps=1, weight_decay=0.0)).policy
    setup = {"freeze_backbone": True, "train_vision": False, "precision": "bf16-mixed"}
    frozen = run(make_config(max_epochs=1, train_setup=setup)).policy
    before, after = dict(start.named_parameters()), dict(frozen.named_parameters())
    moved = {name.split(".")[0] for name in before if not torch.allclose(before[name], after[name], atol=1e-6)}
    assert moved == {"head"}


def test_a_callback_grows_the_training_set_in_mid_run(make_config: MakeConfig, more_episodes: MoreEpisodes) -> None:
    added = more_episodes(3)
    grow = Grow(added, at_epoch=1)
    result = run(make_config(steps_per_epoch=20, max_epochs=2), callbacks=[grow])
    assert grow.highest[0] < grow.before <= grow.highest[1]
    samples = load_policy(result.last_path).provenance["samples"]["train"]
    assert samples > grow.before
    assert state_of(result.last_path)["global_step"] == 40


def test_the_command_trains_and_an_error_is_a_message(make_config: MakeConfig, dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(make_config().model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "mobile_vla", "train", "--config", str(path), "--set", "max_epochs=1", "--test"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "Starting training..." in done.stdout
    wrong = subprocess.run([*command, "--data-dir", "gone"], capture_output=True, text=True, env=environment, check=False)
    assert wrong.returncode == 1
    assert "No .h5 files found in dataset" in wrong.stderr
    assert "Traceback" not in wrong.stderr


class StopAfterEpoch(Callback):
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch >= self.epoch


class PressCtrlC(Callback):
    def __init__(self, at_step: int) -> None:
        self.at_step = at_step

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.at_step - 1:
            os.kill(os.getpid(), signal.SIGINT)


class Poison(Callback):
    def __init__(self, at_batch: int) -> None:
        self.at_batch = at_batch

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == self.at_batch:
            with torch.no_grad():
                next(pl_module.policy.head.parameters()).fill_(float("nan"))


class Grow(Callback):
    def __init__(self, paths: list[Path], at_epoch: int) -> None:
        self.paths, self.at_epoch = paths, at_epoch
        self.highest = [0, 0]
        self.before = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.at_epoch:
            self.before = len(trainer.datamodule.train_set)  # type: ignore[attr-defined]
            trainer.datamodule.add_episodes(self.paths)  # type: ignore[attr-defined]

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        epoch = trainer.current_epoch
        self.highest[epoch] = max(self.highest[epoch], int(batch.numbers.max()))


def _optimiser_equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    left, right = (state["optimizer_states"][0]["state"] for state in (one, other))
    return all(np.array_equal(left[key][name], right[key][name]) for key in left for name in left[key])
