"""Rollouts: the number of workers changes nothing, errors arrive as ours, pictures are kept of the first drives only."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.core.config import build
from mobile_vla.core.errors import CheckpointError, UnknownNameError
from mobile_vla.core.parallel import WorkerPool, worker_pool
from mobile_vla.evaluation.agent import AgentOptions
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.rollouts import BATCH, FILM_SIZE, DriveSpec, RolloutConfig, agent_of_process, roll_out
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.policy import PolicyConfig, build_policy
from mobile_vla.sim.judge import GOAL_GAP_M
from mobile_vla.task.instructions import all_instructions
from mobile_vla.task.scenarios import SCENARIOS, parse_scenario

SPECS = [DriveSpec(SCENARIOS[i % 8].name, 40 + i // 8) for i in range(BATCH + 2)]
"""Two batches, the second one not full."""


def save_untrained(path: Path, seed: int) -> str:
    torch.manual_seed(seed)
    tree = {
        "rate_hz": 2.5,
        "window_size": 2,
        "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
        "preprocess": {"image_size": [32, 32], "max_tokens": 24},
    }
    save_policy(build_policy(build(PolicyConfig, tree, "test")), path, {})
    return str(path)


@pytest.fixture(scope="module")
def two_workers() -> Iterator[WorkerPool]:
    with worker_pool(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def one_worker() -> Iterator[WorkerPool]:
    with worker_pool(1) as pool:
        yield pool


def here(agent: str, specs: list[DriveSpec], config: RolloutConfig | None = None) -> list[Drive]:
    return roll_out(agent, specs, config or RolloutConfig(), AgentOptions(), WorkerPool(0))


def test_one_worker_and_two_give_identical_drives(one_worker: WorkerPool, two_workers: WorkerPool, tmp_path: Path) -> None:
    options = AgentOptions(save_untrained(tmp_path / "policy.ckpt", 0))
    config = RolloutConfig(rate_hz=2.5, image_size=(32, 32))
    for agent in ("expert", "policy", "random"):
        one, two = (roll_out(agent, SPECS, config, options, pool) for pool in (one_worker, two_workers))
        assert one == two
        assert [(drive.scenario, drive.seed) for drive in one] == [(spec.scenario, spec.seed) for spec in SPECS]
        assert len({drive.path for drive in one}) > 2


def test_the_calling_process_drives_the_expert_alike(one_worker: WorkerPool) -> None:
    assert here("expert", SPECS[:4]) == roll_out("expert", SPECS[:4], RolloutConfig(), AgentOptions(), one_worker)


def test_a_drive_does_not_depend_on_its_batch() -> None:
    assert here("expert", SPECS[3:4]) == here("expert", SPECS[:6])[3:4]
    assert here("random", SPECS[3:4]) == here("random", SPECS[:6])[3:4]


def test_a_drive_is_described_truly() -> None:
    for drive in here("expert", SPECS[:8]):
        kind = parse_scenario(drive.scenario)
        assert (drive.end, drive.agent, drive.success) == ("success", "expert", True)
        assert (drive.side_asked, drive.side_taken, drive.side_followed) == (kind.side, kind.side, True)
        assert len(drive.path) == round(drive.duration_s * 5) + 1
        assert drive.path_length_m == pytest.approx(_length(drive), abs=0.05)
        x, y, _ = drive.path[-1]
        goal_x, goal_y, radius = drive.floor.goal
        assert drive.gap_m == pytest.approx(math.hypot(goal_x - x, goal_y - y) - radius - drive.floor.robot_radius_m)
        assert 0 < drive.gap_m <= GOAL_GAP_M
        assert abs(drive.bearing_rad) <= math.radians(25)
        assert len(drive.floor.boxes) == kind.num_boxes
        assert drive.frames == ()


@pytest.mark.parametrize("wording", ["train", "held_out"])
def test_instructions_are_of_the_asked_wording(wording: str) -> None:
    drives = here("always_forward", SPECS, RolloutConfig(wording=wording))  # type: ignore[arg-type]
    assert all(drive.instruction in all_instructions(parse_scenario(drive.scenario), wording) for drive in drives)  # type: ignore[arg-type]
    assert len({drive.instruction for drive in drives}) > 4


def test_levels_and_rates_change_the_drives() -> None:
    plain, wide, fast = (
        here("expert", SPECS[:2], RolloutConfig(**change)) for change in ({"level": 0}, {"level": 2}, {"rate_hz": 10.0})
    )
    assert plain[0].floor != wide[0].floor
    assert len(fast[0].path) > 1.5 * len(plain[0].path)


@pytest.mark.parametrize("film", [0, 3, BATCH + 1])
def test_pictures_are_kept_of_the_first_drives_only(film: int) -> None:
    drives = here("expert", SPECS, RolloutConfig(film=film, rate_hz=2.0, image_size=(8, 8)))
    assert [bool(drive.frames) for drive in drives] == [True] * film + [False] * (len(SPECS) - film)
    for drive in drives[:film]:
        assert len(drive.frames) == len(drive.path) - 1
        assert {np.shape(frame) for frame in drive.frames} == {(*FILM_SIZE, 3)}
        assert (np.asarray(drive.frames[0]) != np.asarray(drive.frames[-1])).mean() > 0.1


def test_filming_does_not_change_the_drive() -> None:
    filmed = here("expert", SPECS[:2], RolloutConfig(film=2))
    assert [dataclasses.replace(drive, frames=()) for drive in filmed] == here("expert", SPECS[:2])


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_in_a_worker_are_ours(workers: int, one_worker: WorkerPool, tmp_path: Path) -> None:
    pool = one_worker if workers else WorkerPool(0)
    with pytest.raises(UnknownNameError, match=r"^scenario = '9box_vert_left': choose one of"):
        roll_out("expert", [DriveSpec("9box_vert_left", 0)], RolloutConfig(), AgentOptions(), pool)
    with pytest.raises(CheckpointError, match=r"nowhere\.ckpt"):
        roll_out("policy", SPECS[:1], RolloutConfig(), AgentOptions(str(tmp_path / "nowhere.ckpt")), pool)
    with pytest.raises(UnknownNameError, match=r"^agent = 'nobody': choose one of"):
        roll_out("nobody", SPECS[:1], RolloutConfig(), AgentOptions(), pool)


def test_a_policy_is_loaded_once_and_again_when_its_file_has_changed(tmp_path: Path) -> None:
    options = AgentOptions(save_untrained(tmp_path / "policy.ckpt", 1))
    first = agent_of_process("policy", options)
    assert agent_of_process("policy", options) is first
    save_untrained(tmp_path / "policy.ckpt", 2)
    os.utime(options.checkpoint, (2e9, 2e9))
    second = agent_of_process("policy", options)
    assert second is not first


def test_no_specs_give_no_drives() -> None:
    assert here("expert", []) == []


def _length(drive: Drive) -> float:
    return sum(math.dist(a[:2], b[:2]) for a, b in zip(drive.path, drive.path[1:], strict=False))
