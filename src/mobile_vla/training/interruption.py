"""Stopping early: Ctrl-C at a clean moment, and after a number of optimiser steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from mobile_vla.training.checkpointing import Checkpoints


class InterruptedTraining(Exception):
    """Training was stopped by the user after its state had been saved."""


class CleanInterrupt(Callback):
    """The first Ctrl-C ends training after the current optimiser step, saved so that it resumes exactly.

    While validation runs, its end is awaited. A second Ctrl-C ends training at once, without saving.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._requested = False
        self._previous: Any = None

    def __enter__(self) -> CleanInterrupt:
        """Take over Ctrl-C (only the main thread may)."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        """Give Ctrl-C back to whoever had it."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop between two optimiser steps. At an epoch's last batch, let validation and the usual saving come first."""
        whole_step = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if self._requested and whole_step and not trainer.is_last_batch:
            self._checkpoints.save_last(trainer)
            self._stop(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop here when the request came at the end of the last epoch, whose state has just been saved."""
        if self._requested and trainer.current_epoch > 0:
            self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        path = self._checkpoints.last_path
        raise InterruptedTraining(f"Stopped after {trainer.global_step} steps. Continue with --resume {path}")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        print("\nStopping after this step; press Ctrl-C again to stop at once without saving.", flush=True)


class StopAfterSteps(Callback):
    """Ends training after `max_steps` optimiser steps; validation and saving still follow."""

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A resumed run may have reached them already."""
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.max_steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Ask the loop to stop once the steps are done."""
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.max_steps
