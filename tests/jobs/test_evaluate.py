"""The evaluation of any checkpoint: same scenes for all agents, the checkpoint's own rate and picture size, clear refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobile_vla.core.errors import CheckpointError, ConfigError
from mobile_vla.jobs.evaluate import EvaluateRequest, run_evaluation
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.policy import PolicyConfig, build_policy


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    head = {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1}
    policy = build_policy(PolicyConfig(rate_hz=2.5, act_head=head, preprocess={"image_size": (32, 32)}))
    path = tmp_path_factory.mktemp("policy") / "untrained.ckpt"
    save_policy(policy.eval(), path, {})
    return path


def test_a_checkpoint_is_driven_at_its_own_rate_and_reported(checkpoint: Path) -> None:
    result = run_evaluation(EvaluateRequest(checkpoint, episodes=4, agents=("policy", "expert"), workers=0))
    tree = json.loads(result.report.json.read_text(encoding="utf-8"))
    assert list(tree["agents"]) == ["policy", "expert"]
    assert tree["agents"]["expert"]["success"] == 1.0
    assert result.report.html.parent == checkpoint.parent / "evaluation_untrained"


def test_the_clock_is_left_out_without_training_episodes_and_refused_when_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    result = run_evaluation(EvaluateRequest(checkpoint, episodes=1, out=tmp_path, workers=0))
    assert "clock_only" not in result.summary.agents
    with pytest.raises(ConfigError, match="needs the training set's mean action at each step"):
        run_evaluation(EvaluateRequest(checkpoint, episodes=1, agents=("clock_only",), out=tmp_path, workers=0))


def test_unknown_names_and_missing_files_are_told(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent = 'polcy': choose one of .* Did you mean 'policy'\?"):
        run_evaluation(EvaluateRequest(checkpoint, episodes=1, agents=("polcy",), workers=0))
    with pytest.raises(ConfigError, match=r"wording = 'heldout': choose one of 'held_out', 'train'"):
        run_evaluation(EvaluateRequest(checkpoint, episodes=1, wording="heldout", workers=0))
    with pytest.raises(CheckpointError, match="no_such"):
        run_evaluation(EvaluateRequest(tmp_path / "no_such.ckpt", episodes=1, workers=0))
