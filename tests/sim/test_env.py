"""The Gymnasium environment: passes Gymnasium's own checks, and the same seed gives the same drive to the last pixel."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from mobile_vla.core.errors import SimulationError, UnknownNameError
from mobile_vla.sim.env import ENV_ID, BoxNavigationEnv, register
from mobile_vla.task.actions import ActionType, make_action
from mobile_vla.task.instructions import named_side
from mobile_vla.task.scenarios import SCENARIOS, parse_scenario

SMALL = {"height": 36, "width": 64}


def drive(env: BoxNavigationEnv, seed: int, steps: int = 6) -> tuple[list[Any], list[float]]:
    observed = [env.reset(seed=seed)[0]]
    rewards = []
    for _ in range(steps):
        observation, reward, *_ = env.step(env.expert_action())
        observed.append(observation)
        rewards.append(reward)
    return observed, rewards


def run_expert(env: BoxNavigationEnv, **reset: Any) -> tuple[list[float], bool, bool, dict[str, Any]]:
    env.reset(**reset)
    rewards, terminated, truncated, info = [], False, False, {}
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = env.step(env.expert_action())
        rewards.append(reward)
    return rewards, terminated, truncated, info


@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_gymnasiums_checker_passes(render_mode: str | None) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(obs|reset|step|render).*", category=UserWarning)
        warnings.filterwarnings("ignore", message=".*(-inf|infinity|spec).*", category=UserWarning)
        check_env(BoxNavigationEnv(**SMALL, render_mode=render_mode), skip_render_check=render_mode is None)


def test_it_is_made_by_its_registered_name() -> None:
    register()
    register()  # twice does no harm
    env = gymnasium.make(ENV_ID, level=0, render_mode="rgb_array", **SMALL)
    observation, _ = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    assert isinstance(env.unwrapped, BoxNavigationEnv)
    np.testing.assert_array_equal(env.render(), observation["image"])
    env.close()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_same_seed_gives_the_same_drive_to_the_last_pixel(level: int) -> None:
    (first, first_rewards), (second, second_rewards) = (drive(BoxNavigationEnv(level=level, **SMALL), 7) for _ in range(2))
    assert first_rewards == second_rewards
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["image"], two["image"])
        np.testing.assert_array_equal(one["state"], two["state"])
        assert one["instruction"] == two["instruction"]
    assert (first[0]["image"] != first[-1]["image"]).mean() > 0.05


def test_different_seeds_differ_and_resets_without_a_seed_go_on() -> None:
    env = BoxNavigationEnv(**SMALL)
    assert (drive(env, 1)[0][0]["image"] != drive(env, 2)[0][0]["image"]).any()
    env.reset(seed=3)
    seeds = [env.reset()[1]["scene_seed"] for _ in range(3)]
    env.reset(seed=3)
    assert seeds == [env.reset()[1]["scene_seed"] for _ in range(3)]
    assert len(set(seeds)) == 3


def test_the_expert_succeeds_and_the_reward_is_the_progress_plus_one() -> None:
    env = BoxNavigationEnv(level=1, **SMALL)
    for number, scenario in enumerate(SCENARIOS):
        env.reset(seed=number, options={"scenario": scenario.name})
        gap_m = env.step(make_action(0.0, 0.0, 0.0, ActionType.MOVE))[4]["gap_m"]
        rewards, terminated, truncated, info = run_expert(env, seed=number, options={"scenario": scenario.name})
        assert (terminated, truncated, info["end"], info["is_success"]) == (True, False, "success", True)
        assert info["side_taken"] == scenario.side
        assert sum(rewards) == pytest.approx(gap_m - info["gap_m"] + 1.0, abs=0.01)


def test_driving_into_a_box_terminates_and_costs_one() -> None:
    env = BoxNavigationEnv("1box_vert_left", level=0, **SMALL)
    env.reset(seed=0)
    terminated, reward, info = False, 0.0, {}
    while not terminated:
        _, reward, terminated, truncated, info = env.step(make_action(0.5, 0.0, 0.0, ActionType.MOVE))
        assert not truncated
    assert info["end"] == "hit_box"
    assert not info["is_success"]
    assert reward == pytest.approx(-1.0, abs=0.11)


def test_standing_still_without_a_stop_is_truncated_after_14_seconds() -> None:
    env = BoxNavigationEnv(level=0, **SMALL)
    env.reset(seed=0)
    ends = [env.step(make_action(0.0, 0.0, 0.0, ActionType.MOVE))[2:4] for _ in range(70)]
    assert ends == [(False, False)] * 69 + [(False, True)]


def test_a_scenario_is_kept_and_without_one_all_eight_are_drawn() -> None:
    fixed = BoxNavigationEnv("2box_hori_right", level=0, **SMALL)
    assert {fixed.reset(seed=seed)[1]["scenario"] for seed in range(5)} == {"2box_hori_right"}
    drawn = BoxNavigationEnv(level=0, **SMALL)
    drawn.reset(seed=0)
    names = set()
    for _ in range(60):
        observation, info = drawn.reset()
        names.add(info["scenario"])
        assert named_side(observation["instruction"]) == parse_scenario(info["scenario"]).side
    assert names == {scenario.name for scenario in SCENARIOS}


def test_options_fix_scenario_scene_and_instruction() -> None:
    env = BoxNavigationEnv(level=1, **SMALL)
    options = {"scenario": "1box_hori_left", "scene_seed": 42, "instruction": "Navigate around obstacles"}
    first, info = env.reset(seed=1, options=options)
    second, _ = env.reset(seed=2, options=options)
    np.testing.assert_array_equal(first["image"], second["image"])
    assert info == {"scenario": "1box_hori_left", "scene_seed": 42}
    assert second["instruction"] == "Navigate around obstacles"


@pytest.mark.parametrize(
    "instruction",
    ["Navigate around obstacles", "장애물을 피해 음료수 페트병 앞으로 도착해라", "가장 오른쪽 외곽으로 돌아 컵까지 가세요"],
)
def test_a_users_own_instruction_lies_in_the_observation_space(instruction: str) -> None:
    env = BoxNavigationEnv(level=0, **SMALL)
    observation, _ = env.reset(seed=0, options={"instruction": instruction})
    assert env.observation_space.contains(observation)


def test_an_action_type_between_two_whole_numbers_is_rounded() -> None:
    env = BoxNavigationEnv(level=0, **SMALL)
    moved = []
    for kind in (0.0, 0.4, 0.6):
        env.reset(seed=0)
        observation = [env.step(np.array([0.5, 0.0, 0.0, kind], dtype=np.float32)) for _ in range(4)][-1][0]
        moved.append(float(observation["state"][0]))
    assert moved[0] == moved[1] > 0.2
    assert moved[2] == pytest.approx(0.0, abs=1e-6)  # 0.6 is a rotation


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(SimulationError, match=r"^render_mode = 'human': choose None or 'rgb_array'\.$"):
        BoxNavigationEnv(render_mode="human", **SMALL)
    with pytest.raises(UnknownNameError, match=r"Did you mean '1box_vert_left'\?$"):
        BoxNavigationEnv("1box_vert_lef", **SMALL)
    with pytest.raises(SimulationError, match=r"^level = 3: randomisation levels are 0"):
        BoxNavigationEnv(level=3, **SMALL).reset(seed=0)
