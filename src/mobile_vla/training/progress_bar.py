"""The guide's progress line: `Epoch 0: 100%|##########| 10/10 [00:30<00:00, ...]`."""

from __future__ import annotations

import sys
from typing import Any, Final

import lightning.pytorch as pl
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

_AT_THE_END: Final = 2**31
"""A refresh rate that no epoch reaches: only the last batch is shown."""


class EpochBar(TQDMProgressBar):
    """One line per epoch: live on a terminal, written once the epoch is through in a log file."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        super().__init__(refresh_rate=1 if self._live else _AT_THE_END, leave=self._live)

    def init_validation_tqdm(self) -> Tqdm:
        """Show validation on a terminal only."""
        return super().init_validation_tqdm() if self._live else Tqdm(disable=True)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """End the bar's line, so that an error begins a line of its own."""
        if self._train_progress_bar is not None:
            self.train_progress_bar.close()
            sys.stdout.flush()

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return the measures behind the bar, without the log's version number."""
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        return {name: value for name, value in metrics.items() if name != "v_num"}
