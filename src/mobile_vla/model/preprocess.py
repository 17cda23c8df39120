"""Preprocessing: the one object that training and serving share and the checkpoint carries.

Legend: `T` frames, `L` tokens. Frames are resized as uint8 on the CPU, once, and normalised as tensors on the policy's device.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor

from mobile_vla.core.config import Config, build
from mobile_vla.core.errors import CheckpointError, DataError, problem
from mobile_vla.model.pretrained_tokenizer import PretrainedTokenizer
from mobile_vla.model.tokenizer import TextTokenizer, train_tokenizer

RESIZE_FILTER: Final = Image.Resampling.BILINEAR
"""Pillow's triangle filter: it averages over the whole footprint when shrinking (antialiasing) and never overshoots."""

STD_FLOOR: Final = 1e-3
"""Added to each standard deviation (images in [0, 1]), so that a uniform image becomes zeros."""

_CACHED_TEXTS: Final = 4096

TokenArrays = tuple[NDArray[np.int64], NDArray[np.bool_]]


class PreprocessConfig(Config):
    """How an observation becomes the policy's input. A pretrained backbone sets what a configuration leaves out.

    Attributes:
        image_size: height, width in pixels that the policy sees.
        max_tokens: length L of every prompt, the closing `[LRN]` included.
        standardise: `per_image` subtracts each image's own mean and divides by its own standard deviation (over pixels and
            channels); `fixed` uses `mean` and `std`.
        mean, std: per RGB channel, for images in [0, 1]; used by `fixed` only.
        prompt: template of the prompt; `{instruction}` is its only slot.
        sees, hears: False blanks every image, or every instruction, in training and in serving alike: a policy trained blind
            or deaf, which says what the data give away without that sense.
    """

    image_size: tuple[int, int] = (64, 64)
    max_tokens: int = Field(default=48, ge=2)
    standardise: Literal["per_image", "fixed"] = "per_image"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    prompt: str = "{instruction}"
    sees: bool = True
    hears: bool = True

    @field_validator("image_size")
    @classmethod
    def _positive(cls, size: tuple[int, int]) -> tuple[int, int]:
        if min(size) < 1:
            raise ValueError("height and width are at least 1 pixel")
        return size

    @field_validator("std")
    @classmethod
    def _spread(cls, std: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(std) <= 0:
            raise ValueError("standard deviations are > 0")
        return std

    @field_validator("prompt")
    @classmethod
    def _one_slot(cls, prompt: str) -> str:
        if prompt.count("{instruction}") != 1 or "{" in prompt.replace("{instruction}", ""):
            raise ValueError("the template holds {instruction} exactly once and no other slot")
        return prompt


class PromptTokenizer(Protocol):
    """What a preprocessor needs of a tokenizer; the ids lie in 0..size - 1."""

    pad_id: int
    lrn_id: int
    """Id of the learnable action token that closes every prompt."""

    @property
    def size(self) -> int:
        """Number of ids."""

    def ids(self, text: str) -> list[int]:
        """Return the ids of `text` without special tokens."""

    def to_json(self) -> str:
        """Return everything as a JSON object."""


class Preprocessor:
    """Resizes and normalises images, and turns instructions into tokens. Picklable; no device of its own."""

    def __init__(self, config: PreprocessConfig, tokenizer: PromptTokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self._texts: dict[str, TokenArrays] = {}

    @classmethod
    def create(cls, config: PreprocessConfig) -> Preprocessor:
        """Return a preprocessor with the built-in tokenizer."""
        return cls(config, train_tokenizer())

    def resize(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `(T, h, w, 3)` uint8 at the policy's size.

        The whole frame is squashed to that size (no crop, no letterbox), so that nothing at the frame's edge is lost and the
        aspect ratio may change. Frames already at size are returned as they are.

        Raises:
            DataError: `images` is not uint8 `(T, H, W, 3)`.
        """
        if images.dtype != np.uint8 or images.shape[3:] != (3,) or 0 in images.shape[1:]:
            raise DataError(problem("images", f"{images.dtype} {images.shape}", "images are uint8 (T, H, W, 3) RGB"))
        height, width = self.config.image_size
        if images.shape[1:3] == (height, width):
            return images
        resized = np.empty((len(images), height, width, 3), dtype=np.uint8)
        for frame, image in enumerate(images):
            resized[frame] = np.asarray(Image.fromarray(image).resize((width, height), RESIZE_FILTER))
        return resized

    def encode(self, instruction: str) -> TokenArrays:
        """Return tokens `(L,)` int64 and mask `(L,)` bool of the prompt, closed by `[LRN]` and padded to `max_tokens`.

        A prompt that is too long keeps its first `max_tokens - 1` tokens. The empty instruction means "no instruction": its
        tokens are those of the template with nothing in it. Results are cached and read-only.

        Raises:
            DataError: `instruction` is not a str, or not valid Unicode.
        """
        if not isinstance(instruction, str):
            raise DataError(problem("instruction", instruction, "an instruction is a str", "Pass '' when there is none"))
        if instruction not in self._texts:
            if len(self._texts) >= _CACHED_TEXTS:
                self._texts.clear()
            self._texts[instruction] = self._encode(instruction)
        return self._texts[instruction]

    def normalise(self, images: Tensor) -> Tensor:
        """Return `(..., 3, H, W)` float32 of `images` `(..., H, W, 3)`, uint8 or float in [0, 1], on their device.

        The result keeps the channels-last memory layout of its input, which convolutions like best.

        Raises:
            DataError: the size is not the policy's, or the dtype is neither uint8 nor floating.
        """
        height, width = self.config.image_size
        if images.shape[-3:] != (height, width, 3):
            rule = f"the policy sees (..., {height}, {width}, 3)"
            raise DataError(problem("images.shape", tuple(images.shape), rule, "Call Preprocessor.resize first"))
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise DataError(problem("images.dtype", images.dtype, "images are uint8, or float in [0, 1]"))
        if not self.config.sees:
            images = torch.full_like(images, 128 if images.dtype == torch.uint8 else 0.5)
        scaled = images.float() / 255.0 if images.dtype == torch.uint8 else images.float()
        if self.config.standardise == "fixed":
            standard = (scaled - scaled.new_tensor(self.config.mean)) / scaled.new_tensor(self.config.std)
        else:
            standard = _per_image(scaled)
        return standard.movedim(-1, -3)

    def to_json(self) -> str:
        """Return everything, the tokenizer included, as a JSON string."""
        return json.dumps({"config": self.config.model_dump(mode="json"), "tokenizer": json.loads(self.tokenizer.to_json())})

    @classmethod
    def from_json(cls, text: str) -> Preprocessor:
        """Return the inverse of `to_json`. Raises CheckpointError or ConfigError when `text` is something else."""
        try:
            tree: dict[str, Any] = json.loads(text)
            config, tokenizer = tree["config"], tree["tokenizer"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise CheckpointError(problem("preprocessor", text, "not a preprocessor's JSON")) from error
        pretrained = isinstance(tokenizer, dict) and PretrainedTokenizer.MARK in tokenizer
        kind: type[PretrainedTokenizer] | type[TextTokenizer] = PretrainedTokenizer if pretrained else TextTokenizer
        return cls(build(PreprocessConfig, config, "preprocessor"), kind.from_json(json.dumps(tokenizer)))

    def _encode(self, instruction: str) -> TokenArrays:
        prompt = self.config.prompt.replace("{instruction}", instruction if self.config.hears else "")
        length = self.config.max_tokens
        ids = [*self.tokenizer.ids(prompt)[: length - 1], self.tokenizer.lrn_id]
        tokens = np.full(length, self.tokenizer.pad_id, dtype=np.int64)
        tokens[: len(ids)] = ids
        mask = np.arange(length) < len(ids)
        tokens.setflags(write=False)
        mask.setflags(write=False)
        return tokens, mask


def _per_image(scaled: Tensor) -> Tensor:
    """Return (x - mean) / (std + floor) of each image (..., H, W, 3); `torch.var_mean` is twice as slow on a CPU."""
    centred = scaled - scaled.mean(dim=(-3, -2, -1), keepdim=True)
    return centred / (centred.square().mean(dim=(-3, -2, -1), keepdim=True).sqrt() + STD_FLOOR)
