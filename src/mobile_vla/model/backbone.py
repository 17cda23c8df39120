"""The backbone: one frame and the instruction become one feature vector.

Legend: `B` batch, `T` window frames, `L` tokens, `S` state token width, `D` feature width.
A backbone treats every frame on its own; what to make of a window is the head's business (see `model.head`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

from torch import Tensor, nn

from mobile_vla.core.config import Config
from mobile_vla.core.errors import ConfigError, problem
from mobile_vla.core.registry import Registry
from mobile_vla.model.preprocess import PreprocessConfig, Preprocessor


class BackboneConfig(Config):
    """Options of one backbone. Each backbone adds its own."""


class BackboneInputs(NamedTuple):
    """What a backbone is going to be fed, known before it is built.

    Attributes:
        image_size: height, width in pixels.
        vocabulary_size: number of token ids; ids are 0..vocabulary_size - 1.
        pad_id: id of the padding token.
        state_token_dim: `S`, or 0 when the policy uses no state.
        blueprint: what else the backbone's `prepare` found out (see `Prepared`).
    """

    image_size: tuple[int, int]
    vocabulary_size: int
    pad_id: int
    state_token_dim: int = 0
    blueprint: Mapping[str, Any] = MappingProxyType({})


class Prepared(NamedTuple):
    """What has to be known before a policy is built; the checkpoint carries all of it.

    Attributes:
        preprocessor: resizes and normalises images, and tokenises.
        blueprint: plain JSON from which the backbone can be built again without the files it first came from; empty when its
            options say everything.
    """

    preprocessor: Preprocessor
    blueprint: Mapping[str, Any] = MappingProxyType({})


class Backbone(nn.Module, ABC):
    """Base of all backbones. Registered with `@backbones.register(name)`; built as `Backbone(config, inputs)`."""

    Config: ClassVar[type[BackboneConfig]] = BackboneConfig
    display_name: ClassVar[str]
    """How training announces the model, for example `RoboTiny`."""
    pretrained: ClassVar[bool] = False
    """Whether it starts from weights that somebody else trained; its options then hold `path`."""
    recomputes: ClassVar[bool] = False
    """Whether it can drop activations and recompute them in the backward pass."""

    @classmethod
    def prepare(cls, options: Any, preprocess: PreprocessConfig) -> Prepared:
        """Return what a new policy with this backbone is built from. It may read files, or the hub.

        Args:
            options: the backbone's own `Config`.
            preprocess: as configured; what it leaves unset is the backbone's to choose.

        Raises:
            ConfigError: the files cannot be found, or do not fit `preprocess`.
        """
        return Prepared(Preprocessor.create(preprocess))

    @classmethod
    def outline(cls, options: Any, preprocess: PreprocessConfig) -> Prepared:
        """Return as much of `prepare` as is known here, good enough to count parameters."""
        return cls.prepare(options, preprocess)

    def load_pretrained(self) -> None:
        """Take over pretrained weights: called once for a new policy, never for one that comes from a checkpoint."""

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

    def new_parameters(self) -> Iterator[nn.Parameter]:
        """Yield what no pretraining has seen: it trains even in a frozen backbone."""
        return iter(())

    def idle_parameters(self) -> Iterator[nn.Parameter]:
        """Yield what no feature depends on (the last layers of some image encoders): it never trains."""
        return iter(())

    def recompute_activations(self) -> None:
        """Drop activations in training and recompute them in the backward pass. Raises ConfigError where it cannot."""
        rule = f"backbone {self.display_name!r} cannot recompute its activations"
        raise ConfigError(problem("train_setup.gradient_checkpointing", True, rule, "Set it to false"))


backbones: Final[Registry[type[Backbone]]] = Registry("model", "mobile_vla.model.backbones")
