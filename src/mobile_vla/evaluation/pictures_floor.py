"""Drives seen from above, as inline SVG: boxes, goal, start, and the paths coloured by the side taken, failures dashed.

Seen from the robot's start: +x (ahead) is up, +y (left) is left. Colours are CSS variables with a fallback, so that the picture
follows a page's light or dark theme and still stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import count
from typing import Final

from mobile_vla.evaluation.outcome import BoxFootprint, Drive

MARGIN_M: Final = 0.25
STEP_M: Final = 0.04
"""Points of a path nearer than this to the last drawn one are left out."""

_SIDE_STYLE: Final = {
    "left": "stroke:var(--left,#1d6fd1)",
    "right": "stroke:var(--right,#c8570a)",
    "mixed": "stroke:var(--mixed,#7b5aa6)",
    None: "stroke:var(--mixed,#7b5aa6)",
}
_IDS = count()

View = tuple[float, float, float, float]
"""Left, top, width and height of the picture in its own metres: `u = -y`, `v = -x`."""


def floor_svg(drives: Sequence[Drive], title: str) -> str:
    """Return one inline `<svg>` with all `drives` drawn over each other.

    Args:
        drives: at least one; with several, boxes and goals are drawn faintly, so that crowded places show.
        title: what a screen reader says and what hovering shows.

    Raises:
        ValueError: no drives.
    """
    if not drives:
        raise ValueError("drives = (): a picture from above needs at least one drive.")
    left, top, width, height = _view(drives)
    label = f"floor-{next(_IDS)}"
    faint = max(0.12, 1.0 / len(drives)) if len(drives) > 1 else 1.0
    parts = [f'<svg class="floor" role="img" aria-labelledby="{label}" xmlns="http://www.w3.org/2000/svg" ']
    parts.append(f'viewBox="{left:.2f} {top:.2f} {width:.2f} {height:.2f}"><title id="{label}">{escape(title)}</title>')
    for drive in drives:
        parts.append(_scene(drive, faint))
    for drive in sorted(drives, key=lambda one: not one.success):
        parts.append(_path(drive))
    parts.append(_start(drives[0]))
    return "".join(parts) + "</svg>"


def _view(drives: Sequence[Drive]) -> View:
    points = [point for drive in drives for point in _extent(drive)]
    left, right = min(-y for _, y in points) - MARGIN_M, max(-y for _, y in points) + MARGIN_M
    top, bottom = min(-x for x, _ in points) - MARGIN_M, max(-x for x, _ in points) + MARGIN_M
    reach = max(-left, right, 0.4 * (bottom - top))  # symmetric, so that left and right are seen at a glance
    return (-reach, top, 2 * reach, bottom - top)


def _extent(drive: Drive) -> Iterator[tuple[float, float]]:
    radius = drive.floor.robot_radius_m
    yield from ((-radius, -radius), (radius, radius))
    x, y, goal_radius = drive.floor.goal
    yield from ((x - goal_radius, y - goal_radius), (x + goal_radius, y + goal_radius))
    for box in drive.floor.boxes:
        yield from corners(box)
    yield from ((x, y) for x, y, _ in drive.path)


def corners(box: BoxFootprint) -> list[tuple[float, float]]:
    """Return the four corners (x, y) of `box` in the world frame, metres, in order around it."""
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    offsets = [(a * box.half_x, b * box.half_y) for a, b in signs]
    return [(box.x + cos * a - sin * b, box.y + sin * a + cos * b) for a, b in offsets]


def _scene(drive: Drive, opacity: float) -> str:
    parts = []
    for box in drive.floor.boxes:
        points = " ".join(f"{-y:.2f},{-x:.2f}" for x, y in corners(box))
        parts.append(f'<polygon points="{points}" style="fill:var(--box,#b08968)" opacity="{opacity:.2f}"/>')
    x, y, radius = drive.floor.goal
    circle = f'<circle cx="{-y:.2f}" cy="{-x:.2f}" r="{radius:.2f}"'
    parts.append(f'{circle} style="fill:var(--goal,#2a9d5c)" opacity="{opacity:.2f}"/>')
    return "".join(parts)


def _path(drive: Drive) -> str:
    points = _thinned(drive)
    if not points:
        return ""
    drawn = " ".join(f"{-y:.2f},{-x:.2f}" for x, y in points)
    dash = "" if drive.success else ' stroke-dasharray="0.09 0.07"'
    kind = "path" if drive.success else "path failed"
    line = f'<polyline class="{kind}" points="{drawn}" fill="none" style="{_SIDE_STYLE[drive.side_taken]}" stroke-width="0.03"'
    svg = f'{line} stroke-linejoin="round" opacity="0.85"{dash}/>'
    return svg if drive.success else svg + _cross(*points[-1])


def _thinned(drive: Drive) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for x, y, _ in drive.path:
        if not kept or math.hypot(x - kept[-1][0], y - kept[-1][1]) >= STEP_M:
            kept.append((x, y))
    if drive.path and kept[-1] != drive.path[-1][:2]:
        kept.append(drive.path[-1][:2])
    return kept


def _cross(x: float, y: float, arm: float = 0.07) -> str:
    u, v = -y, -x
    strokes = (
        f"M{u - arm:.2f} {v - arm:.2f}L{u + arm:.2f} {v + arm:.2f}M{u - arm:.2f} {v + arm:.2f}L{u + arm:.2f} {v - arm:.2f}"
    )
    return f'<path class="end" d="{strokes}" style="stroke:var(--bad,#c22f3d)" stroke-width="0.045" fill="none"/>'


def _start(drive: Drive) -> str:
    radius = drive.floor.robot_radius_m
    x, y, yaw = drive.path[0] if drive.path else (0.0, 0.0, 0.0)
    nose = (-y - radius * math.sin(yaw), -x - radius * math.cos(yaw))
    style = 'style="stroke:var(--ink,#222);fill:none" stroke-width="0.025"'
    hull = f'<circle class="start" cx="{-y:.2f}" cy="{-x:.2f}" r="{radius:.2f}" {style}/>'
    return f'{hull}<path d="M{-y:.2f} {-x:.2f}L{nose[0]:.2f} {nose[1]:.2f}" {style}/>'
