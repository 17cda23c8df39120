"""The backbone: one frame and the instruction become one feature vector.

Legend: `B` batch, `T` window frames, `L` tokens, `S` state token width, `D` feature width.
A backbone treats every frame on its own; what to make of a window is the head's business (see `model.head`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final, NamedTuple

from torch import Tensor, nn

from mobile_vla.core.config import Config
from mobile_vla.core.registry import Registry


class BackboneConfig(Config):
    """Options of one backbone. Each backbone adds its own."""


class BackboneInputs(NamedTuple):
    """What a backbone is going to be fed, known before it is built.

    Attributes:
        image_size: height, width in pixels.
        vocabulary_size: number of token ids; ids are 0..vocabulary_size - 1.
        pad_id: id of the padding token.
        state_token_dim: `S`, or 0 when the policy uses no state.
    """

    image_size: tuple[int, int]
    vocabulary_size: int
    pad_id: int
    state_token_dim: int = 0


class Backbone(nn.Module, ABC):
    """Base of all backbones. Registered with `@backbones.register(name)`; built as `Backbone(config, inputs)`."""

    Config: ClassVar[type[BackboneConfig]] = BackboneConfig
    display_name: ClassVar[str]
    """How training announces the model, for example `RoboTiny`."""

    @property
    @abstractmethod
    def feature_dim(self) -> int:
        """`D`, the width of a feature."""

    @abstractmethod
    def forward(self, images: Tensor, tokens: Tensor, token_mask: Tensor, state_token: Tensor | None) -> Tensor:
        """Return one feature per frame, `(B, T, D)`.

        Args:
            images: `(B, T, 3, H, W)` float, normalised.
            tokens: `(B, L)` int64; one instruction for the whole window.
            token_mask: `(B, L)` bool; masked tokens must not matter.
            state_token: `(B, T, S)`, or None when the policy uses no state.
        """

    @abstractmethod
    def vision_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the image encoder (frozen by `train_vision: false`)."""


backbones: Final[Registry[type[Backbone]]] = Registry("model", "mobile_vla.model.backbones")
