"""Augmentation proven by what happens to pixels."""

import pytest
import torch
from torch import Tensor

from mobile_vla.training.augmentation import Augmentation
from mobile_vla.training.config import AugmentationConfig

SAMPLES = torch.tensor([3, 11, 40])


def windows(frames: int = 4, height: int = 12, width: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, frames, height, width, 3), dtype=torch.uint8, generator=generator)


def augment(images: Tensor, samples: Tensor = SAMPLES, epoch: int = 0, seed: int = 7, **strengths: float) -> Tensor:
    return Augmentation(AugmentationConfig(**strengths), seed)(images, samples, epoch)


STRENGTHS = [{"color_jitter": 0.3}, {"gaussian_noise": 0.05}, {"random_shift": 0.25}]


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_each_one_changes_the_pixels_and_stays_in_range(strengths: dict[str, float]) -> None:
    images = windows()
    changed = augment(images, **strengths)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert (changed - images / 255.0).abs().amax(dim=(1, 2, 3, 4)).min() > 0.01
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_depends_on_seed_epoch_and_sample_only(strengths: dict[str, float]) -> None:
    images = windows()
    whole = augment(images, **strengths)
    alone = augment(images[1:2], SAMPLES[1:2], **strengths)
    assert torch.equal(whole[1:2], alone), "another batch composition changed the result"
    assert not torch.equal(whole, augment(images, epoch=1, **strengths))
    assert not torch.equal(whole, augment(images, seed=8, **strengths))
    assert not torch.equal(whole, augment(images, samples=SAMPLES + 1, **strengths))


def test_one_shift_per_window_by_whole_pixels() -> None:
    still = windows()[:, :1].expand(-1, 4, -1, -1, -1)
    shifted = augment(still, random_shift=0.25)
    assert torch.equal(shifted, shifted[:, :1].expand_as(shifted)), "frames of one window moved differently"
    moves = {_shift_of(before, after) for before, after in zip(still[:, 0] / 255.0, shifted[:, 0], strict=True)}
    assert len(moves) > 1, "all windows moved alike"
    assert all(abs(rows) <= 3 and abs(columns) <= 4 for rows, columns in moves)


def test_colour_changes_alike_over_a_window() -> None:
    still = windows()[:, :1].expand(-1, 4, -1, -1, -1)
    changed = augment(still, color_jitter=0.3)
    assert torch.equal(changed, changed[:, :1].expand_as(changed))


def test_noise_has_the_asked_deviation_and_is_fresh_in_each_frame() -> None:
    grey = torch.full((3, 4, 32, 32, 3), 128, dtype=torch.uint8)
    noise = augment(grey, gaussian_noise=0.05) - 128 / 255.0
    assert noise.std().item() == pytest.approx(0.05, rel=0.05)
    assert abs(noise.mean().item()) < 0.005
    assert not torch.equal(noise[:, 0], noise[:, 1])


def test_jitter_keeps_within_its_strength_on_grey() -> None:
    grey = torch.full((3, 1, 4, 4, 3), 128, dtype=torch.uint8)
    ratio = augment(grey, color_jitter=0.1) / (128 / 255.0)
    assert ratio.min() > 0.8
    assert ratio.max() < 1.2


def test_off_means_unchanged() -> None:
    assert not Augmentation(AugmentationConfig(), 0).active
    assert torch.equal(augment(windows()), windows() / 255.0)


def _shift_of(before: Tensor, after: Tensor) -> tuple[int, int]:
    height, width = before.shape[:2]
    for rows in range(-3, 4):
        for columns in range(-4, 5):
            y = (torch.arange(height) - rows).clamp(0, height - 1)
            x = (torch.arange(width) - columns).clamp(0, width - 1)
            if torch.equal(before[y][:, x], after):
                return rows, columns
    raise AssertionError("the result is no shift of the input")
