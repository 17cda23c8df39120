"""`FCDecoder`: an MLP on every frame's own feature. It has no memory; only the newest frame matters."""

from __future__ import annotations

from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from mobile_vla.model.head import (
    TYPE_COUNT,
    ActionHead,
    HeadConfig,
    HeadOutput,
    act_heads,
    blank_padding,
    split_prediction,
)
from mobile_vla.model.losses import masked_action_loss
from mobile_vla.task.actions import VELOCITY_DIM


class FCDecoderConfig(HeadConfig):
    """Options of `FCDecoder`.

    Attributes:
        hidden_size: width of the hidden layer.
        dropout: behind the hidden layer.
        huber_beta: velocity error (normalised units) at which the loss turns from quadratic to linear.
    """

    hidden_size: int = Field(default=256, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    huber_beta: float = Field(default=0.1, gt=0)


@act_heads.register("FCDecoder")
class FCDecoder(ActionHead):
    """One hidden layer per frame."""

    Config = FCDecoderConfig

    def __init__(self, config: FCDecoderConfig, feature_dim: int, chunk: int) -> None:
        super().__init__()
        self.config, self.chunk = config, chunk
        self.mlp = nn.Sequential(
            nn.Linear(feature_dim, config.hidden_size),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_size, chunk * (VELOCITY_DIM + TYPE_COUNT)),
        )

    def forward(self, features: Tensor, frame_mask: Tensor) -> HeadOutput:
        """See `ActionHead`. Runs in float32 under autocast."""
        with torch.autocast(features.device.type, enabled=False):
            return split_prediction(cast(Tensor, self.mlp(blank_padding(features, frame_mask))), self.chunk)

    def loss(self, output: HeadOutput, targets: Tensor, target_mask: Tensor) -> dict[str, Tensor]:
        """See `ActionHead`."""
        return masked_action_loss(output, targets, target_mask, self.config, self.config.huber_beta)
