"""Every registered scenario, driven: the expert succeeds at every level, and whoever does not look does not."""

from __future__ import annotations

from collections import Counter

import pytest

from mobile_vla.core.parallel import worker_pool
from mobile_vla.evaluation.agent import AgentOptions
from mobile_vla.evaluation.closed_loop import mean_action_by_step
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.rollouts import DriveSpec, RolloutConfig, roll_out
from mobile_vla.jobs.collect import CollectConfig, collect_batch
from mobile_vla.sim.expert import expert_action
from mobile_vla.sim.navigation import Navigation
from mobile_vla.sim.randomisation import LEVELS, draw_scene
from mobile_vla.sim.scenario import scenes
from mobile_vla.task.scenarios import other_side

ALL_LEVELS = range(len(LEVELS))
FEW, MANY = 4, 50
"""Seeds per scenario in the fast and in the slow tier; over eight scenarios the slow one makes 400 drives a level."""


def drives_of(agent: str, level: int, seeds: range, options: AgentOptions | None = None) -> list[Drive]:
    specs = [DriveSpec(name, seed) for name in scenes for seed in seeds]
    with worker_pool(0) as pool:
        return roll_out(agent, specs, RolloutConfig(level=level), options or AgentOptions(), pool)


def ends(drives: list[Drive]) -> Counter[str]:
    return Counter(drive.end for drive in drives)


@pytest.mark.parametrize("name", scenes.names())
def test_left_and_right_share_their_scenes(name: str) -> None:
    spec = scenes.get(name)
    assert spec.scenario.name == name
    assert spec.scenario.mirrored.name in scenes
    other = scenes.get(spec.scenario.mirrored.name)
    assert all(draw_scene(spec, seed, level) == draw_scene(other, seed, level) for seed in range(10) for level in ALL_LEVELS)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_the_expert_succeeds_in_every_scenario(level: int) -> None:
    drives = drives_of("expert", level, range(FEW))
    assert ends(drives) == {"success": len(drives)}
    assert all(drive.side_followed for drive in drives)
    assert max(drive.duration_s for drive in drives) < 10.0


@pytest.mark.slow
@pytest.mark.parametrize("level", ALL_LEVELS)
def test_the_expert_succeeds_in_99_of_100_drives(level: int) -> None:
    drives = drives_of("expert", level, range(10_000, 10_000 + MANY))
    assert len(drives) >= 400
    assert ends(drives)["success"] >= 0.99 * len(drives), ends(drives)


@pytest.mark.parametrize("name", scenes.names())
def test_an_expert_that_passes_on_the_other_side_fails(name: str) -> None:
    navigation = Navigation(5.0, 16, 16)
    for seed in range(FEW):
        scene = navigation.start(name, seed, 1)
        side = navigation.spec.scenario.side
        while navigation.end is None:
            navigation.step(expert_action(scene, other_side(side), navigation.world.pose))
        assert navigation.end == "wrong_side"
        assert navigation.judge.side_taken == other_side(side)


@pytest.mark.parametrize("agent", ["random", "always_forward"])
def test_whoever_does_not_look_does_not_succeed(agent: str) -> None:
    drives = drives_of(agent, 1, range(FEW))
    assert ends(drives)["success"] == 0
    assert ends(drives)["hit_box"] >= len(drives) // 4


def test_a_memorised_clock_does_not_succeed() -> None:
    clock = mean_action_by_step(
        episode.actions for episode in collect_batch(_demonstrations(), CollectConfig(image_size=(8, 8)))
    )
    drives = drives_of("clock_only", 1, range(100, 100 + FEW), AgentOptions(clock_actions=clock))
    assert ends(drives)["success"] <= 0.1 * len(drives)


def test_even_the_clock_of_its_own_scenario_misses_other_scenes() -> None:
    name = scenes.names()[0]
    recorded = collect_batch([DriveSpec(name, seed) for seed in range(24)], CollectConfig(image_size=(8, 8)))
    options = AgentOptions(clock_actions=mean_action_by_step(episode.actions for episode in recorded))
    with worker_pool(0) as pool:
        drives = roll_out("clock_only", [DriveSpec(name, 500 + i) for i in range(16)], RolloutConfig(), options, pool)
    assert ends(drives)["success"] <= 4


def _demonstrations() -> list[DriveSpec]:
    return [DriveSpec(name, seed) for name in scenes for seed in range(2)]
