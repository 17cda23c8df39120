"""The policy: a backbone, a history and an action head, in RoboVLMs' terms.

Legend: `B` batch, `T` window frames, `K` chunk steps, `L` tokens, `S` state token width, `D` feature width.
It knows nothing of files, optimisers or robots; it speaks normalised velocities (`model.streaming` makes physical ones).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobile_vla.core.config import Config, build
from mobile_vla.core.errors import ConfigError, problem
from mobile_vla.model.backbone import Backbone, BackboneConfig, BackboneInputs, Prepared, backbones
from mobile_vla.model.batch import Batch
from mobile_vla.model.head import ActionHead, HeadConfig, HeadOutput, act_heads
from mobile_vla.model.preprocess import PreprocessConfig, Preprocessor
from mobile_vla.task.normalisation import ActionNormaliser
from mobile_vla.task.state import STATE_DIM

STATE_TOKEN_DIM: Final = 64
"""`S`, the width of the state token that a backbone receives."""


class PolicyConfig(Config):
    """What a policy is made of.

    Attributes:
        model: registered name of the backbone.
        backbone: the backbone's own options.
        history: `policy_head`: the features of the last `window_size` frames go through the head; `one_step`: the newest
            frame alone.
        window_size: frames T in a window; 1 for `one_step` (and set to 1 there when absent).
        fwd_pred_next_n: steps K in an action chunk.
        act_head: `type`, the head's registered name, and its own options.
        rate_hz: how many times a second the policy looks and decides.
        use_state: whether the 15-d robot state is an input.
        state_dropout: share of training windows whose whole state is hidden, so that the policy also drives without one.
        preprocess: image size, prompt and standardisation.
    """

    model: str = "tiny"
    backbone: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    history: Literal["policy_head", "one_step"] = "policy_head"
    window_size: int = Field(default=8, ge=1)
    fwd_pred_next_n: int = Field(default=1, ge=1)
    act_head: dict[str, Any] = Field(default_factory=lambda: {"type": "LSTMDecoder"})
    rate_hz: float = Field(gt=0)
    use_state: bool = False
    state_dropout: float = Field(default=0.5, ge=0, le=1)
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig)

    @model_validator(mode="before")
    @classmethod
    def _one_step_sees_one_frame(cls, tree: Any) -> Any:
        if isinstance(tree, Mapping) and tree.get("history") == "one_step" and "window_size" not in tree:
            return {**tree, "window_size": 1}
        return tree

    @field_validator("model")
    @classmethod
    def _known_backbone(cls, name: str) -> str:
        backbones.get(name)
        return name

    @field_validator("backbone")
    @classmethod
    def _backbone_options(cls, options: dict[str, Any], info: Any) -> dict[str, Any]:
        if "model" in info.data:
            build(backbones.get(info.data["model"]).Config, options, "backbone")
        return options

    @field_validator("window_size")
    @classmethod
    def _window_fits_history(cls, frames: int, info: Any) -> int:
        if info.data.get("history") == "one_step" and frames != 1:
            raise ValueError("history = 'one_step' sees one frame. Set window_size to 1, or history to 'policy_head'")
        return frames

    @field_validator("act_head")
    @classmethod
    def _head_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        if "type" not in options:
            raise ValueError(f"act_head.type is required: choose one of {', '.join(act_heads.names())}")
        build(act_heads.get(str(options["type"])).Config, options, "act_head")
        return options

    def backbone_config(self) -> BackboneConfig:
        """Return the typed options of the backbone."""
        return build(backbones.get(self.model).Config, self.backbone, "backbone")

    def head_config(self) -> HeadConfig:
        """Return the typed options of the head."""
        return build(act_heads.get(self.act_head["type"]).Config, self.act_head, "act_head")


class VLAPolicy(nn.Module):
    """Images, an instruction and (optionally) the robot's state in; a normalised action chunk per frame out."""

    def __init__(
        self,
        config: PolicyConfig,
        preprocessor: Preprocessor,
        normaliser: ActionNormaliser,
        blueprint: Mapping[str, Any] | None = None,
    ) -> None:
        """Build it with weights that are not to be used yet; `blueprint` is the backbone's own (see `Prepared`)."""
        super().__init__()
        if preprocessor.config != config.preprocess:
            rule = f"the preprocessor was made with {preprocessor.config!r}"
            raise ConfigError(problem("preprocess", config.preprocess, rule))
        self.config, self.preprocessor, self.normaliser = config, preprocessor, normaliser
        self.blueprint = dict(blueprint or {})
        self.state_encoder = StateEncoder() if config.use_state else None
        inputs = BackboneInputs(
            image_size=config.preprocess.image_size,
            vocabulary_size=preprocessor.tokenizer.size,
            pad_id=preprocessor.tokenizer.pad_id,
            state_token_dim=STATE_TOKEN_DIM if config.use_state else 0,
            blueprint=self.blueprint,
        )
        self.backbone: Backbone = cast(Any, backbones.get(config.model))(config.backbone_config(), inputs)
        head_class: Any = act_heads.get(config.act_head["type"])
        self.head: ActionHead = head_class(config.head_config(), self.backbone.feature_dim, config.fwd_pred_next_n)
        self._vision_frozen = False

    def encode(self, images: Tensor, tokens: Tensor, token_mask: Tensor, states: Tensor, state_mask: Tensor) -> Tensor:
        """Return one feature per frame, `(B, T, D)`. Arguments as in `Batch`; frames do not see each other."""
        state_token = None if self.state_encoder is None else self.state_encoder(states, self._drop_states(state_mask))
        features: Tensor = self.backbone(self.preprocessor.normalise(images), tokens, token_mask, state_token)
        return features

    def forward(self, batch: Batch) -> HeadOutput:
        """Return the head's prediction at every frame of every window."""
        features = self.encode(batch.images, batch.tokens, batch.token_mask, batch.states, batch.state_mask)
        output: HeadOutput = self.head(features, batch.frame_mask)
        return output

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the head's loss and measures (see `ActionHead.loss`); padding frames have no targets."""
        return self.head.loss(self.forward(batch), batch.targets, batch.target_mask & batch.frame_mask[..., None])

    def parameter_counts(self) -> tuple[int, int]:
        """Return the number of parameters: all, and those that train."""
        counts = [(parameter.numel(), parameter.requires_grad) for parameter in self.parameters()]
        return sum(count for count, _ in counts), sum(count for count, trains in counts if trains)

    def description(self) -> list[str]:
        """Return the guide's three lines about the model: its name, all parameters, those that train."""
        total, trainable = self.parameter_counts()
        return [
            f"Model created: {self.backbone.display_name}_MobileVLA",
            f"Total parameters: {total:,}",
            f"Trainable parameters: {trainable:,}",
        ]

    def freeze(self, freeze_backbone: bool, train_vision: bool) -> None:
        """Choose what trains, as RoboVLMs does.

        The image encoder follows `train_vision`; the rest of the backbone trains unless `freeze_backbone`; head, state encoder
        and what is new in the backbone (its action token) always train. A frozen image encoder keeps its batch statistics too.
        """
        self.backbone.requires_grad_(not freeze_backbone)
        for parts, trains in (
            (self.backbone.vision_parameters(), train_vision),
            (self.backbone.new_parameters(), True),
            (self.backbone.idle_parameters(), False),
        ):
            for parameter in parts:
                parameter.requires_grad_(trains)
        self._vision_frozen = not train_vision
        self.train(self.training)

    def train(self, mode: bool = True) -> VLAPolicy:
        """Set training or evaluation mode; a frozen image encoder's batch normalisation stays in evaluation mode."""
        super().train(mode)
        if self._vision_frozen:
            for module in self.backbone.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _drop_states(self, state_mask: Tensor) -> Tensor:
        if not self.training or self.config.state_dropout == 0:
            return state_mask
        kept = torch.rand(len(state_mask), 1, device=state_mask.device) >= self.config.state_dropout
        return state_mask & kept


class StateEncoder(nn.Module):
    """A small MLP from the 15-d state and its presence to one token. Absent states are zeros with presence 0."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(STATE_DIM + 1, STATE_TOKEN_DIM), nn.ReLU(), nn.Linear(STATE_TOKEN_DIM, STATE_TOKEN_DIM)
        )

    def forward(self, states: Tensor, state_mask: Tensor) -> Tensor:
        """Return `(B, T, S)` of states `(B, T, 15)` and mask `(B, T)`; what stands at absent states does not matter."""
        present = state_mask[..., None]
        known = torch.where(present, states.float(), 0.0)
        squeezed = (
            known.sign() * known.abs().log1p()
        )  # odometry grows without bound; this keeps its order and its scale in check
        return cast(Tensor, self.mlp(torch.cat([squeezed, present.float()], dim=-1)))


def build_policy(config: PolicyConfig) -> VLAPolicy:
    """Return an untrained policy with its backbone's own preprocessing, pretrained weights, and the default action range.

    Raises:
        ConfigError: the backbone's files cannot be found or do not fit.
    """
    policy = _assemble(config, backbones.get(config.model).prepare(config.backbone_config(), config.preprocess))
    policy.backbone.load_pretrained()
    return policy


def outline_policy(config: PolicyConfig) -> VLAPolicy:
    """Return the policy on the meta device: its shapes and parameter counts, no weights and no memory."""
    prepared = backbones.get(config.model).outline(config.backbone_config(), config.preprocess)
    with torch.device("meta"):
        return _assemble(config, prepared)


def _assemble(config: PolicyConfig, prepared: Prepared) -> VLAPolicy:
    resolved = config.model_copy(update={"preprocess": prepared.preprocessor.config})
    return VLAPolicy(resolved, prepared.preprocessor, ActionNormaliser(), prepared.blueprint)
