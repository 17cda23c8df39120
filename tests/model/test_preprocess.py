"""Preprocessing: sizes, filters, prompts and standardisation are what the checkpoint says they are."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from mobile_vla.core.config import build
from mobile_vla.core.errors import CheckpointError, ConfigError, DataError
from mobile_vla.model.preprocess import PreprocessConfig, Preprocessor

SMALL = Preprocessor.create(PreprocessConfig(image_size=(32, 48), max_tokens=8))


def test_frames_at_size_pass_untouched() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    assert SMALL.resize(images) is images


def test_resize_averages_fine_patterns_instead_of_sampling_them() -> None:
    stripes = np.zeros((1, 256, 384, 3), dtype=np.uint8)
    stripes[:, :, ::2] = 255
    resized = SMALL.resize(stripes)
    assert resized.shape == (1, 32, 48, 3)
    assert resized.dtype == np.uint8
    assert np.abs(resized.astype(int) - 127).max() <= 8


def test_resize_squashes_the_whole_frame() -> None:
    wide = np.zeros((1, 64, 400, 3), dtype=np.uint8)
    wide[:, :, :10] = (255, 0, 0)
    wide[:, :, -10:] = (0, 0, 255)
    resized = SMALL.resize(wide)
    assert resized[0, :, 0, 0].min() > 200
    assert resized[0, :, -1, 2].min() > 200


@pytest.mark.parametrize("shape", [(32, 48, 3), (1, 3, 32, 48), (1, 0, 48, 3)])
def test_resize_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"images = .*: images are uint8 \(T, H, W, 3\) RGB\."):
        SMALL.resize(np.zeros(shape, dtype=np.uint8))


def test_prompts_end_with_the_action_token_and_are_padded() -> None:
    tokens, mask = SMALL.encode("go left")
    length = int(mask.sum())
    assert tokens.shape == mask.shape == (8,)
    assert mask.tolist() == [True] * length + [False] * (8 - length)
    assert tokens[length - 1] == SMALL.tokenizer.lrn_id
    assert tokens[: length - 1].tolist() == SMALL.tokenizer.ids("go left")
    assert (tokens[length:] == SMALL.tokenizer.pad_id).all()


def test_long_prompts_keep_their_beginning() -> None:
    text = "Navigate around the single box obstacle by going left, then stop"
    tokens, mask = SMALL.encode(text)
    assert mask.all()
    assert tokens.tolist() == [*SMALL.tokenizer.ids(text)[:7], SMALL.tokenizer.lrn_id]


def test_the_empty_instruction_is_the_action_token_alone() -> None:
    tokens, mask = SMALL.encode("")
    assert mask.sum() == 1
    assert tokens[0] == SMALL.tokenizer.lrn_id


def test_the_prompt_template_surrounds_the_instruction() -> None:
    plain = Preprocessor.create(PreprocessConfig())
    asked = Preprocessor.create(PreprocessConfig(prompt="robot: {instruction}!"))
    assert asked.encode("go")[0].tolist() == plain.encode("robot: go!")[0].tolist()


def test_cached_prompts_cannot_be_spoiled() -> None:
    with pytest.raises(ValueError, match="read-only"):
        SMALL.encode("go left")[0][0] = 5


def test_encode_refuses_what_is_no_text() -> None:
    with pytest.raises(DataError, match="instruction = None: an instruction is a str"):
        SMALL.encode(None)  # type: ignore[arg-type]


def test_each_image_is_standardised_by_itself() -> None:
    images = torch.randint(0, 256, (2, 3, 32, 48, 3), dtype=torch.uint8)
    result = SMALL.normalise(images)
    assert result.shape == (2, 3, 3, 32, 48)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.mean(dim=(-3, -2, -1)), torch.zeros(2, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(result.std(dim=(-3, -2, -1)), torch.ones(2, 3), atol=1e-2, rtol=0)
    torch.testing.assert_close(result[1, 2], SMALL.normalise(images[1, 2]))


def test_standardisation_takes_out_light_and_contrast() -> None:
    image = torch.rand(32, 48, 3)
    torch.testing.assert_close(SMALL.normalise(image), SMALL.normalise(0.3 * image + 0.2), atol=2e-2, rtol=0)


def test_a_uniform_image_becomes_zeros() -> None:
    assert SMALL.normalise(torch.full((32, 48, 3), 77, dtype=torch.uint8)).abs().max() < 1e-3


def test_bytes_and_floats_mean_the_same() -> None:
    images = torch.randint(0, 256, (4, 32, 48, 3), dtype=torch.uint8)
    torch.testing.assert_close(SMALL.normalise(images), SMALL.normalise(images.float() / 255))


def test_fixed_statistics() -> None:
    config = PreprocessConfig(image_size=(32, 32), standardise="fixed", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0))
    result = Preprocessor.create(config).normalise(torch.full((32, 32, 3), 0.5))
    torch.testing.assert_close(result[:, 0, 0], torch.tensor([0.4, 0.15, 0.05]))


def test_normalise_refuses_other_sizes_and_types() -> None:
    with pytest.raises(DataError, match=r"images\.shape = \(64, 64, 3\): the policy sees \(\.\.\., 32, 48, 3\)"):
        SMALL.normalise(torch.zeros(64, 64, 3))
    with pytest.raises(DataError, match=r"images\.dtype = torch\.int64"):
        SMALL.normalise(torch.zeros(32, 48, 3, dtype=torch.int64))


def test_json_and_pickle_keep_everything() -> None:
    images = torch.randint(0, 256, (32, 48, 3), dtype=torch.uint8)
    for again in (Preprocessor.from_json(SMALL.to_json()), pickle.loads(pickle.dumps(SMALL))):
        assert again.config == SMALL.config
        assert again.encode("오른쪽 字")[0].tolist() == SMALL.encode("오른쪽 字")[0].tolist()
        assert torch.equal(again.normalise(images), SMALL.normalise(images))


@pytest.mark.parametrize("text", ["", "[]", '{"config": {}}'])
def test_from_json_refuses_something_else(text: str) -> None:
    with pytest.raises(CheckpointError, match="not a preprocessor's JSON"):
        Preprocessor.from_json(text)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("image_size", [0, 64], "height and width are at least 1 pixel"),
        ("std", [1, 1, 0], "standard deviations are > 0"),
        ("prompt", "go", "exactly once"),
        ("prompt", "{instruction} {side}", "no other slot"),
        ("max_tokens", 1, "greater than or equal to 2"),
    ],
)
def test_wrong_settings_are_refused(key: str, value: object, rule: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} = .*{rule}"):
        build(PreprocessConfig, {key: value}, "config")
