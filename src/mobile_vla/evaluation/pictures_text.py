"""Letters for pictures: Pillow's own font for Latin, a Hangul font of the system for Korean, and plain English without one.

Pillow's built-in font has no Hangul. So a caption that this machine cannot draw is replaced by what it asks for in English;
pages show the original text beside the picture in any case.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from PIL import ImageFont

from mobile_vla.task.instructions import named_side

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

HANGUL_FONTS: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKkr-Regular.otf",
    "NotoSansKR-Regular.ttf",
    "NotoSansKR-Regular.otf",
    "NanumGothic.ttf",
    "malgun.ttf",
    "AppleSDGothicNeo.ttc",
    "AppleGothic.ttf",
    "UnDotum.ttf",
)
"""Common Hangul fonts by file name; Pillow looks for them in the folders of Linux, Windows and macOS."""


def drawable(text: str, size_px: int) -> tuple[str, Font]:
    """Return the text to draw for `text` and the font to draw it with, `size_px` pixels high."""
    if _is_latin(text):
        return text, latin_font(size_px)
    font = hangul_font(size_px)
    return (text, font) if font is not None else (_in_english(text), latin_font(size_px))


@lru_cache(maxsize=16)
def latin_font(size_px: int) -> Font:
    """Return Pillow's built-in font; it needs no file on the system."""
    return ImageFont.load_default(size=size_px)


@lru_cache(maxsize=16)
def hangul_font(size_px: int) -> ImageFont.FreeTypeFont | None:
    """Return the first of `HANGUL_FONTS` found on this machine, or None."""
    for name in HANGUL_FONTS:
        try:
            return ImageFont.truetype(name, size_px)
        except OSError:
            continue
    return None


def wrapped(text: str, font: Font, width_px: int) -> list[str]:
    """Return `text` as lines that are at most `width_px` wide in `font`; a single longer word keeps its own line."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _is_latin(text: str) -> bool:
    return all(ord(letter) < 256 for letter in text)


def _in_english(text: str) -> str:
    side = named_side(text)
    return f"(in Korean) pass on the {side}" if side else "(in Korean) reach the goal"
