"""The policy: its configuration refuses what does not fit, and state, freezing and counting do what they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mobile_vla.core.config import build
from mobile_vla.core.errors import ConfigError
from mobile_vla.model.policy import PolicyConfig, VLAPolicy, build_policy
from mobile_vla.model.preprocess import PreprocessConfig, Preprocessor
from mobile_vla.task.normalisation import ActionNormaliser


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "rate_hz: this key is required"),
        ({"rate_hz": 0}, "rate_hz = 0: input should be greater than 0"),
        ({"rate_hz": 2, "model": "tinny"}, r"model = 'tinny': choose one of .*Did you mean 'tiny'\?"),
        ({"rate_hz": 2, "backbone": {"chanels": 1}}, r"chanels = 1: unknown key\. Did you mean 'channels'\?"),
        ({"rate_hz": 2, "act_head": {"type": "LSTMDecodr"}}, r"act_head\.type = 'LSTMDecodr'.*Did you mean 'LSTMDecoder'\?"),
        ({"rate_hz": 2, "act_head": {"type": "LSTMDecoder", "hiden_size": 1}}, r"Did you mean 'hidden_size'\?"),
        ({"rate_hz": 2, "act_head": {"num_layers": 1}}, r"act_head\.type is required: choose one of .*LSTMDecoder"),
        ({"rate_hz": 2, "act_head": {"type": "FCDecoder", "action_dim": 7}}, "action_dim = 7: an action has 4 numbers"),
        ({"rate_hz": 2, "act_head": {"type": "FCDecoder", "type_class_weights": [0, 0, 0, 0]}}, "not all of them 0"),
        ({"rate_hz": 2, "history": "one_step", "window_size": 8}, "window_size = 8: history = 'one_step' sees one frame"),
        ({"rate_hz": 2, "windw_size": 8}, r"windw_size = 8: unknown key\. Did you mean 'window_size'\?"),
    ],
)
def test_wrong_configurations_are_refused(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(PolicyConfig, tree, "config")


def test_one_step_has_a_window_of_one() -> None:
    assert PolicyConfig(rate_hz=2, history="one_step").window_size == 1


def test_the_guides_head_is_accepted() -> None:
    head = {"type": "LSTMDecoder", "num_layers": 4, "action_dim": 4, "action_space": "continuous"}
    config = build(PolicyConfig, {"rate_hz": 2, "act_head": head}, "config").head_config()
    assert config.model_dump()["hidden_size"] == 1024


def test_the_tiny_policy_has_about_half_a_million_parameters() -> None:
    head = {"type": "LSTMDecoder", "hidden_size": 128, "num_layers": 1}
    total, trainable = build_policy(PolicyConfig(rate_hz=2.5, act_head=head)).parameter_counts()
    assert total == trainable
    assert 300_000 < total < 600_000


@pytest.mark.parametrize("size", [(40, 32), (16, 16), (32, 65)])
def test_tiny_refuses_sizes_that_do_not_halve_four_times(size: tuple[int, int]) -> None:
    config = PolicyConfig(rate_hz=2.5, preprocess=PreprocessConfig(image_size=size))
    with pytest.raises(
        ConfigError, match=r"preprocess\.image_size = .*multiples of 16, at least 32\. For example \[64, 64\]\."
    ):
        build_policy(config)


def test_pool_heads_must_divide_the_embedding(make_policy) -> None:
    with pytest.raises(ConfigError, match=r"backbone\.embedding_dim = 64: a multiple of backbone\.pool_heads = 5"):
        make_policy(backbone={"pool_heads": 5})


def test_a_foreign_preprocessor_is_refused(make_policy) -> None:
    other = Preprocessor.create(PreprocessConfig(image_size=(64, 64)))
    with pytest.raises(ConfigError, match="the preprocessor was made with"):
        VLAPolicy(make_policy().config, other, ActionNormaliser())


def test_non_square_images_and_gelu_work(make_policy, make_batch) -> None:
    policy = make_policy(preprocess={"image_size": [32, 64]}, backbone={"activation": "gelu", "feature_dim": 24})
    output = policy(make_batch(policy, 2))
    assert output.velocities.shape == (2, 4, 2, 3)
    assert output.type_logits.shape == (2, 4, 2, 4)


def test_without_use_state_the_state_is_not_built_and_not_read(make_policy, make_batch) -> None:
    policy = make_policy()
    batch = make_batch(policy)
    assert policy.state_encoder is None
    assert torch.equal(policy(batch).velocities, policy(batch._replace(states=batch.states * torch.nan)).velocities)


def test_a_state_changes_the_output_and_an_absent_one_is_never_read(make_policy, make_batch) -> None:
    policy = make_policy(use_state=True)
    batch = make_batch(policy)
    absent = batch._replace(state_mask=torch.zeros_like(batch.state_mask))
    spoiled = absent._replace(states=batch.states * torch.nan)
    assert not torch.allclose(policy(batch).velocities, policy(batch._replace(states=batch.states + 1)).velocities)
    assert not torch.allclose(policy(batch).velocities, policy(absent).velocities)
    assert torch.equal(policy(absent).velocities, policy(spoiled).velocities)


def test_state_dropout_hides_whole_windows_in_training_only(make_policy, make_batch) -> None:
    policy = make_policy(use_state=True, state_dropout=0.5)
    batch = make_batch(policy, size=64)
    torch.manual_seed(0)
    with torch.no_grad():
        kept = policy.train()._drop_states(batch.state_mask)
    assert (kept.all(dim=1) | ~kept.any(dim=1)).all()
    assert 16 < int(kept[:, 0].sum()) < 48
    assert torch.equal(policy.eval()._drop_states(batch.state_mask), batch.state_mask)


def test_full_state_dropout_teaches_without_any_state(make_policy, make_batch) -> None:
    policy = make_policy(use_state=True, state_dropout=1.0).train()
    batch = make_batch(policy)
    other = batch._replace(states=batch.states + 5)
    assert torch.equal(policy(batch).velocities, policy(other).velocities)


def test_padding_frames_change_nothing_at_valid_ones(make_policy, make_batch) -> None:
    policy = make_policy()
    batch = make_batch(policy)
    mask = torch.tensor([[True, True, False, False]]).expand(3, -1)
    images = batch.images.clone()
    images[:, 2:] = 255 - images[:, 2:]
    short, spoiled = policy(batch._replace(frame_mask=mask)), policy(batch._replace(frame_mask=mask, images=images))
    assert torch.equal(short.velocities[:, :2], spoiled.velocities[:, :2])
    targets = batch.targets.clone()
    targets[:, 2:] = torch.nan
    losses = [policy.loss(batch._replace(frame_mask=mask, targets=goal))["loss"] for goal in (batch.targets, targets)]
    assert torch.equal(losses[0], losses[1])


@pytest.mark.parametrize(
    ("freeze_backbone", "train_vision", "moving"),
    [
        (False, True, {"stages", "text", "head"}),
        (False, False, {"text", "head"}),
        (True, False, {"head"}),
        (True, True, {"stages", "head"}),
    ],
)
def test_freezing_moves_exactly_what_is_asked(make_policy, make_batch, freeze_backbone, train_vision, moving) -> None:
    policy = make_policy()
    policy.freeze(freeze_backbone, train_vision)
    policy.train()
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in policy.parameters() if p.requires_grad], lr=0.1)
    policy.loss(make_batch(policy))["loss"].backward()
    optimiser.step()
    changed = {name for name, value in policy.state_dict().items() if not torch.equal(value, before[name])}
    parts = {name.split(".")[1] if name.startswith("backbone.") else name.split(".")[0] for name in changed}
    assert {part for part in parts if part in {"stages", "text", "head"}} == moving
    total, trainable = policy.parameter_counts()
    assert (trainable == total) == (moving == {"stages", "text", "head"})


def test_class_weights_change_the_type_loss(make_policy, make_batch) -> None:
    plain, weighted = (
        make_policy(act_head={"type": "FCDecoder", "hidden_size": 16, "type_class_weights": weights})
        for weights in (None, (1, 1, 50, 1))
    )
    batch = make_batch(plain)
    assert not torch.allclose(plain.loss(batch)["type_loss"], weighted.loss(batch)["type_loss"])


def test_bfloat16_autocast_stays_close(make_policy, make_batch) -> None:
    policy = make_policy()
    batch = make_batch(policy)
    exact = policy(batch).velocities
    with torch.autocast("cpu", torch.bfloat16):
        rough = policy(batch)
    assert rough.velocities.dtype == torch.float32
    torch.testing.assert_close(rough.velocities, exact, atol=0.05, rtol=0)
