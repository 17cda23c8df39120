"""Checkpoints on disk: which files exist, under which names, and that each is whole.

    {output_dir}/checkpoints/mobile_vla-last.ckpt                        after every epoch
                             mobile_vla-best.ckpt                        lowest val_loss so far
                             mobile_vla-epoch=10-val_loss=0.1234.ckpt    the `save_top_k` best ones
                             previous_<timestamp>/                       what an earlier run left

One write per epoch: the other names are hard links to the same bytes (copies where the file system has none), so each file
stands alone and none is ever half written.
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint

from mobile_vla.core.atomic import atomic_path
from mobile_vla.core.errors import CheckpointError, problem
from mobile_vla.model.checkpoint import write_checkpoint

PREFIX: Final = "mobile_vla"
LAST_NAME: Final = f"{PREFIX}-last.ckpt"
BEST_NAME: Final = f"{PREFIX}-best.ckpt"
MONITOR: Final = "val_loss"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, and reads none that could run code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`. Raises OSError when the disk refuses; the older file then stays."""
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True) -> dict[str, Any]:
        """Return the checkpoint in `path`: tensors and plain values only, whatever `weights_only` says."""
        loaded: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only=True)
        return loaded


class Checkpoints(Checkpoint):
    """Keeps the last, the best and the `top_k` best checkpoints in `folder`.

    Args:
        folder: the run's `checkpoints` folder.
        top_k: how many named after epoch and val_loss are kept; 0 for none.

    Attributes:
        best_val_loss: the lowest so far; None before the first validation.
        val_metrics: what the newest validation measured.
    """

    def __init__(self, folder: Path, top_k: int) -> None:
        self.folder = folder
        self.top_k = top_k
        self.best_val_loss: float | None = None
        self.val_metrics: dict[str, float] = {}
        self._ranked: list[tuple[float, str]] = []
        self._validated = False

    @property
    def last_path(self) -> Path:
        """The newest state."""
        return self.folder / LAST_NAME

    @property
    def best_path(self) -> Path:
        """The state with the lowest val_loss, or the newest where nothing was validated."""
        return self.folder / BEST_NAME

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember what this epoch's validation came to."""
        self._validated = not trainer.sanity_checking
        measured = {name: value for name, value in trainer.callback_metrics.items() if name.startswith(("val_", "val/"))}
        self.val_metrics = {name: float(value) for name, value in measured.items()}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what this epoch came to."""
        val_loss = self.val_metrics.get(MONITOR) if self._validated else None
        self._validated = False
        names, dropped = self._rank(trainer.current_epoch, val_loss)
        self.save_last(trainer)
        if trainer.is_global_zero:
            for name in names:
                _link(self.last_path, self.folder / name)
            for name in dropped:
                (self.folder / name).unlink(missing_ok=True)

    def save_last(self, trainer: pl.Trainer) -> None:
        """Write the state of this moment as `mobile_vla-last.ckpt` (every process must call it)."""
        trainer.save_checkpoint(self.last_path)

    def state_dict(self) -> dict[str, Any]:
        """Return which files are kept, as plain values."""
        return {"best_val_loss": self.best_val_loss, "ranked": [[loss, name] for loss, name in self._ranked]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.best_val_loss = state_dict["best_val_loss"]
        self._ranked = [(loss, name) for loss, name in state_dict["ranked"]]

    def _rank(self, epoch: int, val_loss: float | None) -> tuple[list[str], list[str]]:
        """Return the names that this epoch's state gets beside last, and the files that have to go."""
        if val_loss is None:
            return ([BEST_NAME] if self.best_val_loss is None else []), []
        names = []
        if self.best_val_loss is None or val_loss < self.best_val_loss:
            self.best_val_loss = val_loss
            names.append(BEST_NAME)
        named = f"{PREFIX}-epoch={epoch:02d}-val_loss={val_loss:.4f}.ckpt"
        ranked = sorted([*self._ranked, (val_loss, named)])
        self._ranked, worse = ranked[: self.top_k], ranked[self.top_k :]
        kept = [name for _, name in self._ranked]
        return [*names, *([named] if named in kept else [])], [name for _, name in worse if name != named]


def move_aside(folder: Path, now: datetime) -> Path | None:
    """Move the checkpoints (and the split) of an older run in `folder` into `previous_<timestamp>/` there.

    Returns:
        the new folder, or None when there was nothing to move.
    """
    older = sorted(folder.glob("*.ckpt")) if folder.is_dir() else []
    if not older:
        return None
    target = folder / f"previous_{now:%Y%m%d_%H%M%S}"
    number = 1
    while target.exists():
        number += 1
        target = folder / f"previous_{now:%Y%m%d_%H%M%S}_{number}"
    target.mkdir()
    for path in [*older, *folder.glob("*.json")]:
        path.rename(target / path.name)
    return target


def existing_checkpoint(path: Path | str, field: str) -> Path:
    """Return `path` once it is known to be a file. Raises CheckpointError naming `field` and what is there instead."""
    path = Path(path)
    if not path.is_file():
        near = sorted(str(found) for found in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        remedy = f"Found there: {', '.join(near)}" if near else "Correct the path, or train from the start"
        raise CheckpointError(problem(field, str(path), f"no such file (looked at {path.resolve()})", remedy))
    return path


def _link(source: Path, target: Path) -> None:
    with atomic_path(target) as partial:
        partial.unlink(missing_ok=True)
        try:
            os.link(source, partial)
        except OSError:  # no hard links on this file system
            shutil.copyfile(source, partial)
