"""GIFs of drives, small enough for a README: one shared palette, and fewer colours or pixels until the budget is met."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from mobile_vla.core.errors import DataError, problem
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.pictures_story import DRAWN_COLOURS, Size, camera_picture, side_by_side, story

BUDGET_BYTES: Final = 1_500_000
PAUSE_MS: Final = 1800
"""How long the last picture stays before the GIF starts again."""

MIN_FRAME_MS: Final = 40
"""Browsers slow down GIFs that are much faster than this."""

_ATTEMPTS: Final = ((1.0, 192), (1.0, 96), (1.0, 48), (0.8, 64), (0.65, 48), (0.5, 32), (0.4, 24))
"""Scale and number of colours, best first."""


@dataclass(frozen=True)
class Picture:
    """A picture for a page.

    Attributes:
        data: the file's bytes.
        media_type: for example `image/gif`.
        alt: what it shows, in words.
        caption: shown below it; any language.
    """

    data: bytes
    media_type: str
    alt: str
    caption: str


def drive_picture(drive: Drive, speed: float = 2.0) -> Picture:
    """Return the GIF of `drive` with its words, `speed` times as fast as simulated. Raises DataError without frames."""
    return Picture(drive_gif(drive, speed), "image/gif", alt_text(drive), drive.instruction or "(no instruction)")


def drive_gif(drive: Drive, speed: float = 2.0, size: Size | None = None) -> bytes:
    """Return the GIF of one drive: camera, map and instruction, one picture per camera frame."""
    return encode_gif(story(drive, size), _frame_ms([drive], speed))


def montage_gif(drives: Sequence[Drive], columns: int = 2, speed: float = 2.0, size: Size | None = None) -> bytes:
    """Return the GIF of several drives beside each other, `columns` per row; drives that end early wait for the others."""
    return encode_gif(side_by_side([story(drive, size) for drive in drives], columns), _frame_ms(drives, speed))


def alt_text(drive: Drive) -> str:
    """Return what the GIF of `drive` shows, in words."""
    seen = f"The {drive.agent.replace('_', ' ')} drives {drive.scenario}, asked to pass on the {drive.side_asked}"
    return f"{seen}: camera picture, and path from above. It ends with: {drive.end.replace('_', ' ')}."


def encode_gif(pictures: Sequence[Image.Image], frame_ms: int, budget_bytes: int = BUDGET_BYTES) -> bytes:
    """Return `pictures` (RGB, equal sizes) as a GIF that loops for ever and pauses at its end.

    Pictures equal to the one before are merged into it, with their time. When the budget cannot be met, the smallest attempt is
    returned.

    Raises:
        DataError: no pictures.
    """
    if not pictures:
        raise DataError(problem("pictures", (), "a GIF has at least one picture"))
    data = b""
    for scale, colours in _ATTEMPTS:
        data = _encoded(pictures, frame_ms, scale, colours)
        if len(data) <= budget_bytes:
            break
    return data


def last_frame_png(drive: Drive, height: int = 160) -> bytes:
    """Return the last camera frame of `drive` as PNG, `height` pixels high. Raises DataError without frames."""
    if not drive.frames:
        raise DataError(problem("drive.frames", (), "a picture of the last frame needs frames"))
    buffer = io.BytesIO()
    camera_picture(drive.frames[-1], height).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _encoded(pictures: Sequence[Image.Image], frame_ms: int, scale: float, colours: int) -> bytes:
    size = (max(1, round(pictures[0].width * scale)), max(1, round(pictures[0].height * scale)))
    scaled = [picture if scale == 1.0 else picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]
    palette = _shared_palette(scaled, colours)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in scaled]
    durations = [frame_ms] * (len(indexed) - 1) + [PAUSE_MS]
    buffer = io.BytesIO()
    indexed[0].save(
        buffer, format="GIF", save_all=True, append_images=indexed[1:], duration=durations, loop=0, optimize=True, disposal=1
    )
    return buffer.getvalue()


def _shared_palette(pictures: Sequence[Image.Image], colours: int) -> Image.Image:
    """One palette for all frames, with the drawn colours in it: nothing flickers, and unchanged pixels cost nothing."""
    sample = [*pictures[:: max(1, len(pictures) // 6)], pictures[-1]]
    strip = Image.new("RGB", (sample[0].width, sample[0].height * len(sample)))
    for row, picture in enumerate(sample):
        strip.paste(picture, (0, row * picture.height))
    found = strip.quantize(max(2, colours - len(DRAWN_COLOURS)), method=Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(level for colour in DRAWN_COLOURS for level in colour), *found])
    return palette


def _frame_ms(drives: Sequence[Drive], speed: float) -> int:
    if speed <= 0:
        raise DataError(problem("speed", speed, "a GIF's speed is a factor greater than 0"))
    longest = max(drives, key=lambda drive: len(drive.frames))
    return max(MIN_FRAME_MS, round(1000 * longest.duration_s / max(len(longest.frames), 1) / speed))
