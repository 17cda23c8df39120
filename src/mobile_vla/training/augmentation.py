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
    """What was drawn for `B` windows in [-1, 1]: `(B, 1)` each, `gain` `(B, 3)`, `shift` `(B, 2)`."""

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
        changed = images.float().div_(255.0)
        if self.config.color_jitter:
            changed = _jitter(changed, draws, self.config.color_jitter)
        if self.config.gaussian_noise:
            changed = _add_noise(changed, draws.noise_seeds, self.config.gaussian_noise)
        return changed.clamp_(0.0, 1.0)

    def _draw(self, samples: Tensor, epoch: int, device: torch.device) -> _Draws:
        streams = [np.random.default_rng([self.seed, epoch, sample]) for sample in samples.tolist()]
        values = np.stack([stream.uniform(-1.0, 1.0, 8) for stream in streams])
        tensor = torch.as_tensor(values, dtype=torch.float32, device=device)
        return _Draws(
            brightness=tensor[:, 0:1],
            contrast=tensor[:, 1:2],
            saturation=tensor[:, 2:3],
            gain=tensor[:, 3:6],
            shift=values[:, 6:8],
            noise_seeds=[int(stream.integers(2**62)) for stream in streams],
        )


def _jitter(images: Tensor, draws: _Draws, strength: float) -> Tensor:
    """Scale brightness, contrast and saturation by 1 +- strength, each channel (the light's colour) by 1 +- strength / 2.

    All four are linear in a pixel's colour, so they are one 3 x 3 matrix per window and, for the
    contrast, one offset per frame.
    """
    luma = images.new_tensor(_LUMA)
    gain = (1.0 + strength * draws.brightness) * (1.0 + 0.5 * strength * draws.gain)  # (B, 3)
    saturation, contrast = 1.0 + strength * draws.saturation, 1.0 + strength * draws.contrast  # (B, 1)
    to_grey = luma[:, None].expand(3, 3)
    mix = saturation[..., None] * torch.eye(3, device=images.device) + (1.0 - saturation[..., None]) * to_grey
    matrix = contrast[..., None] * gain[:, :, None] * mix
    frame_grey = images.mean(dim=(2, 3)) @ (gain * luma)[:, :, None]  # (B, T, 1)
    offset = (1.0 - contrast[..., None]) * frame_grey
    return (images.flatten(1, 3) @ matrix).view_as(images).add_(offset[:, :, None, None])


def _shift(images: Tensor, shift: NDArray[np.float64]) -> Tensor:
    """Move each window by whole pixels, `shift` `(B, 2)` as fractions of height and width; the edge is repeated outwards."""
    height, width = images.shape[2:4]
    pixels = np.rint(shift * [height, width]).astype(int).tolist()
    moved = [_moved(_moved(window, 1, rows), 2, columns) for window, (rows, columns) in zip(images, pixels, strict=True)]
    return torch.stack(moved)


def _moved(window: Tensor, axis: int, pixels: int) -> Tensor:
    """Move `window` along `axis` by joining slices: many times faster than indexing."""
    kept = window.shape[axis] - abs(pixels)
    if pixels > 0:
        parts = [*[window.narrow(axis, 0, 1)] * pixels, window.narrow(axis, 0, kept)]
    else:
        parts = [window.narrow(axis, -pixels, kept), *[window.narrow(axis, -1, 1)] * -pixels]
    return torch.cat(parts, dim=axis) if pixels else window


def _add_noise(images: Tensor, seeds: list[int], strength: float) -> Tensor:
    noise = torch.empty_like(images)
    for window, seed in zip(noise, seeds, strict=True):
        window.normal_(generator=torch.Generator(images.device).manual_seed(seed))
    return images.add_(noise, alpha=strength)
