"""Agents: each does what its name says; the blind one cannot see and the deaf one cannot hear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mobile_vla.core.config import build
from mobile_vla.core.errors import CheckpointError, ConfigError, UnknownNameError
from mobile_vla.deploy.session import InferenceSession
from mobile_vla.evaluation.agent import Agent, AgentOptions, Situation, agents
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.policy import PolicyConfig, build_policy
from mobile_vla.sim.navigation import Navigation
from mobile_vla.task.actions import ActionType, check_actions
from mobile_vla.task.observation import Observation

TREE = {
    "rate_hz": 5,
    "window_size": 3,
    "fwd_pred_next_n": 2,
    "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
    "preprocess": {"image_size": [32, 32], "max_tokens": 24},
}
LEFT, RIGHT = "Pass the box on the left side", "Pass the box on the right side"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("policy") / "untrained.ckpt"
    save_policy(build_policy(build(PolicyConfig, TREE, "test")), path, {})
    return str(path)


@pytest.fixture(scope="module")
def navigation() -> Navigation:
    drive = Navigation(5.0, 16, 16)
    drive.start("1box_vert_left", 0, 1)
    return drive


def options(checkpoint: str = "") -> AgentOptions:
    return AgentOptions(checkpoint, clock_actions=((0.1, 0.2, 0.3, 0.0), (0.0, 0.0, 0.0, 2.0)))


def situation(navigation: Navigation, image: int = 0, text: str = LEFT, step: int = 0, seed: int = 0) -> Situation:
    pixels = np.random.default_rng(image).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Situation(Observation(pixels, text, None, 0.0), step, navigation, np.random.default_rng(seed))


def act(agent: Agent, *situations: Situation) -> NDArray[np.float32]:
    agent.begin(len(situations))
    return agent.act(range(len(situations)), situations)


@pytest.mark.parametrize("name", agents.names())
def test_every_agent_gives_one_valid_action_per_slot(name: str, checkpoint: str, navigation: Navigation) -> None:
    agent = agents.get(name)(options(checkpoint))
    agent.begin(3)
    for step in range(4):
        slots = [0, 1, 2] if step < 2 else [0, 2]  # the robot in the middle has arrived
        actions = agent.act(slots, [situation(navigation, image=slot, step=step) for slot in slots])
        assert actions.shape == (len(slots), 4)
        check_actions(actions)


@pytest.mark.parametrize("name", [name for name in agents.names() if name != "random"])
def test_a_slot_does_not_depend_on_its_neighbours(name: str, checkpoint: str, navigation: Navigation) -> None:
    agent = agents.get(name)(options(checkpoint))
    together = act(agent, situation(navigation, 1), situation(navigation, 2, RIGHT))
    alone = act(agent, situation(navigation, 2, RIGHT))
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)


def test_the_policy_sees_and_hears(checkpoint: str, navigation: Navigation) -> None:
    agent = agents.get("policy")(options(checkpoint))
    assert agent.needs_camera
    one, other_image, other_text = (act(agent, s)[0] for s in _three(navigation))
    assert np.abs(one - other_image).max() > 1e-5
    assert np.abs(one - other_text).max() > 1e-5


def test_the_blind_one_hears_and_cannot_see(checkpoint: str, navigation: Navigation) -> None:
    agent = agents.get("blind")(options(checkpoint))
    assert not agent.needs_camera
    one, other_image, other_text = (act(agent, s)[0] for s in _three(navigation))
    np.testing.assert_array_equal(one, other_image)
    assert np.abs(one - other_text).max() > 1e-5


def test_the_deaf_one_sees_and_cannot_hear(checkpoint: str, navigation: Navigation) -> None:
    agent = agents.get("deaf")(options(checkpoint))
    assert agent.needs_camera
    one, other_image, other_text = (act(agent, s)[0] for s in _three(navigation))
    np.testing.assert_array_equal(one, other_text)
    assert np.abs(one - other_image).max() > 1e-5


def test_the_policy_decides_as_its_inference_session_does(checkpoint: str, navigation: Navigation) -> None:
    agent, session = agents.get("policy")(options(checkpoint)), InferenceSession.load(checkpoint)
    agent.begin(1)
    for step in range(5):
        seen = situation(navigation, image=step)
        np.testing.assert_allclose(agent.act([0], [seen])[0], session.select_action(seen.observation), atol=1e-5)


def test_a_new_drive_forgets_the_last_one(checkpoint: str, navigation: Navigation) -> None:
    agent = agents.get("policy")(options(checkpoint))
    fresh = act(agent, situation(navigation, 5))
    act(agent, situation(navigation, 6))
    second = agent.act([0], [situation(navigation, 5)])
    assert np.abs(second - fresh).max() > 1e-6
    np.testing.assert_array_equal(act(agent, situation(navigation, 5)), fresh)


def test_a_policy_that_computes_nan_is_named(tmp_path: Path, navigation: Navigation) -> None:
    policy = build_policy(build(PolicyConfig, TREE, "test"))
    with torch.no_grad():
        for parameter in policy.head.parameters():
            parameter.fill_(float("nan"))
    save_policy(policy, tmp_path / "broken.ckpt", {})
    agent = agents.get("policy")(options(str(tmp_path / "broken.ckpt")))
    with pytest.raises(CheckpointError, match=r"^action = .*: the policy computed a number that is not finite\. Use another"):
        act(agent, situation(navigation))


def test_the_expert_knows_the_truth(navigation: Navigation) -> None:
    np.testing.assert_array_equal(act(agents.get("expert")(options()), situation(navigation))[0], navigation.expert())


def test_always_forward_drives_forward(navigation: Navigation) -> None:
    action = act(agents.get("always_forward")(options()), situation(navigation))[0]
    np.testing.assert_allclose(action, [0.5, 0.0, 0.0, ActionType.MOVE])


def test_random_is_the_drives_own_chance(navigation: Navigation) -> None:
    agent = agents.get("random")(options())
    one, again, other = (act(agent, situation(navigation, seed=seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    drawn = np.stack([act(agent, situation(navigation, seed=seed))[0] for seed in range(400)])
    assert np.abs(drawn[:, :3].mean(axis=0)).max() < 0.15
    assert 0.02 < (drawn[:, 3] == ActionType.STOP).mean() < 0.09


def test_the_clock_plays_its_actions_and_holds_the_last(navigation: Navigation) -> None:
    agent = agents.get("clock_only")(options())
    played = [act(agent, situation(navigation, image=step, step=step))[0].tolist() for step in range(4)]
    assert played == [pytest.approx([0.1, 0.2, 0.3, 0.0]), *[pytest.approx([0.0, 0.0, 0.0, 2.0])] * 3]


def test_a_clock_without_actions_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^agent 'clock_only' needs the training set's mean action at each step; none was"):
        agents.get("clock_only")(AgentOptions())


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.ckpt"):
        agents.get("policy")(AgentOptions(str(tmp_path / "nowhere.ckpt")))


def test_an_unknown_agent_is_refused_with_the_closest_one() -> None:
    with pytest.raises(UnknownNameError, match=r"^agent = 'exprt': choose one of .* Did you mean 'expert'\?$"):
        agents.get("exprt")


def _three(navigation: Navigation) -> tuple[Situation, Situation, Situation]:
    return situation(navigation), situation(navigation, image=9), situation(navigation, text=RIGHT)
