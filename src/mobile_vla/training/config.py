"""The training configuration: the guide's JSON as one closed, frozen schema.

Every key that is accepted has its effect; what does not exist for the chosen backbone is refused here, with both values named.
No device is probed and no file but the configuration itself is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from mobile_vla.core.config import Config, apply_overrides, build, load_json
from mobile_vla.core.errors import ConfigError, problem
from mobile_vla.model.backbone import backbones
from mobile_vla.model.policy import PolicyConfig
from mobile_vla.task.cadence import OnMismatch

Precision = Literal["32-true", "bf16-mixed"]


class AugmentationConfig(Config):
    """Changes to training images; all off by default. See `training.augmentation` for what each one does."""

    color_jitter: float = Field(default=0.0, ge=0.0, le=1.0)
    """Largest relative change of brightness, contrast and saturation, and of each channel's gain by half of it."""
    gaussian_noise: float = Field(default=0.0, ge=0.0, le=0.5)
    """Standard deviation of the pixel noise, images being in [0, 1]."""
    random_shift: float = Field(default=0.0, ge=0.0, le=0.5)
    """Largest shift as a fraction of the image's height and width; one shift for a whole window."""


class TrainDatasetConfig(Config):
    """What is done to the training set alone."""

    augmentation: AugmentationConfig = AugmentationConfig()


class TrainSetupConfig(Config):
    """Which weights learn, and in which arithmetic."""

    freeze_backbone: bool = False
    """True: the backbone keeps its weights, only the head (and the state token) learn."""
    train_vision: bool = True
    """False: the backbone's vision part keeps its weights."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    lora_enable: bool = False
    """Train low-rank adapters instead of the backbone's own weights."""
    precision: Precision = "32-true"


class TrainerConfig(Config):
    """What the training loop needs to know of the machine."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int | Literal["auto"] = "auto"
    """How many devices; a CPU counts as one."""
    num_nodes: int = Field(default=1, ge=1)
    strategy: Literal["auto", "ddp"] = "auto"
    accumulate_grad_batches: int = Field(default=1, ge=1)
    """Batches whose gradients are summed into one optimiser step."""
    gradient_clip_val: float | None = Field(default=1.0, gt=0.0)
    """Largest norm of the gradient; None: not clipped."""
    log_every_n_steps: int = Field(default=10, ge=1)
    check_val_every_n_epoch: int = Field(default=1, ge=1)
    save_top_k: int = Field(default=3, ge=0)
    """How many `mobile_vla-epoch=..-val_loss=...ckpt` are kept beside last and best."""
    cpu_threads: int = Field(default=2, ge=1)
    """Threads of one process on the CPU; never more than the machine has."""


class TrainConfig(PolicyConfig):
    """Everything that a training run is made of: the policy's own keys and these, in one flat object as the guide writes it."""

    task_name: str = Field(default="mobile_vla", min_length=1, pattern=r"^[\w.-]+$")
    """Names the log folder: letters, digits, `_`, `.` and `-`."""
    seed: int = Field(default=0, ge=0)

    data_dir: str = "ROS_action/mobile_vla_dataset"
    """Relative paths are relative to the folder in which the command runs."""
    val_fraction: float = Field(default=0.1, gt=0.0, lt=1.0)
    on_rate_mismatch: OnMismatch = "refuse"
    train_dataset: TrainDatasetConfig = TrainDatasetConfig()
    num_workers: int = Field(default=0, ge=0)
    """Processes that gather batches; 0 is fastest while the frames are in memory."""

    train_setup: TrainSetupConfig = TrainSetupConfig()
    batch_size: int = Field(default=4, ge=1)
    """Windows per device and step."""
    learning_rate: float = Field(default=1e-4, gt=0.0)
    weight_decay: float = Field(default=0.01, ge=0.0)
    """Not applied to norms, biases and other vectors."""
    scheduler: Literal["cosine", "constant"] = "cosine"
    min_lr_scale: float = Field(default=0.01, ge=0.0, le=1.0)
    """Where the cosine ends, as a fraction of `learning_rate`."""
    warmup_epochs: float = Field(default=0.0, ge=0.0)
    warmup_steps: int = Field(default=0, ge=0)
    """Optimiser steps in which the rate rises linearly; an alternative to `warmup_epochs`."""
    max_epochs: int = Field(default=10, ge=1)
    steps_per_epoch: int | None = Field(default=None, ge=1)
    """Batches per epoch; None: one pass over all samples."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps after which training stops; None: `max_epochs` alone decides."""

    trainer: TrainerConfig = TrainerConfig()
    output_dir: str = "runs/mobile_vla"

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> TrainConfig:
        if self.warmup_epochs and self.warmup_steps:
            raise ValueError(
                f"warmup_epochs = {self.warmup_epochs:g} and warmup_steps = {self.warmup_steps} both set the warm-up: keep one"
            )
        if self.scheduler == "constant" and "min_lr_scale" in self.model_fields_set:
            raise ValueError(
                f"min_lr_scale = {self.min_lr_scale:g} has no effect with scheduler = 'constant': remove it, or use 'cosine'"
            )
        return self

    def policy_config(self) -> PolicyConfig:
        """Return the part that the policy is made of."""
        return PolicyConfig.model_validate({name: getattr(self, name) for name in PolicyConfig.model_fields})


def load_train_config(path: Path | str, overrides: Sequence[str] = (), data_dir: Path | str | None = None) -> TrainConfig:
    """Return the configuration in the JSON file `path` (comments allowed).

    Args:
        path: the JSON file.
        overrides: dotted `key=value` texts, applied in order.
        data_dir: replaces `data_dir`; None: as the file says.

    Raises:
        ConfigError: one line per mistake, naming key, value, rule and remedy.
    """
    tree = apply_overrides(load_json(path), overrides)
    if data_dir is not None:
        tree["data_dir"] = str(data_dir)
    config = build(TrainConfig, tree, str(path))
    check_features(config)
    return config


def check_features(config: TrainConfig) -> None:
    """Check that the chosen backbone can do what `config` asks for. Raises ConfigError naming both."""
    setup = config.train_setup
    if setup.lora_enable:
        rule = f"backbone {config.model!r} has no low-rank adapters here"
        raise ConfigError(problem("train_setup.lora_enable", True, rule, "Set it to false"))
    if setup.gradient_checkpointing and not backbones.get(config.model).recomputes:
        rule = f"backbone {config.model!r} cannot recompute its activations"
        raise ConfigError(problem("train_setup.gradient_checkpointing", True, rule, "Set it to false"))
