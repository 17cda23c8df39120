"""Pictures as people have them - arrays, Pillow images, files - become the one thing a policy takes: `(H, W, 3)` uint8 RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mobile_vla.core.errors import DataError, problem
from mobile_vla.task.observation import check_image

_MODES: Final = ("RGB", "RGBA", "P", "L")
"""Pillow's modes that turn into RGB without a loss of depth; alpha is dropped, grey becomes three equal channels."""

_UNREADABLE: Final = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError)
"""What Pillow raises for files that it cannot read; SyntaxError is its word for a broken PNG."""


def rgb_image(image: NDArray[np.uint8] | Image.Image | Path | str, bgr: bool = False) -> NDArray[np.uint8]:
    """Return `image` as `(H, W, 3)` uint8 RGB.

    Args:
        image: an `(H, W, 3)` uint8 array of any size, a Pillow image, or the path of an image file (turned upright if its EXIF
            data say so).
        bgr: the array's channels are blue, green, red, as OpenCV reads them. Nothing is guessed: without it they are RGB.

    Raises:
        DataError: naming what `image` is, the rule and the remedy.
    """
    if isinstance(image, (str, Path)):
        _refuse_bgr(bgr, "an image file")
        return _from_file(Path(image))
    if isinstance(image, Image.Image):
        _refuse_bgr(bgr, "a Pillow image")
        return _from_pillow(image, "image")
    _check_array(image)
    return np.ascontiguousarray(image[..., ::-1]) if bgr else image


def _from_file(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        raise DataError(problem("image", str(path), f"no such file (looked at {path.resolve()})", "Correct the path"))
    try:
        with Image.open(path) as opened:
            return _from_pillow(ImageOps.exif_transpose(opened), str(path))
    except _UNREADABLE as error:
        rule = f"not a readable image; the file may be truncated or something else ({type(error).__name__})"
        raise DataError(problem("image", str(path), rule, "Use a PNG or JPEG that an image viewer opens")) from error


def _from_pillow(image: Image.Image, where: str) -> NDArray[np.uint8]:
    if image.mode not in _MODES:
        rule = f"images have 8 bits per channel: mode {', '.join(_MODES)}"
        raise DataError(problem(f"{where}.mode", image.mode, rule, "Convert it first, for example with image.convert('RGB')"))
    array = np.asarray(image.convert("RGB"))
    check_image(array, where)
    return array


def _check_array(image: Any) -> None:
    """Check an array; what a user may have mixed up gets its own remedy, the rest is `check_image`'s."""
    if isinstance(image, np.ndarray):
        if image.size == 0:
            remedy = "Check that the camera delivered a frame"
            raise DataError(problem("image.shape", image.shape, "an image has at least one pixel", remedy))
        if np.issubdtype(image.dtype, np.floating) and not np.isfinite(image).all():
            count = int((~np.isfinite(image)).sum())
            shown = f"{image.dtype} {image.shape} with {count} values that are NaN or infinite"
            raise DataError(problem("image", shown, "images are uint8, 0 to 255", "Look at where the image comes from"))
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 4:
            raise DataError(problem("image.shape", image.shape, "an image is (H, W, 3), RGB", "Drop alpha with image[..., :3]"))
        if image.dtype == np.uint8 and image.ndim == 2:
            remedy = "Pass the colour image: the policy was trained on colours"
            raise DataError(problem("image.shape", image.shape, "an image is (H, W, 3), RGB", remedy))
    check_image(image)


def _refuse_bgr(bgr: bool, what: str) -> None:
    if bgr:
        raise DataError(problem("bgr", True, f"{what} states its own channel order", "Leave bgr out; it is for arrays"))
