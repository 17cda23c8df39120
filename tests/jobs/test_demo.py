"""The demo in small: everything happens, in the shapes that users and scripts rely on; in full: it learns to drive."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.data.reader import read_episode
from mobile_vla.evaluation.closed_loop import AGENTS, HELD_OUT_SEED
from mobile_vla.jobs.demo import DemoPlan, DemoResult, run_demo
from mobile_vla.model.checkpoint import load_policy
from mobile_vla.model.streaming import FeatureWindow, predict_chunks
from mobile_vla.task.observation import Observation
from mobile_vla.task.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "configs" / "mobile_vla" / "train_demo.json"


def small_plan(folder: Path) -> DemoPlan:
    config = json.loads(SHIPPED.read_text(encoding="utf-8").partition("\n")[2])
    config |= {"steps_per_epoch": 2, "max_epochs": 2, "warmup_steps": 1, "batch_size": 4}
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return DemoPlan(path, folder / "demo", demonstrations=8, rounds=1, corrections=8, episodes=8, workers=0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> DemoPlan:
    return small_plan(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def demo(plan: DemoPlan) -> DemoResult:
    return run_demo(plan, say=lambda line: None)


def test_the_report_has_every_agent_and_scenario_in_the_promised_shape(demo: DemoResult) -> None:
    tree = json.loads(demo.report.json.read_text(encoding="utf-8"))
    assert set(tree["agents"]) == set(AGENTS)
    for row in tree["agents"].values():
        assert {"success", "n", "ci95", "side_followed", "scenarios"} <= set(row)
        assert row["n"] == 8
        assert set(row["scenarios"]) == {scenario.name for scenario in SCENARIOS}
    assert set(tree["wall_s"]) == {"collect", "train", "evaluate", "total"}
    stages = [tree["wall_s"][stage] for stage in ("collect", "train", "evaluate")]
    assert sum(stages) == pytest.approx(tree["wall_s"]["total"])
    assert min(stages) > 0
    assert tree["hardware"]["cores"] >= 1


def test_the_expert_succeeds_and_the_clock_does_not(demo: DemoResult) -> None:
    assert demo.summary.agents["expert"].overall.success.share == 1.0
    assert demo.summary.agents["clock_only"].overall.success.share == 0.0


def test_all_are_judged_on_the_same_held_out_scenes(demo: DemoResult) -> None:
    assert {summary.seeds for summary in demo.summary.agents.values()} == {(HELD_OUT_SEED,)}


def test_demonstrations_and_corrections_are_episodes_with_the_experts_labels(plan: DemoPlan, demo: DemoResult) -> None:
    drivers = {}
    for folder in ("episodes", "corrections"):
        episodes = [read_episode(path) for path in sorted((plan.folder / folder).glob("*.h5"))]
        assert [episode.scenario for episode in episodes] == [scenario.name for scenario in SCENARIOS]
        assert {episode.metadata["labels"] for episode in episodes} == {"expert"}
        assert all(episode.metadata["seed"] < HELD_OUT_SEED for episode in episodes)
        drivers[folder] = {episode.metadata["driver"] for episode in episodes}
    assert drivers == {"episodes": {"expert"}, "corrections": {"policy"}}


def test_corrections_are_trained_on(plan: DemoPlan, demo: DemoResult) -> None:
    samples = load_policy(demo.checkpoint).provenance["samples"]
    recorded = sum(len(read_episode(path)) for path in plan.folder.glob("*/*.h5"))
    assert samples["train"] + samples["val"] == recorded


def test_the_page_and_the_gif_are_there(demo: DemoResult) -> None:
    assert demo.report.html.read_text(encoding="utf-8").count("data:image/gif") == len(SCENARIOS)
    assert demo.gif.read_bytes().startswith(b"GIF89a")


def test_the_same_seed_gives_the_same_policy_and_an_earlier_demo_is_moved_aside(plan: DemoPlan, demo: DemoResult) -> None:
    before = load_policy(demo.checkpoint).policy.state_dict()
    said: list[str] = []
    again = run_demo(replace(plan, episodes=1), say=said.append)
    after = load_policy(again.checkpoint).policy.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    aside = [path for path in plan.folder.parent.glob("demo_before_*") if (path / "report.json").exists()]
    assert len(aside) == 1
    assert said[0] == f"The earlier demo is now in {aside[0]}"


@pytest.mark.parametrize(("sense", "blind", "deaf"), [("sight", True, False), ("hearing", False, True)])
def test_a_policy_trained_without_a_sense_never_uses_it(tmp_path: Path, sense: str, blind: bool, deaf: bool) -> None:
    plan = replace(small_plan(tmp_path), without=sense, rounds=0, episodes=1)  # type: ignore[arg-type]
    policy = load_policy(run_demo(plan, say=lambda line: None).checkpoint).policy.eval()
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2)]

    def chunk(image: int, side: str) -> np.ndarray:
        return predict_chunks(policy, [FeatureWindow(8)], [Observation(images[image], f"Take the {side} route to the goal")])

    assert np.array_equal(chunk(0, "left"), chunk(1, "left")) == blind
    assert np.array_equal(chunk(0, "left"), chunk(0, "right")) == deaf


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_shipped_demo_learns_to_drive_on_the_side_that_is_named(tmp_path: Path) -> None:
    agents = run_demo(DemoPlan(SHIPPED, tmp_path / "demo", episodes=96)).summary.agents
    policy, deaf = agents["policy"].overall, agents["deaf"].overall
    assert policy.success.share >= 0.93
    assert policy.side.share is not None
    assert policy.side.share >= 0.98
    assert deaf.side.ci95[0] <= 0.5 <= deaf.side.ci95[1]
    assert agents["blind"].overall.success.share <= 0.1
    assert agents["clock_only"].overall.success.share <= 0.1
