"""Ctrl-C, SIGKILL and the death of a worker, each in the middle of the work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.core.parallel import worker_pool
from mobile_vla.data.reader import find_episodes, read_episode
from mobile_vla.model.checkpoint import load_policy

Start = Callable[..., "subprocess.Popen[str]"]
Finished = Callable[..., Any]

RECORD = ("--sim", "--image-size", "64x64", "--level", 0, "--episodes", 2000)
LONG = ("--set", "max_epochs=1000", "--set", "steps_per_epoch=20", "--set", "scheduler=constant")


def until(condition: Callable[[], Any], process: subprocess.Popen[str], timeout_s: float = 60) -> None:
    """Wait until `condition` holds while `process` runs."""
    began = time.monotonic()
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - began < timeout_s
        time.sleep(0.02)


def episodes(folder: Path) -> list[Path]:
    return sorted(folder.glob("episode_*.h5"))


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the worker processes of `process` that are alive."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z" and int(group) == process.pid and b"multiprocessing-fork" in command:
            found.append(int(entry.name))
    return found


def gone(process: subprocess.Popen[str]) -> bool:
    """Whether all workers end within ten seconds."""
    began = time.monotonic()
    while workers_of(process) and time.monotonic() - began < 10:
        time.sleep(0.05)
    return not workers_of(process)


def whole(paths: Sequence[Path]) -> bool:
    return all(len(read_episode(path)) > 1 for path in paths)


@pytest.fixture(autouse=True)
def _no_child_stays(request: pytest.FixtureRequest) -> Any:
    yield
    for process in request.node.stash.get(_STARTED, []):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


_STARTED = pytest.StashKey[list[Any]]()


@pytest.fixture
def start(request: pytest.FixtureRequest, command: Start) -> Start:
    """Like `command`; a process that a failing test leaves behind is ended."""
    started: list[Any] = request.node.stash.setdefault(_STARTED, [])

    def run(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        started.append(command(*arguments, **environment))
        return started[-1]

    return run


def test_workers_give_up_their_work_when_the_parent_fails() -> None:
    def fail() -> None:
        with worker_pool(2) as pool:
            results = pool.map(eval, ["1", "__import__('time').sleep(100)", "__import__('time').sleep(100)", "4"])
            assert next(results) == 1
            raise KeyError

    began = time.monotonic()
    with pytest.raises(KeyError):
        fail()
    assert time.monotonic() - began < 30


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("after", [0, 1])
def test_ctrl_c_while_recording(start: Start, finished: Finished, tmp_path: Path, workers: int, after: int) -> None:
    pytest.importorskip("mujoco")
    out = tmp_path / "out"
    process = start("record", "--out", out, "--workers", workers, *RECORD)
    until(out.exists if after == 0 else lambda: len(episodes(out)) >= after, process)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    result = finished(process, 30)
    assert (result.code, result.out, result.err) == (130, "", "Interrupted\n")
    assert gone(process)
    assert not list(out.glob(".*"))
    assert len(episodes(out)) >= after
    assert whole(episodes(out))


@pytest.mark.slow
def test_sigkill_while_recording(start: Start, finished: Finished, tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    out = tmp_path / "out"
    process = start("record", "--out", out, "--workers", 2, *RECORD)
    until(lambda: len(episodes(out)) >= 2, process)
    process.kill()
    process.wait()
    assert gone(process), "orphaned workers must not record on for ever"
    kept = episodes(out)
    assert whole(kept)
    assert all(path.name.endswith(".partial") for path in out.iterdir() if path not in kept)
    (out / ".episode_20250101_120000_1box_vert_left_50cm.h5.1.partial").write_bytes(b"half an episode")
    again = start("record", "--out", out, "--workers", 0, *RECORD, "--episodes", 2)
    result = finished(again)
    assert result.code == 0, result.err
    assert len(find_episodes(out)) == len(kept) + 2
    assert f"Total episodes: {len(kept) + 2}" in result.out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["record", "evaluate"])
def test_a_worker_that_is_killed_is_told(start: Start, finished: Finished, trained: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("mujoco")
    out = tmp_path / "out"
    if name == "record":
        process = start("record", "--out", out, "--workers", 2, *RECORD)
    else:
        process = start("evaluate", "--checkpoint", trained, "-n", 2000, "--agent", "random", "--workers", 2, "--out", out)
    until(lambda: len(workers_of(process)) == 2, process)
    time.sleep(1.5)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    message = finished(process, 60).error()
    assert message == (
        "workers = 2: a worker process died without a word, most often for want of memory. Try again with fewer workers."
    )
    assert gone(process)
    assert whole(episodes(out))


def test_a_recording_never_meets_the_names_of_an_earlier_one(tmp_path: Path) -> None:
    from mobile_vla.jobs.recording import free_start

    now = datetime(2025, 1, 1, 12, 0, 30)
    assert free_start(tmp_path / "missing", now) == now
    for name in ("episode_20250101_120130_1box_vert_left_50cm.h5", "episode_20241231_120030_1box_vert_left.h5", "other.h5"):
        (tmp_path / name).touch()
    assert free_start(tmp_path, now) == datetime(2025, 1, 1, 12, 2, 30)
    assert free_start(tmp_path, now.replace(year=2026)) == now.replace(year=2026)


def _epochs(folder: Path) -> int:
    return len(list((folder / "checkpoints").glob("mobile_vla-epoch=*.ckpt")))


@pytest.mark.slow
def test_ctrl_c_while_training_and_on_with_it(
    start: Start, finished: Finished, config: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    process = start("train", "--config", config, *LONG)
    until(lambda: _epochs(tmp_path / "run") >= 1, process)
    os.killpg(process.pid, signal.SIGINT)
    result = finished(process, 60)
    last = tmp_path / "run" / "checkpoints" / "mobile_vla-last.ckpt"
    assert (result.code, result.err) == (130, "Interrupted\n")
    stopped = re.search(
        rf"^Stopped after (\d+) steps\. Continue with --resume {re.escape(str(last))}$", result.out, re.MULTILINE
    )
    assert stopped, result.out
    assert not list(last.parent.glob(".*"))
    load_policy(last)
    steps = int(stopped[1])
    resumed = cli("train", "--config", config, *LONG, "--set", f"max_steps={steps + 3}", "--resume", last)
    assert resumed.code == 0, resumed.err
    assert _steps(last) == steps + 3


@pytest.mark.slow
def test_sigkill_while_training_and_on_with_it(start: Start, config: Path, tmp_path: Path, cli: Callable[..., Any]) -> None:
    process = start("train", "--config", config, *LONG)
    until(lambda: _epochs(tmp_path / "run") >= 2, process)
    process.kill()
    process.wait()
    folder = tmp_path / "run" / "checkpoints"
    for path in folder.glob("*.ckpt"):
        load_policy(path)
    last = folder / "mobile_vla-last.ckpt"
    steps = _steps(last)
    resumed = cli("train", "--config", config, *LONG, "--set", f"max_steps={steps + 3}", "--resume", last)
    assert resumed.code == 0, resumed.err
    assert _steps(last) == steps + 3


def _steps(path: Path) -> int:
    import torch

    return int(torch.load(path, weights_only=True)["global_step"])
