"""Checkpoints come back as they were written, and nothing else is ever accepted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from mobile_vla.core.errors import CheckpointError, ConfigError
from mobile_vla.model.checkpoint import load_policy, policy_payload, save_policy
from mobile_vla.model.policy import VLAPolicy
from mobile_vla.task.normalisation import ActionNormaliser

PROVENANCE = {"task_name": "t", "git_commit": "abc", "metrics": {"val_loss": 0.1}}


@pytest.fixture
def saved(make_policy, tmp_path: Path) -> tuple[VLAPolicy, Path]:
    policy = make_policy()
    path = tmp_path / "deep" / "mobile_vla-best.ckpt"
    save_policy(policy, path, PROVENANCE)
    return policy, path


def rewrite(path: Path, **changes: Any) -> None:
    checkpoint = torch.load(path, weights_only=True)
    torch.save({**checkpoint, **changes}, path)


def rewrite_payload(path: Path, **changes: Any) -> None:
    payload = json.loads(torch.load(path, weights_only=True)["mobile_vla"])
    rewrite(path, mobile_vla=json.dumps({**payload, **changes}))


def test_a_loaded_policy_equals_the_saved_one(saved, make_batch) -> None:
    policy, path = saved
    loaded = load_policy(path)
    batch = make_batch(policy)
    assert not loaded.policy.training
    assert loaded.policy.config == policy.config
    assert loaded.provenance == PROVENANCE
    assert loaded.path == path
    assert torch.equal(loaded.policy(batch).velocities, policy(batch).velocities)
    text = "왼쪽으로 go 🙂"
    assert loaded.policy.preprocessor.encode(text)[0].tolist() == policy.preprocessor.encode(text)[0].tolist()


def test_batch_statistics_and_the_normaliser_travel(make_policy, make_batch, tmp_path: Path) -> None:
    policy = make_policy().train()
    policy.normaliser = ActionNormaliser.symmetric((0.5, 0.4, 1.0))
    batch = make_batch(policy)
    policy(batch)  # moves the running statistics away from their start
    save_policy(policy, tmp_path / "a.ckpt", {})
    loaded = load_policy(tmp_path / "a.ckpt").policy
    assert loaded.normaliser == policy.normaliser
    assert torch.equal(loaded(batch).velocities, policy.eval()(batch).velocities)


def test_what_a_trainer_adds_is_ignored(saved, make_batch) -> None:
    policy, path = saved
    tensors = torch.load(path, weights_only=True)["state_dict"]
    rewrite(path, state_dict={**tensors, "metric.count": torch.zeros(1)}, epoch=3, optimizer_states=[{"state": {}}])
    batch = make_batch(policy)
    assert torch.equal(load_policy(path).policy(batch).velocities, policy(batch).velocities)


def test_a_missing_file_names_its_neighbours(saved) -> None:
    _, path = saved
    with pytest.raises(CheckpointError, match=r"no such file .*Found there: .*mobile_vla-best\.ckpt"):
        load_policy(path.with_name("mobile_vla-bset.ckpt"))
    with pytest.raises(CheckpointError, match="Train one first, or correct the path"):
        load_policy(path.parent.parent / "nowhere" / "a.ckpt")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(saved, share: float) -> None:
    _, path = saved
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"mobile_vla-best\.ckpt.*not a readable checkpoint; the file may be truncated"):
        load_policy(path)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def test_a_file_that_carries_code_is_refused_and_not_run(saved, monkeypatch) -> None:
    _, path = saved
    monkeypatch.chdir(path.parent)
    torch.save({"state_dict": {}, "mobile_vla": Bomb()}, path)
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load_policy(path)
    assert not Path("exploded").exists()


@pytest.mark.parametrize("content", [{"state_dict": {}}, {"mobile_vla": "{}"}, [1, 2]])
def test_somebody_elses_checkpoint_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="a checkpoint of Mobile VLA holds 'mobile_vla' and 'state_dict'"):
        load_policy(tmp_path / "other.ckpt")


def test_payloads_that_do_not_parse_are_refused(saved) -> None:
    _, path = saved
    rewrite(path, mobile_vla="{")
    with pytest.raises(CheckpointError, match="its 'mobile_vla' is not JSON"):
        load_policy(path)
    rewrite(path, mobile_vla="[]")
    with pytest.raises(CheckpointError, match="its format_version is None, this program reads 1"):
        load_policy(path)


def test_payloads_of_another_version_or_with_other_keys_are_refused(saved) -> None:
    _, path = saved
    rewrite_payload(path, surprise=1)
    with pytest.raises(CheckpointError, match="surprise"):
        load_policy(path)
    rewrite_payload(path, format_version=99)
    with pytest.raises(CheckpointError, match="its format_version is 99, this program reads 1"):
        load_policy(path)


def test_a_config_that_no_longer_builds_names_file_and_key(saved) -> None:
    policy, path = saved
    rewrite_payload(path, policy_config={**policy.config.model_dump(mode="json"), "model": "kosmoss"})
    with pytest.raises(CheckpointError, match=r"mobile_vla-best\.ckpt.*cannot be built here.*'kosmoss': choose one of"):
        load_policy(path)


def test_every_mismatch_is_named_with_both_shapes(saved) -> None:
    _, path = saved
    tensors = dict(torch.load(path, weights_only=True)["state_dict"])
    tensors["policy.head.mlp.2.weight"] = torch.zeros(9, 32)
    tensors["policy.head.extra"] = torch.zeros(3)
    del tensors["policy.head.mlp.2.bias"]
    rewrite(path, state_dict=tensors)
    with pytest.raises(CheckpointError) as caught:
        load_policy(path)
    message = str(caught.value)
    assert "head.mlp.2.weight: the checkpoint has (9, 32), the policy needs (14, 32)" in message
    assert "head.extra: the checkpoint has (3,), the policy needs none" in message
    assert "head.mlp.2.bias: the checkpoint has none, the policy needs (14,)" in message


def test_many_mismatches_are_counted(saved) -> None:
    _, path = saved
    rewrite(path, state_dict={})
    with pytest.raises(CheckpointError, match=r"; and \d+ more\."):
        load_policy(path)


def test_an_unusable_device_is_named(saved) -> None:
    _, path = saved
    with pytest.raises(ConfigError, match=r"device = 'warp': not usable here .*Use 'cpu'\."):
        load_policy(path, device="warp")


def test_provenance_is_plain_json(make_policy) -> None:
    for odd in ({"path": Path("data")}, {"loss": float("nan")}):
        with pytest.raises(CheckpointError, match="provenance is plain JSON"):
            policy_payload(make_policy(), odd)


def test_a_failed_save_leaves_the_old_file(saved, make_policy, make_batch) -> None:
    policy, path = saved
    with pytest.raises(CheckpointError):
        save_policy(make_policy(seed=1), path, {"loss": float("inf")})
    batch = make_batch(policy)
    assert torch.equal(load_policy(path).policy(batch).velocities, policy(batch).velocities)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
