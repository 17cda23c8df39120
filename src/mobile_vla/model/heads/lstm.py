"""`LSTMDecoder`: RoboVLMs' policy head (https://arxiv.org/abs/2412.14058): an LSTM over the window, then an MLP."""

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


class LSTMDecoderConfig(HeadConfig):
    """Options of `LSTMDecoder`.

    Attributes:
        hidden_size: width of the LSTM and of the MLP.
        num_layers: stacked LSTM layers.
        dropout: between LSTM layers, so it needs at least two.
        huber_beta: velocity error (normalised units) at which the loss turns from quadratic to linear.
    """

    hidden_size: int = Field(default=1024, ge=1)
    num_layers: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    huber_beta: float = Field(default=0.1, gt=0)


@act_heads.register("LSTMDecoder")
class LSTMDecoder(ActionHead):
    """The LSTM starts from a zero state at the window's first frame; it looks only back, so padding behind does not matter."""

    Config = LSTMDecoderConfig

    def __init__(self, config: LSTMDecoderConfig, feature_dim: int, chunk: int) -> None:
        super().__init__()
        self.config, self.chunk = config, chunk
        dropout = config.dropout if config.num_layers > 1 else 0.0
        self.lstm = nn.LSTM(feature_dim, config.hidden_size, config.num_layers, batch_first=True, dropout=dropout)
        self.mlp = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size),
            nn.ReLU(),
            nn.Linear(config.hidden_size, chunk * (VELOCITY_DIM + TYPE_COUNT)),
        )

    def forward(self, features: Tensor, frame_mask: Tensor) -> HeadOutput:
        """See `ActionHead`. Runs in float32 under autocast: it is small, and recurrent rounding adds up."""
        with torch.autocast(features.device.type, enabled=False):
            hidden = self.lstm(blank_padding(features, frame_mask))[0]
            return split_prediction(cast(Tensor, self.mlp(hidden)), self.chunk)

    def loss(self, output: HeadOutput, targets: Tensor, target_mask: Tensor) -> dict[str, Tensor]:
        """See `ActionHead`."""
        return masked_action_loss(output, targets, target_mask, self.config, self.config.huber_beta)
