"""Worker processes that live as long as their pool, each with one thread.

Processes are spawned, never forked: a fork copies OpenMP, OpenGL and CUDA state that does not survive it. Work is handed out in
the order given and results come back in that order, so the number of workers never changes a result.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from mobile_vla.core.errors import MobileVLAError, problem

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LP_NUM_THREADS": "0",  # Mesa's software renderer draws in the calling thread
}

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
            yield from self._executor.map(work, items)
        except BrokenProcessPool as error:
            rule = "a worker process died without a word, most often for want of memory"
            raise MobileVLAError(problem("workers", self.workers, rule, "Try again with fewer workers")) from error

    def close(self) -> None:
        """Stop the workers, dropping what has not begun."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


@contextmanager
def worker_pool(workers: int) -> Iterator[WorkerPool]:
    """Yield a `WorkerPool` and close it afterwards, whatever happens."""
    pool = WorkerPool(workers)
    try:
        yield pool
    finally:
        pool.close()


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    """Give the worker one thread (before numpy, torch and OpenGL are loaded there) and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(_ONE_THREAD)
