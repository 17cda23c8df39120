"""Whether this machine has what the configuration asks for: checked before anything is read or moved."""

from __future__ import annotations

import torch

from mobile_vla.core.errors import ConfigError, problem
from mobile_vla.training.config import TrainerConfig


def check_machine(config: TrainerConfig) -> None:
    """Check `trainer.accelerator` and `trainer.devices` against this machine. Raises ConfigError naming value and remedy."""
    gpus = torch.cuda.device_count() or int(torch.backends.mps.is_available())
    if config.accelerator == "gpu" and not gpus:
        remedy = "Use 'cpu', or 'auto', which takes a GPU where there is one (nvidia-smi shows them)"
        raise ConfigError(problem("trainer.accelerator", config.accelerator, "PyTorch finds no GPU here", remedy))
    if config.devices != "auto" and config.devices < 1:
        raise ConfigError(problem("trainer.devices", config.devices, "at least 1, or 'auto'"))
    if config.devices != "auto" and config.accelerator != "cpu" and config.devices > gpus > 0:
        raise ConfigError(problem("trainer.devices", config.devices, f"this machine has {gpus} GPUs", "Use 'auto' for all"))
