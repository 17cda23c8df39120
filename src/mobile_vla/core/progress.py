"""Progress with an ETA: a live bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_PERIOD_S: Final = 10.0
"""How often a log that is no terminal gets a line."""

Advance = Callable[..., None]
"""`advance(steps=1, note="")`: say that `steps` more are done; `note` is shown behind the bar."""


@contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """Show the progress of `total` steps as `description` on standard error.

    Yields:
        a function `advance(steps=1, note="")`.
    """
    if sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(description, total=total, note="")
            yield lambda steps=1, note="": bar.update(task, advance=steps, note=note)
    else:
        log = _LogLines(description, total)
        yield log.advance
        log.close()


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
    )


class _LogLines:
    """Writes `description: done/total, elapsed, ETA` every `LOG_PERIOD_S` and once at the end."""

    def __init__(self, description: str, total: int) -> None:
        self.description, self.total, self.done = description, total, 0
        self._start = self._last = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        now = time.monotonic()
        if now - self._last >= LOG_PERIOD_S:
            self._last = now
            left = (now - self._start) / max(self.done, 1) * (self.total - self.done)
            self._write(f"ETA {left:.0f} s{', ' + note if note else ''}")

    def close(self) -> None:
        self._write("done")

    def _write(self, ending: str) -> None:
        elapsed = time.monotonic() - self._start
        print(f"{self.description}: {self.done}/{self.total}, {elapsed:.0f} s, {ending}", file=sys.stderr, flush=True)
