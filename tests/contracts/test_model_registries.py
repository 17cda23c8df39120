"""What every backbone and every head keeps, whoever wrote it: parametrised over the registries."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from mobile_vla.core.config import build
from mobile_vla.model.backbone import Backbone, BackboneInputs, backbones
from mobile_vla.model.batch import Batch
from mobile_vla.model.head import ActionHead, HeadOutput, act_heads, split_prediction
from mobile_vla.model.losses import masked_action_loss
from mobile_vla.model.policy import PolicyConfig, VLAPolicy, build_policy

ROOT = Path(__file__).parents[2]
B, T, K, D = 3, 4, 2, 12
LOSS_KEYS = {"loss", "velocity_loss", "type_loss", "mae_linear_x", "mae_linear_y", "mae_angular_z", "type_accuracy"}

every_head = pytest.mark.parametrize("name", act_heads.names())
every_backbone = pytest.mark.parametrize("name", backbones.names())
PAIRS = sorted({(model, "LSTMDecoder") for model in backbones} | {("tiny", head) for head in act_heads})
every_pair = pytest.mark.parametrize(("model", "head"), PAIRS)


def head_options(name: str) -> dict[str, Any]:
    """The head's defaults, made small where they would be slow to test."""
    known = act_heads.get(name).Config.model_fields
    return {"type": name, **{key: value for key, value in {"hidden_size": 32, "num_layers": 1}.items() if key in known}}


@cache
def backbone_options(name: str) -> dict[str, Any]:
    """None for a backbone trained from scratch; a miniature's folder for one that starts from pretrained weights."""
    if not backbones.get(name).pretrained:
        return {}
    from mobile_vla.model.hf.miniature import write_miniature

    family = {"kosmos": "kosmos-2"}.get(name, "paligemma")
    folder = tempfile.TemporaryDirectory()
    _FOLDERS.append(folder)
    return {"path": str(write_miniature(folder.name, family))}


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def make_head(name: str) -> ActionHead:
    torch.manual_seed(0)
    head: Any = act_heads.get(name)
    return cast(ActionHead, head(build(head.Config, head_options(name), "act_head"), D, K)).eval()


def make_policy(model: str = "tiny", head: str = "LSTMDecoder", **changes: Any) -> VLAPolicy:
    torch.manual_seed(0)
    tree = {
        "model": model,
        "backbone": backbone_options(model),
        "rate_hz": 2.5,
        "window_size": T,
        "fwd_pred_next_n": K,
        "act_head": head_options(head),
        "preprocess": {"image_size": [32, 32], "max_tokens": 24},
        **changes,
    }
    return build_policy(build(PolicyConfig, tree, "test")).eval()


def make_targets() -> Tensor:
    return torch.cat([torch.rand(B, T, K, 3) * 2 - 1, torch.randint(0, 4, (B, T, K, 1)).float()], dim=-1)


def make_batch(policy: VLAPolicy) -> Batch:
    texts = [policy.preprocessor.encode(text) for text in ("go left", "오른쪽으로 가", "")]
    return Batch(
        images=torch.randint(0, 256, (B, T, 32, 32, 3), dtype=torch.uint8),
        frame_mask=torch.ones(B, T, dtype=torch.bool),
        tokens=torch.tensor([text[0].tolist() for text in texts]),
        token_mask=torch.tensor([text[1].tolist() for text in texts]),
        states=torch.randn(B, T, 15),
        state_mask=torch.ones(B, T, dtype=torch.bool),
        targets=make_targets(),
        target_mask=torch.ones(B, T, K, dtype=torch.bool),
    )


def features_of(policy: VLAPolicy, batch: Batch) -> Tensor:
    with torch.no_grad():
        return policy.encode(batch.images, batch.tokens, batch.token_mask, batch.states, batch.state_mask)


def starved(module: nn.Module) -> list[str]:
    """Trainable parameters that no gradient reached."""
    pairs = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    return [name for name, parameter in pairs if parameter.grad is None or not parameter.grad.abs().sum() > 0]


ALL = torch.ones(B, T, dtype=torch.bool)


@every_head
def test_head_shapes_and_ranges(name: str) -> None:
    output = make_head(name)(torch.randn(B, T, D) * 100, ALL)
    assert output.velocities.shape == (B, T, K, 3)
    assert output.velocities.abs().max() <= 1
    assert output.type_logits.shape == (B, T, K, 4)
    decoded = make_head(name).decode(output)
    assert decoded.shape == (B, T, K, 4)
    assert torch.equal(decoded[..., :3], output.velocities)
    assert torch.equal(decoded[..., 3].long(), output.type_logits.argmax(dim=-1))


@every_head
def test_head_looks_only_back_and_padding_is_never_read(name: str) -> None:
    head, features = make_head(name), torch.randn(B, T, D)
    full = head(features, ALL)
    mask = torch.tensor([True, True, False, False]).expand(B, T)
    spoiled = features.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    short = head(spoiled, mask)
    torch.testing.assert_close(short.velocities[:, :2], full.velocities[:, :2])
    torch.testing.assert_close(short.type_logits[:, :2], full.type_logits[:, :2])
    head.loss(short, make_targets(), mask[..., None].expand(B, T, K))["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in head.parameters())
    assert spoiled.grad is not None and spoiled.grad.isfinite().all()  # noqa: PT018 - the first half is for the type checker


@every_head
def test_head_depends_on_the_newest_feature(name: str) -> None:
    head, features = make_head(name), torch.randn(B, T, D)
    changed = features.clone()
    changed[:, -1] += 1
    assert not torch.allclose(head(features, ALL).velocities[:, -1], head(changed, ALL).velocities[:, -1])


@every_head
def test_head_row_equals_the_row_alone(name: str) -> None:
    head, features = make_head(name), torch.randn(B, T, D)
    torch.testing.assert_close(head(features, ALL).velocities[1:2], head(features[1:2], ALL[1:2]).velocities)


@every_head
def test_masked_targets_change_neither_loss_nor_gradient(name: str) -> None:
    head, features, targets = make_head(name), torch.randn(B, T, D), make_targets()
    mask = torch.rand(B, T, K) < 0.5
    results = []
    for filler in (0.0, 3.0, torch.nan, torch.inf):
        head.zero_grad()
        filled = torch.where(mask[..., None], targets, filler)
        losses = head.loss(head(features, ALL), filled, mask)
        losses["loss"].backward()
        results.append([*losses.values(), *(cast(Tensor, parameter.grad).clone() for parameter in head.parameters())])
    for other in results[1:]:
        assert all(torch.equal(one, another) for one, another in zip(results[0], other, strict=True))


@every_head
def test_losses_are_named_scalars_and_only_the_loss_has_a_gradient(name: str) -> None:
    head = make_head(name)
    losses = head.loss(head(torch.randn(B, T, D), ALL), make_targets(), torch.ones(B, T, K, dtype=torch.bool))
    assert set(losses) >= LOSS_KEYS
    assert all(value.shape == () and value.isfinite() for value in losses.values())
    assert {key for key, value in losses.items() if value.requires_grad} == {"loss"}


@every_head
def test_errors_and_accuracy_are_what_they_say(name: str) -> None:
    head, targets = make_head(name), make_targets()
    logits = nn.functional.one_hot(targets[..., 3].long(), 4) * 50.0
    shifted = (targets[..., :3] * 0.5).add(torch.tensor([0.1, 0.2, 0.3]))
    targets = torch.cat([targets[..., :3] * 0.5, targets[..., 3:]], dim=-1)
    losses = head.loss(HeadOutput(shifted, logits), targets, torch.ones(B, T, K, dtype=torch.bool))
    measured = [float(losses[f"mae_{axis}"]) for axis in ("linear_x", "linear_y", "angular_z")]
    assert measured == pytest.approx([0.1, 0.2, 0.3], abs=1e-5)
    assert float(losses["type_accuracy"]) == pytest.approx(1.0)


@every_head
def test_nothing_valid_costs_nothing(name: str) -> None:
    head = make_head(name)
    losses = head.loss(head(torch.randn(B, T, D), ALL), make_targets(), torch.zeros(B, T, K, dtype=torch.bool))
    losses["loss"].backward()
    assert float(losses["loss"].detach()) == 0
    assert all(cast(Tensor, parameter.grad).abs().sum() == 0 for parameter in head.parameters())


@every_backbone
def test_backbone_shape_and_width(name: str) -> None:
    policy = make_policy(name)
    assert features_of(policy, make_batch(policy)).shape == (B, T, policy.backbone.feature_dim)
    assert policy.backbone.display_name


@every_backbone
def test_image_and_instruction_each_change_the_feature(name: str) -> None:
    policy = make_policy(name)
    batch = make_batch(policy)
    same = features_of(policy, batch)
    assert torch.equal(same, features_of(policy, batch))
    assert not torch.allclose(same, features_of(policy, batch._replace(images=255 - batch.images)))
    for text in ("go right", "왼쪽으로 가"):
        tokens, mask = policy.preprocessor.encode(text)
        told = batch._replace(
            tokens=torch.tensor(tokens.tolist()).expand(B, -1), token_mask=torch.tensor(mask.tolist()).expand(B, -1)
        )
        changed = (features_of(policy, told) - same).abs().amax(dim=(1, 2))
        assert changed.min() > 1e-4


@every_backbone
def test_padding_the_instruction_changes_nothing(name: str) -> None:
    policy = make_policy(name)
    batch = make_batch(policy)
    longer = batch._replace(
        tokens=nn.functional.pad(batch.tokens, (0, 5), value=policy.preprocessor.tokenizer.pad_id),
        token_mask=nn.functional.pad(batch.token_mask, (0, 5), value=False),
    )
    noise = batch._replace(tokens=torch.where(batch.token_mask, batch.tokens, 7))
    for other in (longer, noise):
        torch.testing.assert_close(features_of(policy, other), features_of(policy, batch), atol=1e-5, rtol=0)


@every_backbone
def test_backbone_row_and_frame_equal_those_alone(name: str) -> None:
    policy = make_policy(name, use_state=True)
    batch = make_batch(policy)
    full = features_of(policy, batch)
    row = Batch(*(value[1:2] for value in batch))
    torch.testing.assert_close(features_of(policy, row), full[1:2], atol=1e-5, rtol=0)
    frame = row._replace(images=row.images[:, 2:3], states=row.states[:, 2:3], state_mask=row.state_mask[:, 2:3])
    torch.testing.assert_close(features_of(policy, frame), full[1:2, 2:3], atol=1e-5, rtol=0)


@every_backbone
def test_vision_parameters_are_the_backbones_own(name: str) -> None:
    backbone = make_policy(name).backbone
    vision = {id(parameter) for parameter in backbone.vision_parameters()}
    assert 0 < len(vision) < len(list(backbone.parameters()))
    assert vision <= {id(parameter) for parameter in backbone.parameters()}


@pytest.mark.parametrize("use_state", [False, True])
@every_pair
def test_the_gradient_reaches_every_trainable_parameter(model: str, head: str, use_state: bool) -> None:
    policy = make_policy(model, head, use_state=use_state, state_dropout=0.0).train()
    policy.loss(make_batch(policy))["loss"].backward()
    assert starved(policy) == []


@every_pair
def test_a_policy_overfits_one_batch(model: str, head: str) -> None:
    policy = make_policy(model, head).train()
    batch = make_batch(policy)
    rate = 1e-2 if policy.backbone.pretrained else 3e-3
    optimiser = torch.optim.Adam(policy.parameters(), lr=rate)
    first = float(policy.loss(batch)["loss"].detach())
    for _ in range(300):
        optimiser.zero_grad()
        losses = policy.loss(batch)
        losses["loss"].backward()
        optimiser.step()
        if float(losses["loss"].detach()) < 0.05 * first:
            break
    assert float(losses["loss"].detach()) < 0.05 * first
    assert float(losses["type_accuracy"]) == 1


def test_a_head_and_a_backbone_registered_at_run_time_are_used() -> None:
    class Constant(ActionHead):
        def __init__(self, config: Any, feature_dim: int, chunk: int) -> None:
            super().__init__()
            self.config, self.chunk = config, chunk
            self.output = nn.Linear(feature_dim, chunk * 7)

        def forward(self, features: Tensor, frame_mask: Tensor) -> HeadOutput:
            return split_prediction(self.output(features), self.chunk)

        def loss(self, output: HeadOutput, targets: Tensor, target_mask: Tensor) -> dict[str, Tensor]:
            return masked_action_loss(output, targets, target_mask, self.config, 1.0)

    class Bright(Backbone):
        display_name = "RoboBright"
        feature_dim = 3  # type: ignore[assignment]

        def __init__(self, config: Any, inputs: BackboneInputs) -> None:
            super().__init__()

        def forward(self, images: Tensor, tokens: Tensor, token_mask: Tensor, state_token: Tensor | None) -> Tensor:
            return images.mean(dim=(-2, -1))

        def vision_parameters(self) -> Any:
            return iter(())

    act_heads.add("Constant", Constant)
    backbones.add("bright", Bright)
    try:
        tree = {"rate_hz": 1, "model": "bright", "act_head": {"type": "Constant"}, "fwd_pred_next_n": K, "window_size": T}
        policy = build_policy(build(PolicyConfig, {**tree, "preprocess": {"image_size": [32, 32]}}, "test"))
        assert isinstance(policy.head, Constant)
        assert isinstance(policy.backbone, Bright)
        assert policy(make_batch(policy)).velocities.shape == (B, T, K, 3)
    finally:
        act_heads.remove("Constant")
        backbones.remove("bright")


USE_BOTH = """
import torch
from mobile_vla.core.config import build
from mobile_vla.model.policy import PolicyConfig, build_policy

policy = build_policy(build(PolicyConfig, {"rate_hz": 2, **__BACKBONE__, **__HEAD__}, "docs"))
features = policy.encode(torch.rand(2, 3, 64, 64, 3), torch.ones(2, 5).long(), torch.ones(2, 5).bool(), None, None)
policy.head(features, torch.ones(2, 3).bool()).velocities.sum().backward()
print(type(policy.backbone).__name__, type(policy.head).__name__)
"""


def test_the_pages_on_adding_a_backbone_and_a_head_work_as_written(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    snippets = []
    for page in ("add_a_backbone.md", "add_a_head.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        (target,) = re.findall(r"Save this as `(src/[^`]+)`", text)
        (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        (snippet,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
        (tmp_path / target).write_text(code, encoding="utf-8")
        snippets.append(snippet.strip())
    script = USE_BOTH.replace("__BACKBONE__", snippets[0]).replace("__HEAD__", snippets[1])
    contracts = tmp_path / "tests" / "contracts" / "test_model_registries.py"
    contracts.parent.mkdir(parents=True)
    shutil.copy(__file__, contracts)
    environment = {"PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "check": False, "timeout": 120}
    used = subprocess.run([sys.executable, "-c", script], **run)  # type: ignore[call-overload]
    assert used.stdout.split() == ["Patch", "MeanDecoder"], used.stderr
    selected = ["-q", "-k", "patch or MeanDecoder", "-p", "no:cacheprovider", str(contracts)]
    checked = subprocess.run([sys.executable, "-m", "pytest", *selected], **run)  # type: ignore[call-overload]
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert int(re.findall(r"(\d+) passed", checked.stdout)[0]) >= 15
