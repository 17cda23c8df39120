"""A configuration beside a checkpoint: every difference is named with both values, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.core.config import build
from mobile_vla.core.errors import ConfigError
from mobile_vla.deploy.inference_config import config_warning
from mobile_vla.model.policy import PolicyConfig

POLICY = {"rate_hz": 5.0, "act_head": {"type": "LSTMDecoder", "hidden_size": 16}, "preprocess": {"image_size": [32, 32]}}


def warning(folder: Path, given: dict[str, Any]) -> str | None:
    path = folder / "given.json"
    path.write_text(json.dumps(given))
    return config_warning(path, build(PolicyConfig, POLICY, "test"))


@pytest.mark.parametrize(
    "given",
    [
        POLICY,
        {},
        {"rate_hz": 5},
        {"window_size": 8, "backbone": {"feature_dim": 128}, "act_head": {"action_dim": 4}},
        {"batch_size": 4, "learning_rate": 1e-5, "train_setup": {"freeze_backbone": True}},
    ],
    ids=["same", "empty", "another way to write 5", "defaults", "training's own"],
)
def test_a_config_that_agrees_gives_no_warning(tmp_path, given) -> None:
    assert warning(tmp_path, given) is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"window_size": 4}, "window_size is 4 there and 8 in the checkpoint"),
        ({"act_head": {"type": "LSTMDecoder", "hidden_size": 32}}, "act_head.hidden_size is 32 there and 16 in the checkpoint"),
        ({"preprocess": {"image_size": [64, 64]}}, "preprocess.image_size is [64, 64] there and [32, 32] in the checkpoint"),
        (
            {"rate_hz": 2, "history": "one_step"},
            "rate_hz is 2 there and 5.0 in the checkpoint; history is 'one_step' there and 'policy_head' in the checkpoint",
        ),
    ],
)
def test_every_difference_is_named_with_both_values(tmp_path, given, named) -> None:
    expected = f"{tmp_path / 'given.json'} differs from the checkpoint, whose values are used: {named}."
    assert warning(tmp_path, given) == expected


def test_options_of_another_choice_are_not_worth_a_word(tmp_path) -> None:
    given = {"model": "kosmos", "backbone": {"feature_dim": 7}, "act_head": {"type": "FCDecoder", "hidden_size": 9}}
    shown = warning(tmp_path, given)
    assert shown is not None
    assert "model is 'kosmos' there and 'tiny' in the checkpoint" in shown
    assert "act_head.type is 'FCDecoder' there and 'LSTMDecoder' in the checkpoint" in shown
    assert "feature_dim" not in shown
    assert "hidden_size" not in shown


def test_a_missing_config_is_an_error(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"^config = '.*none\.json': no such file"):
        config_warning(tmp_path / "none.json", build(PolicyConfig, POLICY, "test"))
