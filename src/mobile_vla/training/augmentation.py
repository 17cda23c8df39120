"""Changes to training images, on the batch and on its device.

Legend: `B` batch, `T` window frames, `H` `W` pixels. What happens to a window follows from (seed, epoch, sample) alone: neither
the worker, nor the batch in which the window lands, nor a resumed run changes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mobile_vla.training.config import AugmentationConfig

_LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in the grey value (ITU-R BT.601)."""


@dataclass(frozen=True)
class _Draws:
    """What was drawn for `B` windows, each array in [-1, 1] and broadcastable over the frames of a window."""

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    gain: Tensor
    shift: NDArray[np.float64]
    noise_seeds: list[int]


class Augmentation:
    """A shift of the whole window, then colour jitter, then pixel noise.

    Args:
        config: strengths; see `AugmentationConfig`.
        seed: the run's seed.
    """

    def __init__(self, config: AugmentationConfig, seed: int) -> None:
        self.config = config
        self.seed = seed

    @property
    def active(self) -> bool:
        """Whether anything changes at all."""
        return any(self.config.model_dump().values())

    def __call__(self, images: Tensor, samples: Tensor, epoch: int) -> Tensor:
        """Return `images` changed, float32 in [0, 1].

        Args:
            images: `(B, T, H, W, 3)` uint8.
            samples: `(B,)` int64, the index of each window in the training set.
            epoch: 0, 1, ...
        """
        draws = self._draw(samples, epoch, images.device)
        if self.config.random_shift:
            images = _shift(images, draws.shift * self.config.random_shift)
        changed = images.float() / 255.0
        if self.config.color_jitter:
            changed = _jitter(changed, draws, self.config.color_jitter)
        if self.config.gaussian_noise:
            changed = _add_noise(changed, draws.noise_seeds, self.config.gaussian_noise)
        return changed.clamp(0.0, 1.0)

    def _draw(self, samples: Tensor, epoch: int, device: torch.device) -> _Draws:
        streams = [np.random.default_rng([self.seed, epoch, sample]) for sample in samples.tolist()]
        values = np.stack([stream.uniform(-1.0, 1.0, 8) for stream in streams])
        tensor = torch.as_tensor(values, dtype=torch.float32, device=device)[:, None, None, None]
        return _Draws(
            brightness=tensor[..., 0:1],
            contrast=tensor[..., 1:2],
            saturation=tensor[..., 2:3],
            gain=tensor[..., 3:6],
            shift=values[:, 6:8],
            noise_seeds=[int(stream.integers(2**62)) for stream in streams],
        )


def _jitter(images: Tensor, draws: _Draws, strength: float) -> Tensor:
    """Scale brightness, contrast and saturation by 1 +- strength, each channel (the light's colour) by 1 +- strength / 2."""
    scaled = images * (1.0 + strength * draws.brightness) * (1.0 + 0.5 * strength * draws.gain)
    grey = (scaled * scaled.new_tensor(_LUMA)).sum(dim=-1, keepdim=True)
    saturated = grey + (scaled - grey) * (1.0 + strength * draws.saturation)
    mean = grey.mean(dim=(-3, -2), keepdim=True)
    return (mean + (saturated - mean) * (1.0 + strength * draws.contrast)).clamp(0.0, 1.0)


def _shift(images: Tensor, shift: NDArray[np.float64]) -> Tensor:
    """Move each window by whole pixels, `shift` `(B, 2)` as fractions of height and width; the edge is repeated outwards."""
    height, width = images.shape[2:4]
    pixels = torch.as_tensor(np.rint(shift * [height, width]), dtype=torch.int64, device=images.device)
    rows = (torch.arange(height, device=images.device) - pixels[:, 0:1]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - pixels[:, 1:2]).clamp(0, width - 1)
    shifted = [window[:, row][:, :, column] for window, row, column in zip(images, rows, columns, strict=True)]
    return torch.stack(shifted)


def _add_noise(images: Tensor, seeds: list[int], strength: float) -> Tensor:
    noise = torch.empty_like(images)
    for window, seed in zip(noise, seeds, strict=True):
        window.normal_(generator=torch.Generator(images.device).manual_seed(seed))
    return images + strength * noise
