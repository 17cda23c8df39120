"""The action head: the features of a window become an action chunk per frame, and the loss that teaches it.

Legend: `B` batch, `T` window frames, `K` chunk steps, `D` feature width.
Velocities here are normalised to [-1, 1]; physical units begin in `model.streaming`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Final, Literal, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from mobile_vla.core.config import Config
from mobile_vla.core.registry import Registry
from mobile_vla.task.actions import ACTION_DIM, ActionType

TYPE_COUNT: Final = len(ActionType)


class HeadConfig(Config):
    """Options that every head shares; each head adds its own.

    Attributes:
        type: the head's registered name.
        action_dim: always 4 (see `task.actions`).
        action_space: `continuous`.
        type_loss_weight: weight of the action type's cross-entropy beside the velocity loss.
        type_class_weights: one weight per action type (move, rotate, stop, special), or None for equal ones.
    """

    type: str
    action_dim: int = ACTION_DIM
    action_space: Literal["continuous"] = "continuous"
    type_loss_weight: float = Field(default=0.2, ge=0)
    type_class_weights: tuple[float, float, float, float] | None = None

    @field_validator("action_dim")
    @classmethod
    def _four(cls, value: int) -> int:
        if value != ACTION_DIM:
            raise ValueError(f"an action has {ACTION_DIM} numbers: linear_x, linear_y, angular_z, action_type")
        return value

    @field_validator("type_class_weights")
    @classmethod
    def _useful(cls, value: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if value is not None and (min(value) < 0 or max(value) == 0):
            raise ValueError("class weights are >= 0, and not all of them 0")
        return value


class HeadOutput(NamedTuple):
    """What a head predicts at every frame of the window.

    Attributes:
        velocities: `(B, T, K, 3)` in [-1, 1].
        type_logits: `(B, T, K, 4)`.
    """

    velocities: Tensor
    type_logits: Tensor


class ActionHead(nn.Module, ABC):
    """Base of all heads. Registered with `@act_heads.register(name)`; built as `ActionHead(config, feature_dim, chunk)`."""

    Config: ClassVar[type[HeadConfig]] = HeadConfig

    @abstractmethod
    def forward(self, features: Tensor, frame_mask: Tensor) -> HeadOutput:
        """Return the prediction at every frame, made from that frame and the ones before it.

        Args:
            features: `(B, T, D)`.
            frame_mask: `(B, T)` bool, valid frames first. What stands at masked frames, NaN included, must not change anything
                at valid ones.
        """

    @abstractmethod
    def loss(self, output: HeadOutput, targets: Tensor, target_mask: Tensor) -> dict[str, Tensor]:
        """Return the loss and what it is made of, as scalars.

        The keys: `loss`, to minimise; and, detached, `velocity_loss`, `type_loss`, `mae_linear_x`, `mae_linear_y` and
        `mae_angular_z` in normalised units, `type_accuracy` in [0, 1].

        Args:
            output: what `forward` returned.
            targets: `(B, T, K, 4)`, velocities in [-1, 1] and the type 0..3.
            target_mask: `(B, T, K)` bool; masked targets, NaN included, change neither loss nor gradient.
        """

    def decode(self, output: HeadOutput) -> Tensor:
        """Return `(B, T, K, 4)`: normalised velocities and the most likely action type."""
        kind = output.type_logits.argmax(dim=-1, keepdim=True)
        return torch.cat([output.velocities, kind.to(output.velocities.dtype)], dim=-1)


act_heads: Final[Registry[type[ActionHead]]] = Registry("act_head.type", "mobile_vla.model.heads")


def blank_padding(features: Tensor, frame_mask: Tensor) -> Tensor:
    """Return `features` `(B, T, D)` as float32 with masked frames set to zero, whatever they held."""
    return torch.where(frame_mask[..., None], features.float(), 0.0)


def split_prediction(raw: Tensor, chunk: int) -> HeadOutput:
    """Return `raw` `(B, T, K * 7)` as tanh velocities and type logits."""
    steps = raw.view(*raw.shape[:-1], chunk, -1)
    return HeadOutput(velocities=torch.tanh(steps[..., :-TYPE_COUNT]), type_logits=steps[..., -TYPE_COUNT:])
