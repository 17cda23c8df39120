"""Worker processes: order is kept, errors arrive whole, a death is named, and each worker has one thread."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from mobile_vla.core.errors import DataError, MissingExtraError, MobileVLAError
from mobile_vla.core.parallel import WorkerPool, available_cores, worker_pool
from mobile_vla.task.scenarios import Scenario, parse_scenario

NAMES = [f"{number}box_vert_left" for number in range(1, 20)]


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    slow_first = [f"__import__('time').sleep({0.2 if i == 0 else 0}) or {i}" for i in range(6)]
    with worker_pool(workers) as pool:
        assert list(pool.map(eval, slow_first)) == list(range(6))
        assert list(pool.map(parse_scenario, NAMES)) == [Scenario(i, "vert", "left") for i in range(1, 20)]


def test_without_workers_the_work_runs_here_and_lazily() -> None:
    done: list[int] = []
    results = WorkerPool(0).map(done.append, [1, 2])
    assert done == []
    next(iter(results))
    assert done == [1]


def test_workers_are_other_processes_that_live_as_long_as_the_pool() -> None:
    who = ["__import__('time').sleep(0.05) or __import__('os').getpid()"] * 8
    with worker_pool(2) as pool:
        first, second = set(pool.map(eval, who)), set(pool.map(eval, who))
    assert os.getpid() not in first
    assert first | second == first
    assert 1 <= len(first) <= 2
    time.sleep(0.1)
    assert not [pid for pid in first if _is_running(pid)]


def test_a_worker_has_one_thread_and_ignores_ctrl_c() -> None:
    asked = [
        "__import__('os').environ['OMP_NUM_THREADS']",
        "__import__('os').environ['LP_NUM_THREADS']",
        "__import__('signal').getsignal(2).name",
    ]
    before = dict(os.environ)
    with worker_pool(1) as pool:
        assert list(pool.map(eval, asked)) == ["1", "0", "SIG_IGN"]
    assert dict(os.environ) == before


@pytest.mark.parametrize("workers", [0, 1])
def test_our_errors_arrive_as_they_were_raised(workers: int) -> None:
    with worker_pool(workers) as pool:
        results = pool.map(parse_scenario, ["1box_vert_left", "1box_up_left", "2box_vert_left"])
        assert next(results).num_boxes == 1
        with pytest.raises(DataError, match=r"^scenario = '1box_up_left': a scenario is .* For example 1box_vert_left\.$"):
            next(results)
        assert [scenario.num_boxes for scenario in pool.map(parse_scenario, NAMES[:3])] == [1, 2, 3]  # it still works


def test_an_error_with_two_arguments_arrives_whole() -> None:
    raising = "(_ for _ in ()).throw(__import__('mobile_vla.core.errors', fromlist=['x']).MissingExtraError('mujoco', 'sim'))"
    with worker_pool(1) as pool, pytest.raises(MissingExtraError, match=r"^mujoco is not installed\. .*'mobile-vla\[sim\]'$"):
        list(pool.map(eval, [raising]))
    assert str(pickle.loads(pickle.dumps(MissingExtraError("a", "b")))) == str(MissingExtraError("a", "b"))


def test_the_death_of_a_worker_is_named() -> None:
    message = r"^workers = 1: a worker process died without a word, .* Try again with fewer workers\.$"
    with worker_pool(1) as pool, pytest.raises(MobileVLAError, match=message):
        list(pool.map(os._exit, [9]))


def test_the_pool_is_closed_when_its_block_is_left_by_an_error() -> None:
    def use_and_fail() -> None:
        with worker_pool(1) as pool:
            seen.extend(pool.map(eval, ["__import__('os').getpid()"]))
            raise RuntimeError

    seen: list[int] = []
    with pytest.raises(RuntimeError):
        use_and_fail()
    time.sleep(0.1)
    assert not _is_running(seen[0])


def test_there_is_at_least_one_core() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_a_negative_number_of_workers_is_none() -> None:
    assert WorkerPool(-3).workers == 0


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed: there is nothing to load first")
def test_a_worker_has_one_thread_even_where_the_script_loads_torch_first(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "from mobile_vla.core.parallel import worker_pool\n"
        "if __name__ == '__main__':\n"
        "    with worker_pool(1) as pool:\n"
        "        print(list(pool.map(eval, [\"__import__('torch').get_num_threads()\"])))\n",
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment)
    assert done.stdout == "[1]\n", done.stderr
