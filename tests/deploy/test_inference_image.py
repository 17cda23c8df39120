"""Pictures of every kind become RGB arrays, or an error that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobile_vla.core.errors import DataError
from mobile_vla.deploy.inference_image import rgb_image

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
WITH_NAN = np.full((4, 4, 3), np.nan, dtype=np.float32)


@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_an_array_of_any_size_stays_as_it_is_and_bgr_is_turned_around(height: int, width: int, bgr: bool) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = rgb_image(image, bgr=bgr)
    assert np.array_equal(result, image[..., [2, 1, 0]] if bgr else image)


def test_a_file_a_pillow_image_and_an_array_are_the_same(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    for given_as in (PIXELS, Image.fromarray(PIXELS), tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(rgb_image(given_as), PIXELS)


def test_alpha_is_dropped_and_grey_becomes_three_channels() -> None:
    alpha = Image.fromarray(np.dstack([PIXELS, np.full((5, 7), 9, dtype=np.uint8)]))
    assert np.array_equal(rgb_image(alpha), PIXELS)
    assert np.array_equal(rgb_image(Image.fromarray(PIXELS[..., 0])), np.dstack([PIXELS[..., 0]] * 3))


def test_a_file_that_says_it_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn clockwise
    Image.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(rgb_image(tmp_path / "turned.png"), np.rot90(PIXELS, -1))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (PIXELS / 255.0, "image.dtype = 'float64': images are uint8. Scale [0, 1] floats with (image * 255).astype(np.uint8)."),
        (
            WITH_NAN,
            "image = 'float32 (4, 4, 3) with 48 values that are NaN or infinite': images are uint8, 0 to 255. "
            "Look at where the image comes from.",
        ),
        (
            np.zeros((0, 640, 3), np.uint8),
            "image.shape = (0, 640, 3): an image has at least one pixel. Check that the camera delivered a frame.",
        ),
        (
            PIXELS.transpose(2, 0, 1),
            "image.shape = (3, 5, 7): an image is (H, W, 3), RGB. "
            "Channels come last: use image.transpose(1, 2, 0) for (3, H, W).",
        ),
        (
            np.zeros((5, 7, 4), np.uint8),
            "image.shape = (5, 7, 4): an image is (H, W, 3), RGB. Drop alpha with image[..., :3].",
        ),
        (
            PIXELS[..., 0],
            "image.shape = (5, 7): an image is (H, W, 3), RGB. Pass the colour image: the policy was trained on colours.",
        ),
        (None, "image = 'NoneType': an image is a numpy array (H, W, 3) uint8 RGB."),
    ],
)
def test_what_is_no_image_is_named_with_the_remedy(image, message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        rgb_image(image)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^image = '.*none\.png': no such file \(looked at .*\)\. Correct the path\.$"):
        rgb_image(tmp_path / "none.png")


@pytest.mark.parametrize("kind", ["text", "truncated"])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.tile(PIXELS, (20, 20, 1))).save(path)
    path.write_bytes(b"hello" if kind == "text" else path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"not a readable image; the file may be truncated .*Use a PNG or JPEG"):
        rgb_image(path)


def test_an_image_of_more_than_8_bits_is_refused() -> None:
    with pytest.raises(DataError, match=r"^image\.mode = 'I;16': images have 8 bits per channel: mode RGB, RGBA, P, L\."):
        rgb_image(Image.fromarray(np.zeros((4, 4), dtype=np.uint16)))


def test_bgr_is_for_arrays_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^bgr = True: a Pillow image states its own channel order\. Leave bgr out"):
        rgb_image(Image.fromarray(PIXELS), bgr=True)
    with pytest.raises(DataError, match=r"^bgr = True: an image file states its own channel order\."):
        rgb_image(tmp_path / "a.png", bgr=True)
