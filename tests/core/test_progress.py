"""Progress in a log that is no terminal: few lines, each with an ETA."""

from __future__ import annotations

import time

import pytest

from mobile_vla.core import progress as module
from mobile_vla.core.progress import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, in seconds, as a list of one."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_ten_seconds_with_eta_and_one_at_the_end(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with progress("Collecting", total=40) as advance:
        for step in range(40):
            clock[0] += 1.0
            advance(note=f"step {step}")
    assert capfd.readouterr().err.splitlines() == [
        "Collecting: 10/40, 10 s, ETA 30 s, step 9",
        "Collecting: 20/40, 20 s, ETA 20 s, step 19",
        "Collecting: 30/40, 30 s, ETA 10 s, step 29",
        "Collecting: 40/40, 40 s, ETA 0 s, step 39",
        "Collecting: 40/40, 40 s, done",
    ]


def test_quick_work_gets_one_line(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with progress("Reading", total=3) as advance:
        advance(3)
    assert capfd.readouterr().err == "Reading: 3/3, 0 s, done\n"


def test_the_first_advance_may_come_late_and_empty(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with progress("Waiting", total=5) as advance:
        clock[0] += 60.0
        advance(0)
    assert "Waiting: 0/5, 60 s, ETA 300 s" in capfd.readouterr().err


def test_work_that_failed_is_not_called_done(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with progress("Reading", total=3):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "done" not in capfd.readouterr().err


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("Training", total=2) as advance:
        advance(note="loss 0.1")
        advance(note="loss 0.05")
    shown = capfd.readouterr().err
    assert "Training" in shown
    assert "2/2" in shown
    assert "loss 0.05" in shown
