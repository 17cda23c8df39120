"""What is recorded: the expert's answer to every pose that the drive really went through, whoever drove."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mobile_vla.core.config import build
from mobile_vla.evaluation.rollouts import DriveSpec
from mobile_vla.jobs.collect import CollectConfig, box_distance, collect_batch
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.policy import PolicyConfig, build_policy
from mobile_vla.sim.expert import expert_action
from mobile_vla.sim.randomisation import distance_to_box, draw_scene
from mobile_vla.sim.scenario import scenes
from mobile_vla.sim.scene import Scene
from mobile_vla.task.actions import ActionType
from mobile_vla.task.episode import Episode, check_episode
from mobile_vla.task.instructions import all_instructions, named_side
from mobile_vla.task.scenarios import SCENARIOS, parse_scenario

SPECS = [DriveSpec(scenario.name, 3) for scenario in SCENARIOS]
SMALL = (24, 32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(3)
    tree = {
        "rate_hz": 5,
        "window_size": 2,
        "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
        "preprocess": {"image_size": [32, 32], "max_tokens": 24},
    }
    path = tmp_path_factory.mktemp("policy") / "untrained.ckpt"
    save_policy(build_policy(build(PolicyConfig, tree, "test")), path, {})
    return str(path)


def collect(**changes: object) -> list[Episode]:
    return collect_batch(SPECS, CollectConfig(image_size=SMALL, **changes))  # type: ignore[arg-type]


def scene_of(episode: Episode) -> Scene:
    return draw_scene(scenes.get(episode.scenario), episode.metadata["seed"], episode.metadata["level"])


def poses(episode: Episode) -> list[tuple[float, float, float]]:
    """Return the world poses that the recorded odometry stands for."""
    assert episode.states is not None
    x0, y0, yaw0 = scene_of(episode).start
    cos, sin = math.cos(yaw0), math.sin(yaw0)
    yaws = 2 * np.arctan2(episode.states[:, 11], episode.states[:, 12])
    return [
        (x0 + cos * x - sin * y, y0 + sin * x + cos * y, yaw0 + yaw)
        for (x, y), yaw in zip(episode.states[:, :2].tolist(), yaws.tolist(), strict=True)
    ]


def assert_labels_are_the_experts(episode: Episode) -> None:
    side = parse_scenario(episode.scenario).side
    wanted = [expert_action(scene_of(episode), side, pose, 1.0 / episode.rate_hz) for pose in poses(episode)]
    for action, expected in zip(episode.actions, wanted, strict=True):
        np.testing.assert_allclose(action, expected, atol=2e-3)


def test_the_expert_is_recorded_to_its_stop() -> None:
    for spec, episode in zip(SPECS, collect(), strict=True):
        check_episode(episode)
        assert (episode.scenario, episode.success, episode.rate_hz) == (spec.scenario, True, 5.0)
        assert episode.images.shape[1:] == (*SMALL, 3)
        assert (episode.actions[-2:, 3] == ActionType.STOP).all()
        assert_labels_are_the_experts(episode)
        np.testing.assert_allclose(np.diff(episode.timestamps), 0.2)


def test_images_and_poses_belong_to_the_moment_of_the_action() -> None:
    """The first frame is the scene at rest; and the robot goes where the actions say, one step later."""
    for episode in collect():
        assert episode.states is not None
        np.testing.assert_allclose(episode.states[0, :9], 0.0, atol=1e-6)
        assert (episode.images[0] != episode.images[len(episode) // 2]).mean() > 0.1
        held = np.stack(poses(episode))
        before, after = held[3], held[4]
        nose = np.array([math.cos(before[2]), math.sin(before[2])])
        assert np.dot(after[:2] - before[:2], nose) == pytest.approx(0.2 * episode.actions[3, 0], abs=0.06)


def test_the_instruction_names_the_side_in_training_words() -> None:
    episodes = collect()
    for episode in episodes:
        kind = parse_scenario(episode.scenario)
        assert named_side(episode.instruction) == kind.side
        assert episode.instruction in all_instructions(kind, "train")


def test_the_same_arguments_give_the_same_episodes() -> None:
    for one, two in zip(collect(disturbance=0.4), collect(disturbance=0.4), strict=True):
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.actions, two.actions)
        assert one.instruction == two.instruction


def test_a_disturbance_bends_the_path_and_leaves_the_labels_clean() -> None:
    bent = 0
    for calm, pushed in zip(collect(), collect(disturbance=0.5), strict=True):
        assert calm.instruction == pushed.instruction
        np.testing.assert_array_equal(calm.images[0], pushed.images[0])
        assert_labels_are_the_experts(pushed)
        frames = min(len(calm), len(pushed))
        bent += float(np.abs(np.stack(poses(calm))[:frames, 1] - np.stack(poses(pushed))[:frames, 1]).max()) > 0.05
    assert bent >= 6


def test_a_gently_disturbed_expert_still_arrives() -> None:
    specs = [DriveSpec(scenario.name, seed) for scenario in SCENARIOS for seed in range(4)]
    episodes = collect_batch(specs, CollectConfig(image_size=(8, 8), disturbance=0.1))
    assert sum(bool(episode.success) for episode in episodes) >= 0.9 * len(specs)


def test_a_policy_drives_and_the_expert_labels(checkpoint: str) -> None:
    driven, demonstrated = collect(checkpoint=checkpoint), collect()
    for episode, shown in zip(driven, demonstrated, strict=True):
        check_episode(episode)
        assert_labels_are_the_experts(episode)
        assert (episode.metadata["driver"], episode.metadata["labels"]) == ("policy", "expert")
        assert shown.metadata["driver"] == "expert"
        frames = min(len(episode), len(shown))
        assert np.abs(np.stack(poses(episode))[:frames] - np.stack(poses(shown))[:frames]).max() > 0.3
    assert not all(episode.success for episode in driven)


@pytest.mark.parametrize("rate_hz", [2.5, 10.0])
def test_frames_come_at_the_asked_rate(rate_hz: float) -> None:
    episode = collect_batch(SPECS[:1], CollectConfig(image_size=SMALL, rate_hz=rate_hz))[0]
    assert episode.rate_hz == rate_hz
    np.testing.assert_allclose(np.diff(episode.timestamps), 1 / rate_hz)
    assert 3.0 < len(episode) / rate_hz < 8.0
    assert_labels_are_the_experts(episode)


def test_metadata_tells_where_the_episode_comes_from() -> None:
    episode = collect(disturbance=0.2, level=2)[0]
    scene = scene_of(episode)
    assert {key: episode.metadata[key] for key in ("source", "seed", "level", "disturbance", "end")} == {
        "source": "simulation",
        "seed": 3,
        "level": 2,
        "disturbance": 0.2,
        "end": "success",
    }
    assert episode.metadata["box_distance_m"] == pytest.approx(box_distance(scene))
    assert box_distance(scene) == min(distance_to_box(box, *scene.start[:2]) for box in scene.boxes) > 0.5
