"""The closed-loop plan: everybody drives the same held-out scenes; the clock is the mean of what was recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobile_vla.core.errors import ConfigError
from mobile_vla.core.parallel import WorkerPool
from mobile_vla.evaluation.agent import AgentOptions, agents
from mobile_vla.evaluation.closed_loop import (
    AGENTS,
    HELD_OUT_SEED,
    ClosedLoopPlan,
    evaluate_closed_loop,
    films,
    mean_action_by_step,
    save_montage,
)
from mobile_vla.evaluation.rollouts import RolloutConfig, roll_out
from mobile_vla.task.actions import check_actions
from mobile_vla.task.scenarios import SCENARIOS


def test_drives_are_spread_evenly_over_scenarios_and_seeds() -> None:
    specs = ClosedLoopPlan(episodes=24).specs()
    assert Counter(spec.scenario for spec in specs) == {scenario.name: 3 for scenario in SCENARIOS}
    assert {spec.seed for spec in specs} == {HELD_OUT_SEED, HELD_OUT_SEED + 1, HELD_OUT_SEED + 2}
    assert len(set(specs)) == 24


def test_every_agent_of_the_plan_is_registered() -> None:
    assert set(AGENTS) <= set(agents.names())


def test_everybody_drives_the_same_scenes() -> None:
    plan = ClosedLoopPlan(episodes=4, agents=("expert", "always_forward"), rollout=RolloutConfig(image_size=(8, 8)))
    drives = evaluate_closed_loop(plan, AgentOptions(), WorkerPool(0))
    assert [drive.agent for drive in drives] == ["expert"] * 4 + ["always_forward"] * 4
    for expert, forward in zip(drives[:4], drives[4:], strict=True):
        assert (expert.scenario, expert.seed, expert.floor) == (forward.scenario, forward.seed, forward.floor)
        assert expert.instruction == forward.instruction
        assert expert.success
        assert not forward.success


@pytest.mark.parametrize("change", [{"episodes": 0}, {"agents": ()}, {"scenarios": ()}])
def test_a_plan_of_nothing_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^episodes, scenarios, agents = .*: at least one of each\.$"):
        ClosedLoopPlan(**change)  # type: ignore[arg-type]


def test_the_clock_is_the_mean_of_what_was_recorded() -> None:
    short = np.array([[1.0, 0.0, 0.0, 0], [0.0, 0.0, 0.0, 2]], dtype=np.float32)
    long = np.array([[0.0, 0.4, 0.2, 0], [0.6, 0.0, 0.0, 0], [0.3, 0.0, 0.0, 0]], dtype=np.float32)
    table = mean_action_by_step([short, long, long])
    np.testing.assert_allclose(table[0], [1 / 3, 0.8 / 3, 0.4 / 3, 0])
    np.testing.assert_allclose(table[1], [0.4, 0.0, 0.0, 0])  # two of three move on
    np.testing.assert_allclose(table[2], [0.2, 0.0, 0.0, 0])  # the short one counts as stopped
    np.testing.assert_allclose(mean_action_by_step([short, short, long])[2], [0.1, 0.0, 0.0, 2])
    check_actions(np.array(table))


def test_films_and_montage_show_the_filmed_drives(tmp_path: Path) -> None:
    specs = ClosedLoopPlan(episodes=8).specs()
    drives = roll_out("expert", specs, RolloutConfig(film=6, rate_hz=2.0, image_size=(8, 8)), AgentOptions(), WorkerPool(0))
    assert len(films(drives)) == 6
    save_montage(drives, tmp_path / "new" / "drives.gif")
    with Image.open(tmp_path / "new" / "drives.gif") as gif:
        assert gif.n_frames > 5
        first = np.asarray(gif.convert("RGB"))
        gif.seek(gif.n_frames - 1)
        assert (np.asarray(gif.convert("RGB")) != first).mean() > 0.05
