"""The report's pictures from above: all paths of a scenario over each other, and every failure by itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from mobile_vla.evaluation import report_html as html
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.pictures import last_frame_png
from mobile_vla.evaluation.pictures_floor import floor_svg
from mobile_vla.evaluation.summary import ENDS

MAX_PATHS: Final = 40
"""Most paths drawn over each other in one picture; failures come first."""

MAX_FAILURES: Final = 24
"""Most failures of one kind that are shown by themselves."""

_KEY: Final = (
    ("passed on the left", '<path d="M2 8H30" style="stroke:var(--left)" stroke-width="4"/>'),
    ("passed on the right", '<path d="M2 8H30" style="stroke:var(--right)" stroke-width="4"/>'),
    ("mixed, or not past every box", '<path d="M2 8H30" style="stroke:var(--mixed)" stroke-width="4"/>'),
    ("failure", '<path d="M2 8H30" style="stroke:var(--ink)" stroke-width="4" stroke-dasharray="7 4"/>'),
    ("box", '<rect x="6" y="2" width="20" height="12" style="fill:var(--box)"/>'),
    ("goal", '<circle cx="16" cy="8" r="6" style="fill:var(--goal)"/>'),
    ("robot at the start", '<circle cx="16" cy="8" r="6" fill="none" style="stroke:var(--ink)" stroke-width="2"/>'),
)


def path_figures(drives: Sequence[Drive]) -> str:
    """Return a figure per scenario with the paths of its `drives` (of one agent), and the key; empty without drives."""
    if not drives:
        return ""
    names = sorted({drive.scenario for drive in drives})
    figures = [_scenario_figure(name, [drive for drive in drives if drive.scenario == name]) for name in names]
    return f'{_key()}<div class="grid">{"".join(figures)}</div>'


def failure_figures(drives: Sequence[Drive]) -> str:
    """Return the failures among `drives` by kind: scene, instruction, numbers and, if frames were kept, the last of them."""
    parts = []
    for end in ENDS:
        failed = [drive for drive in drives if drive.end == end and not drive.success]
        if failed:
            shown = failed[:MAX_FAILURES]
            rest = f" ({len(shown)} of {len(failed)} shown)" if len(shown) < len(failed) else ""
            parts.append(f"<h3>{escape(html.words(end)).capitalize()}{rest}</h3>")
            parts.append(f'<div class="grid">{"".join(_failure_figure(drive) for drive in shown)}</div>')
    return "".join(parts)


def _scenario_figure(name: str, drives: Sequence[Drive]) -> str:
    shown = sorted(drives, key=lambda drive: drive.success)[:MAX_PATHS]
    succeeded = sum(drive.success for drive in drives)
    drawn = "" if len(shown) == len(drives) else f", {len(shown)} drawn"
    title = f"{name} from above: {succeeded} of {len(drives)} drives succeeded{drawn}"
    return html.figure(floor_svg(shown, title), f"<b>{escape(name)}</b><br>{succeeded} of {len(drives)}{drawn}")


def _failure_figure(drive: Drive) -> str:
    what = f"{drive.scenario}, seed {drive.seed}"
    picture = floor_svg([drive], f"{what} from above: {html.words(drive.end)}")
    if drive.frames:
        picture += html.image(last_frame_png(drive), "image/png", f"Last camera picture of {what}")
    said = escape(drive.instruction) if drive.instruction else "no instruction"
    numbers = f"gap {drive.gap_m:.2f} m, {drive.duration_s:.1f} s, {drive.path_length_m:.1f} m driven"
    return html.figure(picture, f"<b>{escape(drive.scenario)}</b>, seed {drive.seed}<br>{said}<br>{numbers}")


def _key() -> str:
    items = [f'<li><svg viewBox="0 0 32 16" aria-hidden="true">{shape}</svg>{escape(label)}</li>' for label, shape in _KEY]
    return f'<ul class="key">{"".join(items)}</ul>'
