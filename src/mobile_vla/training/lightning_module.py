"""The policy as a Lightning module: steps, logs, and what a checkpoint says about itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from mobile_vla.core.errors import MobileVLAError, problem
from mobile_vla.model.batch import Batch
from mobile_vla.model.checkpoint import PAYLOAD_KEY, policy_payload
from mobile_vla.model.policy import VLAPolicy
from mobile_vla.training.augmentation import Augmentation
from mobile_vla.training.config import TrainConfig
from mobile_vla.training.optimisation import make_optimiser, make_scheduler, rate_schedule


class Samples(NamedTuple):
    """One batch, and which samples of the data set it is made of.

    Attributes:
        batch: the windows.
        numbers: `(B,)` int64, the number of each window in its data set.
    """

    batch: Batch
    numbers: Tensor


class PolicyModule(pl.LightningModule):
    """Trains a policy with one optimiser and one schedule.

    Args:
        policy: the policy; its tensors appear in checkpoints under `policy.`.
        config: the training configuration.
        provenance: called whenever a checkpoint is written; plain JSON about where the policy comes from.
    """

    def __init__(self, policy: VLAPolicy, config: TrainConfig, provenance: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__()
        self.policy = policy
        self.config = config
        self._provenance = provenance
        self._augment = Augmentation(config.train_dataset.augmentation, config.seed)
        self._clock = _Clock()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW and its schedule, stepped once per optimiser step."""
        optimiser = make_optimiser(self.policy, self.config)
        schedule = rate_schedule(self.config, len(cast(Any, self.trainer).datamodule.training_batches()))
        scheduler = make_scheduler(optimiser, schedule)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Start the clock of the epoch."""
        self._clock.restart()

    def on_train_batch_start(self, samples: Samples, batch_idx: int) -> None:
        """Seed the random numbers of this step, so that a resumed run draws the same ones (dropout, hidden states)."""
        self._clock.data_arrived()
        torch.manual_seed(_step_seed(self.config.seed, self.current_epoch, batch_idx, self.global_rank))

    def training_step(self, samples: Samples, batch_idx: int) -> Tensor:
        """Return the loss of one batch. Raises MobileVLAError when it is not finite."""
        batch = samples.batch
        if self._augment.active:
            batch = batch._replace(images=self._augment(batch.images, samples.numbers, self.current_epoch))
        measures = self.policy.loss(batch)
        self._check_finite(measures["loss"], batch_idx)
        self._log_measures("train", measures, len(samples.numbers))
        return measures["loss"]

    def validation_step(self, samples: Samples, batch_idx: int) -> None:
        """Log the measures of one validation batch."""
        measures = self.policy.loss(samples.batch)
        size = len(samples.numbers)
        self.log("val_loss", measures["loss"], batch_size=size, prog_bar=True, sync_dist=True)
        others = {f"val/{name}": value for name, value in measures.items() if name != "loss"}
        self.log_dict(others, batch_size=size, sync_dist=True)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient's norm before it is clipped."""
        if self.trainer.global_step % self.config.trainer.log_every_n_steps == 0:
            gradients = [weight.grad for weight in self.policy.parameters() if weight.grad is not None]
            self.log("train/grad_norm", torch.nn.utils.get_total_norm(gradients))

    def on_train_batch_end(self, outputs: Any, samples: Samples, batch_idx: int) -> None:
        """Log the learning rate, the pace, and which share of the time was spent waiting for data."""
        self._clock.step_done(len(samples.numbers))
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log("train/samples_per_s", self._clock.samples_per_s)
        self.log("train/data_wait_share", self._clock.wait_share)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the policy is and where it comes from (see `model.checkpoint`)."""
        checkpoint[PAYLOAD_KEY] = policy_payload(self.policy, self._provenance())

    def _log_measures(self, stage: str, measures: Mapping[str, Tensor], size: int) -> None:
        self.log("loss", measures["loss"].detach(), prog_bar=True, logger=False, batch_size=size)
        named = {f"{stage}/{name}": value.detach() for name, value in measures.items()}
        self.log_dict(named, on_step=True, on_epoch=False, batch_size=size)

    def _check_finite(self, loss: Tensor, batch_idx: int) -> None:
        value = float(loss.detach())
        if math.isfinite(value):
            return
        where = f"epoch {self.current_epoch}, batch {batch_idx}"
        remedy = (
            f"Lower learning_rate ({self.config.learning_rate:g}) or trainer.gradient_clip_val "
            f"({self.config.trainer.gradient_clip_val}), or set train_setup.precision to '32-true'"
        )
        rule = f"the loss is a finite number, and here ({where}) it is not"
        raise TrainingDivergedError(problem("loss", value, rule, remedy))


class TrainingDivergedError(MobileVLAError):
    """The loss became NaN or infinite."""


class _Clock:
    """Measures an epoch so far: time spent waiting for batches, and samples per second."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._start = self._mark = time.monotonic()
        self._waited_s = 0.0
        self._samples = 0

    def data_arrived(self) -> None:
        self._waited_s += time.monotonic() - self._mark

    def step_done(self, samples: int) -> None:
        self._mark = time.monotonic()
        self._samples += samples

    @property
    def samples_per_s(self) -> float:
        return self._samples / max(self._mark - self._start, 1e-9)

    @property
    def wait_share(self) -> float:
        return self._waited_s / max(self._mark - self._start, 1e-9)


def _step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """Return a seed that differs for every step and process (a polynomial hash, modulo a Mersenne prime)."""
    mixed = 0
    for part in (seed, epoch, batch, rank):
        mixed = (mixed * 1_000_003 + part + 1) % (2**61 - 1)
    return mixed
