"""Where a policy comes from: what its checkpoint says about code, data and configuration."""

from __future__ import annotations

import subprocess
from typing import Any

from mobile_vla import __version__
from mobile_vla.training.checkpointing import Checkpoints
from mobile_vla.training.config import TrainConfig
from mobile_vla.training.data_module import EpisodeDataModule


class Provenance:
    """Called for every checkpoint; returns plain JSON.

    Keys: `task_name`, `version`, `git_commit` (None outside a repository), `split_hash`, `data_hash`, `rate_hz`, `config`,
    `samples` (`train`, `val`), `val_metrics` (of the newest validation), `best_val_loss` (None before the first).
    """

    def __init__(self, config: TrainConfig, data: EpisodeDataModule, checkpoints: Checkpoints) -> None:
        self._data = data
        self._checkpoints = checkpoints
        self._fixed = {
            "task_name": config.task_name,
            "version": __version__,
            "git_commit": git_commit(),
            "rate_hz": config.rate_hz,
            "config": config.model_dump(mode="json"),
        }

    def __call__(self) -> dict[str, Any]:
        """Return what is true now (the training set may have grown)."""
        return {
            **self._fixed,
            "split_hash": self._data.split.sha256,
            "data_hash": self._data.data_hash,
            "samples": {"train": len(self._data.train_set), "val": len(self._data.val_set)},
            "val_metrics": self._checkpoints.val_metrics,
            "best_val_loss": self._checkpoints.best_val_loss,
        }


def git_commit() -> str | None:
    """Return the commit checked out in the working folder, with `+` when files differ from it; None without git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
