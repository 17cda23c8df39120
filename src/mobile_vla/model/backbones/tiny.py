"""`tiny`: a small convolutional network, trained from scratch on a CPU in minutes.

Four stride-2 convolutions; after each, the instruction scales and shifts the channels (FiLM, Perez et al. 2018,
https://arxiv.org/abs/1709.07871). Together with batch normalisation and per-image standardisation this is what makes so small a
network follow "left" and "right"; without batch normalisation training sits on a plateau where the policy never stops.

Batch statistics in training include the padding frames of a window. Padding repeats a valid frame, so these are statistics of
real images, only weighted; in evaluation mode a frame's feature depends on nothing but that frame and the instruction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from mobile_vla.core.errors import ConfigError, problem
from mobile_vla.model.backbone import Backbone, BackboneConfig, BackboneInputs, backbones

STRIDE: Final = 16
"""Four halvings: the feature map is 1/16 of the image."""


class TinyConfig(BackboneConfig):
    """Options of `tiny`.

    Attributes:
        channels: width of each convolution.
        embedding_dim: width of word embeddings and of the conditioning vector.
        pool_heads: attention heads that pool the words; divides `embedding_dim`.
        feature_dim: width D of a frame's feature.
        activation: nonlinearity of the convolutions.
    """

    channels: tuple[int, int, int, int] = (16, 32, 64, 64)
    embedding_dim: int = Field(default=64, ge=8)
    pool_heads: int = Field(default=4, ge=1)
    feature_dim: int = Field(default=128, ge=8)
    activation: Literal["relu", "gelu"] = "relu"


@backbones.register("tiny")
class Tiny(Backbone):
    """The small network: about 0.3 million parameters at 64 x 64."""

    Config = TinyConfig
    display_name = "RoboTiny"

    def __init__(self, config: TinyConfig, inputs: BackboneInputs) -> None:
        super().__init__()
        height, width = _checked_size(inputs.image_size)
        self._feature_dim = config.feature_dim
        self.text = TextEncoder(inputs.vocabulary_size, inputs.pad_id, config.embedding_dim, config.pool_heads)
        self.state = nn.Linear(inputs.state_token_dim, config.embedding_dim) if inputs.state_token_dim else None
        self.modulation = nn.Linear(config.embedding_dim, 2 * sum(config.channels))
        self.stages = nn.ModuleList(
            Stage(before, after, config.activation)
            for before, after in zip((3, *config.channels), config.channels, strict=False)
        )
        cells = (height // STRIDE) * (width // STRIDE)
        self.readout = nn.Sequential(
            nn.Linear(cells * config.channels[-1], config.feature_dim), nn.LayerNorm(config.feature_dim)
        )
        self.stages.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def feature_dim(self) -> int:
        """See `Backbone`."""
        return self._feature_dim

    def forward(self, images: Tensor, tokens: Tensor, token_mask: Tensor, state_token: Tensor | None) -> Tensor:
        """See `Backbone`. The text is encoded once per window, not once per frame."""
        batch, frames = images.shape[:2]
        condition = self.text(tokens, token_mask)[:, None].expand(-1, frames, -1)
        if self.state is not None and state_token is not None:
            condition = condition + self.state(state_token)
        modulations = self.modulation(condition.flatten(0, 1)).split([2 * stage.width for stage in self._stages()], dim=1)
        x = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for stage, modulation in zip(self._stages(), modulations, strict=True):
            x = stage(x, modulation)
        features: Tensor = self.readout(x.flatten(1))
        return features.view(batch, frames, -1)

    def vision_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the convolutions' parameters."""
        return self.stages.parameters()

    def _stages(self) -> list[Stage]:
        return [cast(Stage, stage) for stage in self.stages]


class Stage(nn.Module):
    """Convolution with stride 2, batch normalisation, FiLM, nonlinearity."""

    def __init__(self, before: int, width: int, activation: str) -> None:
        super().__init__()
        self.width = width
        self.convolution = nn.Conv2d(before, width, kernel_size=3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width, affine=False)  # FiLM scales and shifts
        self.activation = nn.GELU() if activation == "gelu" else nn.ReLU()

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Return `(N, width, h/2, w/2)` of `x` `(N, before, h, w)` under `modulation` `(N, 2 * width)`."""
        scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
        return cast(Tensor, self.activation(torch.addcmul(shift, self.norm(self.convolution(x)), 1.0 + scale)))


class TextEncoder(nn.Module):
    """Word embeddings, one local convolution (so that word order counts), pooled by attention."""

    def __init__(self, vocabulary_size: int, pad_id: int, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(problem("backbone.embedding_dim", width, f"a multiple of backbone.pool_heads = {heads}"))
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=pad_id)
        self.neighbours = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.score = nn.Linear(width, heads, bias=False)
        self.output = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """Return `(B, width)` of `tokens` `(B, L)`; masked tokens do not matter, and an empty text is allowed."""
        keep = token_mask[..., None]
        words = self.embedding(tokens) * keep
        words = (words + torch.relu(self.neighbours(words.mT).mT)) * keep
        scores = self.score(words).float().masked_fill(~keep, torch.finfo(torch.float32).min)
        weights = scores.softmax(dim=1)[..., None]  # (B, L, heads, 1)
        pooled = (weights * words.view(*words.shape[:2], weights.shape[2], -1)).sum(dim=1).flatten(1)
        return cast(Tensor, self.output(pooled))


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    if any(side % STRIDE or side < 2 * STRIDE for side in size):
        rule = f"the tiny backbone needs height and width that are multiples of {STRIDE}, at least {2 * STRIDE}"
        raise ConfigError(problem("preprocess.image_size", size, rule, "For example [64, 64]"))
    return size
