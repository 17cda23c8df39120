"""One training run from configuration to checkpoints, with the lines that the guide promises."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from mobile_vla.core.atomic import check_writable
from mobile_vla.core.errors import CheckpointError, DataError, problem
from mobile_vla.data.reader import find_episodes
from mobile_vla.data.splits import Split, save_split
from mobile_vla.model.backbone import backbones
from mobile_vla.model.checkpoint import load_policy
from mobile_vla.model.policy import VLAPolicy, build_policy
from mobile_vla.model.preprocess import PreprocessConfig
from mobile_vla.training.checkpointing import AtomicCheckpointIO, Checkpoints, existing_checkpoint, move_aside
from mobile_vla.training.config import TrainConfig, check_features
from mobile_vla.training.data_module import EpisodeDataModule
from mobile_vla.training.interruption import CleanInterrupt, InterruptedTraining, StopAfterSteps
from mobile_vla.training.lightning_module import PolicyModule
from mobile_vla.training.machine import check_machine
from mobile_vla.training.progress_bar import EpochBar
from mobile_vla.training.provenance import Provenance
from mobile_vla.training.quiet import quiet_lightning

TEST_BATCHES: Final = 10
"""How many batches of training and of validation the test mode runs."""

SMALL_CONFIG: Final = "configs/mobile_vla/train_tiny_cpu.json"

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """What a training run came to.

    Attributes:
        policy: as it was after the last step, in evaluation mode on the CPU.
        best_path: the checkpoint with the lowest val_loss.
        last_path: the checkpoint of the last epoch.
        metrics: the last value of each logged measure, velocities in normalised units.
        split: which episodes were trained on and which validated.
    """

    policy: VLAPolicy
    best_path: Path
    last_path: Path
    metrics: dict[str, float]
    split: Split


def train(
    config: TrainConfig,
    *,
    resume: Path | str | None = None,
    init_from: Path | str | None = None,
    test_mode: bool = False,
    callbacks: Sequence[Callback] = (),
    say: Say = print,
) -> TrainResult:
    """Train a policy as `config` says.

    Args:
        config: the configuration.
        resume: a checkpoint of this run, continued exactly where it stood.
        init_from: a checkpoint whose weights the policy starts from, with a new schedule.
        test_mode: one epoch of 10 batches of training and of validation, in `{output_dir}/test`.
        callbacks: more Lightning callbacks; `trainer.datamodule.add_episodes` grows the training set.
        say: takes each line for the user.

    Raises:
        ConfigError, DataError, CheckpointError: the input cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
        OSError: `output_dir` cannot be written, or the disk is full; the older checkpoints stay whole.
        KeyboardInterrupt: the user stopped it; `mobile_vla-last.ckpt` holds the state.
    """
    check_features(config)
    check_machine(config.trainer)
    if resume is not None and init_from is not None:
        raise CheckpointError(problem("resume", str(resume), f"init_from = {str(init_from)!r} is given too", "Give only one"))
    quiet_lightning()
    torch.set_num_threads(min(config.trainer.cpu_threads, os.cpu_count() or 1))
    pl.seed_everything(config.seed, verbose=False)
    check_writable(_run_folder(config, test_mode))
    check_episodes(config)  # before weights, which may take long to fetch
    policy = _make_policy(config, resume, init_from)
    resume = None if resume is None else Path(resume).resolve()
    data = EpisodeDataModule(config, policy.preprocessor, policy.normaliser)
    _announce(data, policy, say)
    folder = _run_folder(config, test_mode)
    checkpoints = _prepare_checkpoints(config, folder, resume, test_mode, say)
    save_split(data.split, checkpoints.folder / "split.json")
    module = PolicyModule(policy, config, Provenance(config, data, checkpoints))
    interrupt = CleanInterrupt(checkpoints)
    trainer = _make_trainer(config, folder, test_mode, [*callbacks, interrupt, checkpoints])
    say("Starting training...")
    with interrupt:
        _fit(trainer, module, data, resume, say)
    _say_where(checkpoints, say)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return TrainResult(policy.cpu().eval(), checkpoints.best_path, checkpoints.last_path, metrics, data.split)


def check_episodes(config: TrainConfig) -> None:
    """Check that there is something to train on. Raises DataError with the ways to get it."""
    try:
        find_episodes(config.data_dir)
    except DataError as error:
        raise DataError(f"{error}\n{_ways_to_data(config)}") from error


def _ways_to_data(config: TrainConfig) -> str:
    folder = Path(config.data_dir).resolve()
    ways = [
        f"To record simulated episodes there: mobile-vla record --sim --out {folder} --episodes 64",
        f"To train the small policy on them, on any CPU: --config {SMALL_CONFIG} --data-dir {folder}",
    ]
    if backbones.get(config.model).pretrained:
        ways.append(
            f"For model '{config.model}' without a network, name the folder of its weights: --set backbone.path=/folder"
        )
    return "\n".join(ways)


def _make_policy(config: TrainConfig, resume: Path | str | None, init_from: Path | str | None) -> VLAPolicy:
    """Return the policy to train: a checkpoint's, which needs nothing else, or a new one."""
    if resume is not None:
        policy = _policy_of(config, "resume", resume)
    elif init_from is not None:
        policy = _policy_of(config, "init_from", init_from)
    else:
        policy = build_policy(config.policy_config())
    policy.freeze(config.train_setup.freeze_backbone, config.train_setup.train_vision)
    if config.train_setup.gradient_checkpointing:
        policy.backbone.recompute_activations()
    return policy


def _policy_of(config: TrainConfig, field: str, path: Path | str) -> VLAPolicy:
    policy = load_policy(existing_checkpoint(path, field)).policy.train()
    _check_same_policy(config, policy, field, path)
    return policy


def _check_same_policy(config: TrainConfig, policy: VLAPolicy, field: str, path: Path | str) -> None:
    wanted = config.policy_config()
    found = policy.config.model_copy(update={"preprocess": _as_far_as_set(policy.config.preprocess, wanted.preprocess)})
    differing = [
        f"{name} (checkpoint {getattr(found, name)!r}, config {getattr(wanted, name)!r})"
        for name in type(wanted).model_fields
        if getattr(found, name) != getattr(wanted, name)
    ]
    if differing:
        rule = f"its policy differs from the config in {', '.join(differing)}"
        raise CheckpointError(f"{field} = {str(path)!r}: {rule}. Make the config agree, or train from the start.")


def _as_far_as_set(found: PreprocessConfig, wanted: PreprocessConfig) -> PreprocessConfig:
    """Return `wanted` with what it sets taken from `found`: what a config leaves out, the backbone chose."""
    return wanted.model_copy(update={name: getattr(found, name) for name in wanted.model_fields_set})


def _announce(data: EpisodeDataModule, policy: VLAPolicy, say: Say) -> None:
    say(f"Found {data.files} .h5 files in dataset")
    data.load()
    say(f"Train dataset: {len(data.train_set)} samples")
    say(f"Val dataset: {len(data.val_set)} samples")
    for line in policy.description():
        say(line)


def _run_folder(config: TrainConfig, test_mode: bool) -> Path:
    folder = Path(config.output_dir)
    return folder / "test" if test_mode else folder


def _prepare_checkpoints(config: TrainConfig, folder: Path, resume: Path | None, test_mode: bool, say: Say) -> Checkpoints:
    """Return the keeper of the run's checkpoints; what an older run left there is moved aside, unless it is being resumed."""
    checkpoints = Checkpoints(folder / "checkpoints", 0 if test_mode else config.trainer.save_top_k)
    checkpoints.folder.mkdir(parents=True, exist_ok=True)
    if not test_mode and (resume is None or resume.parent != checkpoints.folder.resolve()):
        moved = move_aside(checkpoints.folder, datetime.now(timezone.utc).astimezone())
        if moved is not None:
            say(f"Older checkpoints moved to {moved}")
    return checkpoints


def _make_trainer(config: TrainConfig, folder: Path, test_mode: bool, callbacks: Sequence[Callback]) -> pl.Trainer:
    options: dict[str, Any] = {}
    if test_mode:
        options = {"limit_train_batches": TEST_BATCHES, "limit_val_batches": TEST_BATCHES}
    stop = [] if config.max_steps is None else [StopAfterSteps(config.max_steps)]
    machine = config.trainer
    return pl.Trainer(
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy=machine.strategy,
        precision=config.train_setup.precision,
        max_epochs=1 if test_mode else config.max_epochs,
        accumulate_grad_batches=machine.accumulate_grad_batches,
        gradient_clip_val=machine.gradient_clip_val,
        check_val_every_n_epoch=machine.check_val_every_n_epoch,
        log_every_n_steps=machine.log_every_n_steps,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        enable_model_summary=False,
        plugins=[AtomicCheckpointIO()],
        logger=TensorBoardLogger(folder / "logs", name=config.task_name),
        callbacks=[EpochBar(), *stop, *callbacks],
        **options,
    )


def _fit(trainer: pl.Trainer, module: PolicyModule, data: EpisodeDataModule, resume: Path | None, say: Say) -> None:
    """Run the loop. Lightning turns a hard Ctrl-C into SystemExit; both kinds leave here as KeyboardInterrupt."""
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    except InterruptedTraining as stop:
        say(str(stop))
        raise KeyboardInterrupt from stop
    except SystemExit as stop:
        say("Stopped at once, without saving.")
        raise KeyboardInterrupt from stop
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise type(error)(error.errno, error.strerror, trainer.log_dir) from error  # TensorBoard's writer names no file


def _say_where(checkpoints: Checkpoints, say: Say) -> None:
    with suppress(OSError):
        size = checkpoints.last_path.stat().st_size / 1e6
        best = "" if checkpoints.best_val_loss is None else f", val_loss {checkpoints.best_val_loss:.4f}"
        say(f"Best checkpoint: {checkpoints.best_path} ({size:.1f} MB{best})")
