"""Option values that several commands parse the same way."""

from __future__ import annotations

import re

import typer


def image_size(text: str) -> tuple[int, int]:
    """Return height and width of a text such as `720x1280`. Raises typer.BadParameter for anything else."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None or "0" in found.groups():
        raise typer.BadParameter(f"{text!r} is not HEIGHTxWIDTH in pixels, for example 720x1280.")
    return int(found[1]), int(found[2])
