"""Predicted against driven velocity over time, as inline SVG: one track per held-out stretch."""

from __future__ import annotations

from html import escape
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.evaluation.open_loop import HeldOut
from mobile_vla.task.actions import ACTION_NAMES, VELOCITY_LIMIT

WIDTH: Final = 440
HEIGHT: Final = 160
LEFT: Final = 50
BOTTOM: Final = 26
TOP: Final = 10
MAX_POINTS: Final = 600
"""Longer stretches are cut to this many frames: more would be a smear."""

_UNITS: Final = ("m/s", "m/s", "rad/s")
_IDS = count()


def steered_column(held_out: HeldOut) -> int:
    """Return the column that steers this recording: angular_z (2), or linear_y (1) where sideways speed varies more."""
    spread = held_out.recorded.std(axis=0)
    return 1 if spread[1] > spread[2] else 2


def track_svg(held_out: HeldOut, column: int) -> str:
    """Return one inline `<svg>`: the recorded velocity of `column` (0 to 2) as a line, the predicted one dashed over it."""
    frames = min(len(held_out.recorded), MAX_POINTS)
    driven, predicted = held_out.recorded[:frames, column], held_out.predicted[:frames, column]
    highest = float(np.abs(np.concatenate([driven, predicted])).max())
    top = min(max(0.1, 1.1 * highest), max(VELOCITY_LIMIT, highest))
    label = f"track-{next(_IDS)}"
    title = f"{ACTION_NAMES[column]} of {held_out.name}, {frames} frames: driven as a line, predicted dashed"
    parts = [
        f'<svg class="track" role="img" aria-labelledby="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{label}">{escape(title)}</title>',
        _axes(top, frames / held_out.rate_hz, _UNITS[column]),
        _line(driven, top, "driven", 'style="stroke:var(--ink,#222)" stroke-width="1.6" opacity="0.75"'),
        _line(predicted, top, "predicted", 'style="stroke:var(--right,#c8570a)" stroke-width="1.8" stroke-dasharray="5 3"'),
    ]
    return "".join(parts) + "</svg>"


def _line(values: NDArray[np.floating], top: float, kind: str, style: str) -> str:
    across = LEFT + np.arange(len(values)) / max(len(values) - 1, 1) * (WIDTH - LEFT - 8)
    points = " ".join(f"{u:.1f},{_height(float(value), top):.1f}" for u, value in zip(across, values, strict=True))
    return f'<polyline class="{kind}" points="{points}" fill="none" {style}/>'


def _height(value: float, top: float) -> float:
    return TOP + (1 - value / top) / 2 * (HEIGHT - TOP - BOTTOM)


def _axes(top: float, seconds: float, unit: str) -> str:
    text = 'font-size="11" style="fill:var(--soft,#666)"'
    parts = []
    for value in (top, 0.0, -top):
        v = _height(value, top)
        parts.append(f'<path d="M{LEFT} {v:.1f}H{WIDTH - 8}" style="stroke:var(--line,#ddd)"/>')
        shown = f"{value:+.2f}" if value else f"0 {unit}"
        parts.append(f'<text x="{LEFT - 5}" y="{v + 4:.1f}" text-anchor="end" {text}>{shown}</text>')
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        u = LEFT + share * (WIDTH - LEFT - 8)
        parts.append(f'<text x="{u:.0f}" y="{HEIGHT - 8}" text-anchor="{anchor}" {text}>{share * seconds:.1f} s</text>')
    return "".join(parts)
