"""The optimiser and its learning rate: AdamW, a linear warm-up, then a cosine or a constant."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from mobile_vla.training.config import TrainConfig


@dataclass(frozen=True)
class RateSchedule:
    """The learning rate as a fraction of its peak, by optimiser step.

    Attributes:
        warmup_steps: steps in which it rises linearly to 1.
        total_steps: steps of the whole training; the cosine ends there.
        floor: where the cosine ends; 1 makes the schedule constant.
    """

    warmup_steps: int
    total_steps: int
    floor: float

    def __call__(self, step: int) -> float:
        """Return the fraction at `step` (0 is the first)."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        share = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return self.floor + (1.0 - self.floor) * 0.5 * (1.0 + math.cos(math.pi * share))


def rate_schedule(config: TrainConfig, batches_per_epoch: int) -> RateSchedule:
    """Return the schedule that `config` describes for epochs of `batches_per_epoch` batches."""
    steps_per_epoch = math.ceil(batches_per_epoch / config.trainer.accumulate_grad_batches)
    total = steps_per_epoch * config.max_epochs
    if config.max_steps is not None:
        total = min(total, config.max_steps)
    warmup = config.warmup_steps or round(config.warmup_epochs * steps_per_epoch)
    return RateSchedule(warmup, total, config.min_lr_scale if config.scheduler == "cosine" else 1.0)


def make_optimiser(module: nn.Module, config: TrainConfig) -> AdamW:
    """Return AdamW over the trainable parameters: matrices decay, norms, biases and other vectors do not."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [weight for weight in trainable if weight.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [weight for weight in trainable if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], lr=config.learning_rate)


def make_scheduler(optimiser: torch.optim.Optimizer, schedule: RateSchedule) -> LambdaLR:
    """Return `schedule` as a scheduler that is stepped once per optimiser step."""
    return LambdaLR(optimiser, schedule)
