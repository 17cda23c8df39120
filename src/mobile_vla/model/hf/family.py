"""A family of vision-language models: what one architecture of transformers wants beside ids, mask and pixels.

One file in `model/hf/families/` with one decorator adds a family; its name is the `model_type` of transformers' configuration.
The prompt is `prefix`, in which the image's slots lie, then the instruction, then the action token; padding comes last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Final, NamedTuple

from torch import Tensor, nn

from mobile_vla.core.errors import ConfigError, problem
from mobile_vla.core.registry import Registry


class Prefix(NamedTuple):
    """The ids before the instruction.

    Attributes:
        ids: with as many image slots as the model has image tokens.
        slots: first image slot and the one after the last.
    """

    ids: list[int]
    slots: tuple[int, int]


class Family(ABC):
    """One architecture. `config` is transformers' configuration, `tokenizer` its fast tokenizer, `model` the base model."""

    prompt: ClassVar[str] = "{instruction}"
    """The default prompt behind the image."""

    @abstractmethod
    def prefix(self, config: Any, tokenizer: Any) -> Prefix:
        """Return the ids before the instruction; may add to `tokenizer` what the released processor adds."""

    @abstractmethod
    def vision(self, model: Any) -> nn.Module:
        """Return the image encoder of `model`."""

    @abstractmethod
    def miniature(self, vocabulary_size: int, special: dict[str, int]) -> Any:
        """Return a configuration with the smallest useful sizes, 32 x 32 pixels, and ids `special` (bos, eos, pad, image)."""

    def reserved(self, config: Any, tokenizer: Any) -> list[int]:
        """Return the ids beside the tokenizer's special ones that no instruction may contain."""
        return [int(config.image_token_id)]

    def keywords(self, ids: Tensor, slots: tuple[int, int]) -> dict[str, Tensor]:
        """Return what the model's `forward` wants beside ids, mask and pixels; `ids` is `(N, L)`."""
        return {}

    def idle(self, model: Any) -> Iterator[nn.Parameter]:
        """Yield the parameters of `model` that its last hidden state does not depend on."""
        return iter(())


families: Final[Registry[type[Family]]] = Registry("model_type", "mobile_vla.model.hf.families")


def image_side(config: Any) -> int:
    """Return the side in pixels of the square image that the model of `config` sees."""
    size = config.vision_config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ConfigError(problem("vision_config.image_size", size, "this adapter knows square images"))
    return int(height)


def patch_count(config: Any) -> int:
    """Return how many patches the image encoder of `config` makes of an image."""
    return int(image_side(config) // config.vision_config.patch_size) ** 2
