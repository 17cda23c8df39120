"""Worker processes that live as long as their pool, each with one thread.

Processes are spawned, never forked: a fork copies OpenMP, OpenGL and CUDA state that does not survive it. Work is handed out in
the order given and results come back in that order, so the number of workers never changes a result.

| what happens | what the workers do |
|---|---|
| Ctrl-C, or an error in the parent or in one worker | give up their work, clean up behind it (no half-written file), end |
| the parent is killed | the same, on their own |
| a worker is killed | the others the same; the parent is told by an error |
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, NoReturn, TypeVar

from mobile_vla.core.errors import MobileVLAError, problem

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LP_NUM_THREADS": "0",  # Mesa's software renderer draws in the calling thread
}

_GRACE_S: Final = 10.0
"""How long an orphaned worker may clean up."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool:
    """A pool of spawned single-threaded processes; with 0 workers the work runs in the calling process.

    One worker and ten give the same results to the last bit, because each has one thread; the calling process may differ from
    them in rounding, since it keeps its own number of threads.
    """

    def __init__(self, workers: int) -> None:
        self.workers = max(0, workers)
        self._executor: ProcessPoolExecutor | None = None

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `work(item)` for every item, in order. `work` is a module-level function; items and results are picklable.

        Raises:
            Exception: whatever `work` raises, at the place of its item; what has not begun is dropped.
            MobileVLAError: a worker process died.
        """
        if self.workers == 0:
            yield from map(work, items)
            return
        if self._executor is None:
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_start_worker)
        try:
            with _ctrl_c_waits():  # workers inherit this: they never see the terminal's Ctrl-C, not even while they start
                results = self._executor.map(partial(_do, work), items)
            yield from results
        except BrokenProcessPool as error:
            rule = "a worker process died without a word, most often for want of memory"
            raise MobileVLAError(problem("workers", self.workers, rule, "Try again with fewer workers")) from error

    def close(self) -> None:
        """Stop the workers, dropping what has not begun."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def stop(self) -> None:
        """Stop the workers at once: what they are at is given up, and cleaned up behind."""
        if self._executor is not None:
            for process in list((self._executor._processes or {}).values()):
                with suppress(ProcessLookupError):  # it is just ending
                    if process.pid is not None and process.is_alive():
                        os.kill(process.pid, signal.SIGUSR1)
        self.close()


@contextmanager
def worker_pool(workers: int) -> Iterator[WorkerPool]:
    """Yield a `WorkerPool`; afterwards it is closed, and stopped at once when the block is left by an exception."""
    pool = WorkerPool(workers)
    try:
        yield pool
    except BaseException:
        pool.stop()
        raise
    pool.close()


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    """Give the worker one thread and leave Ctrl-C to the parent.

    The variables count for what is loaded later. A script's own imports are loaded already, since a spawned process begins with
    them, so a torch that is there is told itself: two threads would round differently than one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, _work.give_up)
    signal.signal(signal.SIGTERM, _work.end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(_ONE_THREAD)
    loaded_torch = sys.modules.get("torch")
    if loaded_torch is not None:
        loaded_torch.set_num_threads(1)


def _do(work: Callable[[Item], Result], item: Item) -> Result:
    return _work.do(work, item)


def _end_with_parent() -> NoReturn:
    """End this worker when its parent is gone: nobody else would, and it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


class _GivenUpError(BaseException):  # no `except Exception` on its way may keep it
    """Unwinds a piece of work whose result nobody waits for any more."""


class _Work:
    """What a worker process is at.

    Signals end it by an exception, so that files are cleaned up, and only while it works: half a result would block the parent.
    """

    def __init__(self) -> None:
        self._busy = self._given_up = self._ending = False

    def do(self, work: Callable[[Item], Result], item: Item) -> Result:
        try:
            self._busy = True
            if self._given_up:
                raise _GivenUpError
            return work(item)
        finally:
            self._busy = False
            if self._ending:
                os._exit(1)

    def give_up(self, *_: object) -> None:
        """Drop the present piece of work and all that follow."""
        self._given_up = True
        if self._busy:
            raise _GivenUpError

    def end(self, *_: object) -> None:
        """End the process."""
        self._ending = True
        if not self._busy:
            os._exit(1)
        raise _GivenUpError


_work = _Work()
