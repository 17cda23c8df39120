"""Finds the checkpoint that somebody means who names none: the newest one under `runs/`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from mobile_vla.core.errors import CheckpointError

RUNS: Final = Path("runs")
_BEST, _LAST = "-best.ckpt", "-last.ckpt"


def newest_checkpoint(runs: Path | str = RUNS) -> Path:
    """Return the newest `checkpoints/*.ckpt` of any run below `runs` (relative to the current folder).

    The newest is the one written last. Training gives one state several names; among files of the same moment the best comes
    first, then the one named after its epoch, then the last. What an older run left in `previous_<timestamp>/` does not count.

    Raises:
        CheckpointError: there is none, with the command that trains one.
    """
    runs = Path(runs)
    found = max(_written(runs), default=None)
    if found is None:
        remedy = "Train a policy first: ./scripts/run_mobile_vla_train.sh. Or name a checkpoint that lies elsewhere"
        raise CheckpointError(
            f"checkpoint: none is given, and there is no checkpoints/*.ckpt below {runs.resolve()}. {remedy}."
        )
    return found[-1]


def _written(runs: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield (time in ns, preference, path) of every checkpoint; one that a training run just replaced is passed over."""
    for path in runs.glob("**/checkpoints/*.ckpt"):
        with suppress(OSError):
            preference = 2 if path.name.endswith(_BEST) else 0 if path.name.endswith(_LAST) else 1
            yield path.stat().st_mtime_ns, preference, path
