"""DAgger inside one training run: at the start of an epoch the policy drives, the expert labels, the training set grows.

One optimiser and one schedule run through all rounds (Ross et al. 2011, https://arxiv.org/abs/1011.0686). Rounds are counted in
episodes and epochs of a fixed number of steps, never in seconds: the same seed gives the same data on any machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from mobile_vla.core.parallel import WorkerPool
from mobile_vla.jobs.collect import CollectConfig
from mobile_vla.jobs.recording import record_simulated, recording_specs
from mobile_vla.model.checkpoint import save_policy

Say = Callable[[str], None]


@dataclass(frozen=True)
class DaggerPlan:
    """How corrections are gathered.

    Attributes:
        rounds: rounds of corrections; one at the start of each of the epochs 1 to `rounds`.
        episodes: drives per round, spread evenly over the scenarios.
        first_seed: seeds of the scenes count up from here, new ones in every round.
        folder: where the episodes are written.
        level, rate_hz, image_size: see `CollectConfig`.
    """

    rounds: int
    episodes: int
    first_seed: int
    folder: Path
    level: int
    rate_hz: float
    image_size: tuple[int, int]


class Corrections(Callback):
    """Gathers corrections while a policy trains; pass it to `training.run.train`."""

    def __init__(self, plan: DaggerPlan, start: datetime, pool: WorkerPool, say: Say = print) -> None:
        self.plan = plan
        self.seconds = 0.0
        self._start, self._pool, self._say = start, pool, say

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the policy drive, and add what the expert says of it to the training set."""
        number = trainer.current_epoch
        if not 1 <= number <= self.plan.rounds:
            return
        began = time.monotonic()
        driver: Any = pl_module
        path = self.plan.folder / f"driver_round_{number}.ckpt"
        with torch.no_grad():
            save_policy(driver.policy, path, {"round": number})
        data: Any = trainer
        recorded = self._record(number, path)
        data.datamodule.add_episodes([episode.path for episode in recorded])
        won = sum(episode.success for episode in recorded)
        self._say(f"Corrections, round {number} of {self.plan.rounds}: the policy succeeded in {won} of {len(recorded)} drives")
        self.seconds += time.monotonic() - began

    def _record(self, number: int, driver: Path) -> list[Any]:
        plan = self.plan
        turns = -(-plan.episodes // 8)
        specs = recording_specs(plan.episodes, plan.first_seed + (number - 1) * turns)
        config = CollectConfig(plan.level, plan.rate_hz, plan.image_size, checkpoint=str(driver))
        start = self._start + timedelta(days=number)
        return record_simulated(plan.folder, specs, config, start, self._pool, f"Corrections {number}/{plan.rounds}")
