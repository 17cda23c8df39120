"""Keeps Lightning's announcements and advice away from users who cannot act on them. Errors pass."""

from __future__ import annotations

import logging
import warnings
from typing import Final

_SILENCED: Final = (
    r".*does not have many workers.*",  # frames are in memory: 0 workers is the fastest
    r".*smaller than the logging interval.*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*dataloader is not resumable.*",  # `sampling.TrainingBatches` resumes by itself
    r".*module\(s\) in eval mode at the start of training.*",  # frozen batch statistics, on purpose
    r".*GPU available but not used.*",
    r".*Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*You're resuming from a checkpoint that ended before the epoch ended.*",
)


def quiet_lightning() -> None:
    """Silence the known noise, for this process."""
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for pattern in _SILENCED:
        warnings.filterwarnings("ignore", message=pattern)
