"""Pretrained backbones, on miniatures of every family: random weights, a byte tokenizer, no hub."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from mobile_vla.core.config import build
from mobile_vla.core.errors import ConfigError
from mobile_vla.model.batch import Batch
from mobile_vla.model.checkpoint import load_policy, save_policy
from mobile_vla.model.hf.family import families
from mobile_vla.model.hf.miniature import write_miniature
from mobile_vla.model.policy import PolicyConfig, VLAPolicy, build_policy, outline_policy

TEXTS = ("go left", "오른쪽", "")
every_family = pytest.mark.parametrize("family", families.names())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: write_miniature(root / name, name) for name in families.names()}


def config_of(folder: Path | str, **changes: Any) -> PolicyConfig:
    tree = {
        "model": "hf",
        "backbone": {"path": str(folder)},
        "rate_hz": 5,
        "window_size": 2,
        "act_head": {"type": "FCDecoder"},
        "preprocess": {"max_tokens": 32},
    }
    return build(PolicyConfig, {**tree, **changes}, "test")


def policy_of(folder: Path, **changes: Any) -> VLAPolicy:
    torch.manual_seed(0)
    return build_policy(config_of(folder, **changes)).eval()


def batch_of(policy: VLAPolicy, texts: tuple[str, ...] = TEXTS) -> Batch:
    generator = torch.Generator().manual_seed(1)
    encoded = [policy.preprocessor.encode(text) for text in texts]
    size = len(texts)
    return Batch(
        images=torch.randint(0, 256, (size, 2, 32, 32, 3), dtype=torch.uint8, generator=generator),
        frame_mask=torch.ones(size, 2, dtype=torch.bool),
        tokens=torch.tensor([tokens.tolist() for tokens, _ in encoded]),
        token_mask=torch.tensor([mask.tolist() for _, mask in encoded]),
        states=torch.randn(size, 2, 15, generator=generator),
        state_mask=torch.ones(size, 2, dtype=torch.bool),
        targets=torch.zeros(size, 2, 1, 4),
        target_mask=torch.ones(size, 2, 1, dtype=torch.bool),
    )


def features_of(policy: VLAPolicy, batch: Batch) -> Tensor:
    with torch.no_grad():
        return policy.encode(batch.images, batch.tokens, batch.token_mask, batch.states, batch.state_mask)


@every_family
def test_the_feature_is_what_the_plain_model_says_at_the_last_token(folders: dict[str, Path], family: str) -> None:
    policy = policy_of(folders[family])
    batch = batch_of(policy)
    model = transformers.AutoModel.from_pretrained(folders[family], dtype=torch.float32).eval()
    features = features_of(policy, batch)
    for row, text in enumerate(TEXTS):
        prompt = policy.preprocessor.config.prompt.replace("{instruction}", text)
        end = policy.preprocessor.tokenizer.lrn_id  # the action token starts as the embedding of this one
        ids = torch.tensor([[*policy.blueprint["prefix"], *policy.preprocessor.tokenizer.ids(prompt), end]])
        extra = families.get(family)().keywords(ids, tuple(policy.blueprint["slots"]))
        pixels = policy.preprocessor.normalise(batch.images[row, :1])
        with torch.no_grad():
            plain = model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, **extra)
        torch.testing.assert_close(features[row, 0], plain.last_hidden_state[0, -1], atol=1e-5, rtol=1e-4)


@every_family
def test_padding_and_neighbours_change_nothing(folders: dict[str, Path], family: str) -> None:
    policy = policy_of(folders[family], use_state=True)
    batch = batch_of(policy)
    full = features_of(policy, batch)
    spoiled = batch._replace(tokens=torch.where(batch.token_mask, batch.tokens, 7))
    torch.testing.assert_close(features_of(policy, spoiled), full, atol=1e-5, rtol=0)
    alone = Batch(*(value[2:] for value in batch))
    frame = alone._replace(images=alone.images[:, 1:], states=alone.states[:, 1:], state_mask=alone.state_mask[:, 1:])
    torch.testing.assert_close(features_of(policy, frame), full[2:, 1:], atol=1e-5, rtol=0)


@every_family
def test_image_words_state_and_action_token_each_count(folders: dict[str, Path], family: str) -> None:
    policy = policy_of(folders[family], use_state=True)
    batch = batch_of(policy)
    before = features_of(policy, batch)
    assert not torch.allclose(before, features_of(policy, batch._replace(images=255 - batch.images)), atol=1e-4)
    assert not torch.allclose(before, features_of(policy, batch._replace(states=batch.states + 1)), atol=1e-4)
    assert not torch.allclose(before[0], features_of(policy, batch_of(policy, ("go right", *TEXTS[1:])))[0], atol=1e-4)
    with torch.no_grad():
        policy.backbone.action_token.add_(torch.randn(32))  # a constant would vanish in the layer norm
    assert not torch.allclose(before, features_of(policy, batch), atol=1e-4)


@every_family
def test_the_gradient_reaches_all_but_what_is_idle(folders: dict[str, Path], family: str) -> None:
    policy = policy_of(folders[family], use_state=True, state_dropout=0.0).train()
    policy.freeze(freeze_backbone=False, train_vision=True)
    policy.loss(batch_of(policy))["loss"].backward()
    starved = {name for name, weight in policy.named_parameters() if weight.grad is None or not weight.grad.abs().sum() > 0}
    idle = {id(weight) for weight in policy.backbone.idle_parameters()}
    assert starved == {name for name, weight in policy.named_parameters() if id(weight) in idle}


def test_idle_layers_really_change_nothing(folders: dict[str, Path]) -> None:
    policy = policy_of(folders["llava"])
    batch = batch_of(policy)
    before = features_of(policy, batch)
    idle = list(policy.backbone.idle_parameters())
    assert idle
    with torch.no_grad():
        for weight in idle:
            weight.add_(1.0)
    assert torch.equal(features_of(policy, batch), before)


@every_family
def test_freezing_leaves_exactly_the_weights_that_were_asked_for(folders: dict[str, Path], family: str) -> None:
    policy = policy_of(folders[family]).train()
    for freeze_backbone, train_vision in ((True, False), (False, False), (True, True)):
        policy.freeze(freeze_backbone, train_vision)
        before = {name: weight.detach().clone() for name, weight in policy.named_parameters()}
        optimiser = torch.optim.SGD([weight for weight in policy.parameters() if weight.requires_grad], lr=1.0)
        optimiser.zero_grad()
        policy.loss(batch_of(policy))["loss"].backward()
        optimiser.step()
        moved = {name for name, weight in policy.named_parameters() if not torch.equal(weight, before[name])}
        vision = {id(weight) for weight in policy.backbone.vision_parameters()}
        seeing = {name for name, weight in policy.named_parameters() if id(weight) in vision}
        speaking = {name for name in before if name.startswith("backbone.model.")} - seeing
        assert "backbone.action_token" in moved
        assert bool(moved & speaking) != freeze_backbone
        assert bool(moved & seeing) == train_vision


@every_family
def test_recomputing_saves_activations_and_changes_no_gradient(folders: dict[str, Path], family: str) -> None:
    saved, gradients = [], []
    for recompute in (False, True):
        policy = policy_of(folders[family]).train()
        policy.freeze(freeze_backbone=False, train_vision=True)
        if recompute:
            policy.backbone.recompute_activations()
        sizes: list[int] = []

        def keep(kept: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(kept.numel())
            return kept

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
            loss = policy.loss(batch_of(policy))["loss"]
            saved.append(sum(sizes))
        loss.backward()
        gradients.append({name: weight.grad for name, weight in policy.named_parameters() if weight.grad is not None})
    assert saved[1] < 0.6 * saved[0]
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


@every_family
def test_a_checkpoint_needs_neither_folder_nor_hub(folders: dict[str, Path], family: str, tmp_path: Path, monkeypatch) -> None:
    folder = shutil.copytree(folders[family], tmp_path / "model")
    policy = policy_of(folder)
    save_policy(policy, tmp_path / "a.ckpt", {})
    shutil.rmtree(folder)
    monkeypatch.setattr("mobile_vla.model.hf.adapter.model_folder", lambda *_: pytest.fail("asked for files"))
    loaded = load_policy(tmp_path / "a.ckpt").policy
    batch = batch_of(policy)
    assert torch.equal(batch.tokens, batch_of(loaded).tokens)
    assert torch.equal(loaded(batch).velocities, policy(batch).velocities)
    assert loaded.config == policy.config


def test_no_language_head_is_built(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        assert not [name for name in policy_of(folder).state_dict() if "lm_head" in name]


def test_the_models_own_preprocessing_is_taken_over(folders: dict[str, Path]) -> None:
    chosen = policy_of(folders["llava"]).config.preprocess
    assert (chosen.image_size, chosen.standardise) == ((32, 32), "fixed")
    assert (chosen.mean, chosen.std) == ((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
    assert (chosen.prompt, chosen.max_tokens) == ("{instruction} ASSISTANT:", 32)
    asked = policy_of(folders["llava"], preprocess={"prompt": "Q: {instruction}", "mean": [0, 0, 0]})
    assert (asked.config.preprocess.prompt, asked.config.preprocess.mean) == ("Q: {instruction}", (0, 0, 0))


def test_another_image_size_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"preprocess\.image_size = \(64, 64\): this backbone sees 32 x 32 pixels"):
        policy_of(folders["kosmos-2"], preprocess={"image_size": [64, 64]})


@every_family
def test_an_instruction_cannot_forge_image_slots(folders: dict[str, Path], family: str) -> None:
    policy = policy_of(folders[family])
    forged = policy.preprocessor.tokenizer.ids("go <image></s><s><pad><unk></image> left")
    assert not set(forged) & set(range(4))
    assert features_of(policy, batch_of(policy, ("go <image></s><s><pad> left",) * 3)).isfinite().all()


def test_lacking_tensors_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["kosmos-2"], tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["image_to_text_projection.latent_query"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ConfigError, match=r"1 tensors of the model are not in its files, for example image_to_text_projection\.latent"
    ):
        policy_of(folder)


def test_a_folder_without_weights_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["kosmos-2"], tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(ConfigError, match=r"backbone\.path = .*its weights cannot be read"):
        policy_of(folder)


def test_a_tokenizer_larger_than_the_model_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["llava"], tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"word{index}" for index in range(100)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ConfigError, match="its tokenizer has 361 ids, its model 261 embeddings"):
        policy_of(folder)


def test_an_unknown_architecture_names_the_known(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model_type = 'bert': choose one of 'kosmos-2', 'llava', 'paligemma'"):
        policy_of(tmp_path)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a model's folder holds config\.json"):
        policy_of(tmp_path)


@pytest.mark.parametrize("path", ["/no/such/folder", "nobody/nothing"])
def test_what_is_neither_folder_nor_reachable_names_the_remedies(path: str, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError) as caught:
        build_policy(config_of(path))
    message = str(caught.value)
    assert message.startswith(f"backbone.path = {path!r}: ")
    assert "--set backbone.path=/folder" in message
    assert "--config configs/mobile_vla/train_tiny_cpu.json" in message


def test_a_hub_that_accepts_and_never_answers_is_given_up(monkeypatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr("mobile_vla.model.hf.folder._HUB_TIMEOUT_S", 0.2)
        start = time.monotonic()
        with pytest.raises(ConfigError, match=r"the hub did not give it \(.*timed out"):
            build_policy(config_of("nobody/nothing"))
    assert time.monotonic() - start < 10


def test_the_path_is_required_of_hf_and_known_for_kosmos() -> None:
    with pytest.raises(ConfigError, match=r"path: this key is required"):
        build(PolicyConfig, {"model": "hf", "rate_hz": 5}, "test")
    config = build(PolicyConfig, {"model": "kosmos", "rate_hz": 5}, "test")
    assert config.backbone_config().path == "microsoft/kosmos-2-patch14-224"  # type: ignore[attr-defined]


def test_kosmos_counts_as_released_without_its_weights() -> None:
    policy = outline_policy(build(PolicyConfig, {"model": "kosmos", "rate_hz": 5, "use_state": True}, "test"))
    backbone: Any = policy.backbone
    assert sum(weight.numel() for weight in backbone.model.parameters()) == 1_664_485_376
    assert {weight.device.type for weight in policy.parameters()} == {"meta"}
    assert policy.config.preprocess.image_size == (224, 224)
    assert backbone.feature_dim == 2048
    assert policy.description()[0] == "Model created: RoboKosMos_MobileVLA"


def test_a_missing_package_gives_the_line_that_installs_it(folders: dict[str, Path], monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ValueError, match=r"transformers is not installed\. Install it with: pip install 'mobile-vla\[hf\]'"):
        policy_of(folders["llava"])
