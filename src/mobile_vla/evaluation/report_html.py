"""The pieces of a page: numbers, interval bars, tables, figures. Everything that came from outside is escaped here.

A share is printed inside `<data value="...">` with its full precision, so that a page can be checked against its JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from mobile_vla.evaluation.report_style import STYLE

MISSING: Final = '<span class="soft">none</span>'


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: plain text; escaped by `page`.
        html: the body; already safe HTML.
    """

    title: str
    html: str


def page(title: str, headline: str, sections: Iterable[Section]) -> str:
    """Return a whole HTML page that needs no other file.

    Args:
        title: plain text, for the window and the top line.
        headline: safe HTML, the sentence that a hurried reader reads.
        sections: parts in order; empty ones are left out.
    """
    parts = [f"<section><h2>{escape(part.title)}</h2>{part.html}</section>" for part in sections if part.html]
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f"{meta}<title>{escape(title)}</title>"
    body = f'<main><h1>{escape(title)}</h1><p class="headline">{headline}</p>{"".join(parts)}</main>'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>{body}</body></html>\n'


def share(value: float | None) -> str:
    """Return a share (0 to 1) as a percentage with one decimal."""
    return MISSING if value is None else f'<data value="{value!r}">{value * 100:.1f} %</data>'


def number(value: float | None, unit: str = "", digits: int = 2) -> str:
    """Return `value` with its unit."""
    return MISSING if value is None else f'<data value="{value!r}">{value:.{digits}f}</data>{" " + unit if unit else ""}'


def interval(ends: Sequence[float] | None) -> str:
    """Return a 95 % interval of a share as words that stay on one line."""
    return MISSING if ends is None else f'<span class="keep">{ends[0] * 100:.1f} to {ends[1] * 100:.1f} %</span>'


def interval_bar(value: float | None, ends: Sequence[float] | None) -> str:
    """Return the words of an interval above a bar: a track from 0 to 100 %, the interval on it, a tick at the share itself."""
    if value is None or ends is None:
        return MISSING
    low, high = ends[0] * 100, ends[1] * 100
    wide = max(high - low, 0.8)
    band = f'<rect x="{low:.2f}" y="3" width="{wide:.2f}" height="6" rx="1" style="fill:var(--bar)" opacity="0.45"/>'
    tick = f'<rect x="{min(max(value * 100 - 0.6, 0), 98.8):.2f}" y="1" width="1.2" height="10" style="fill:var(--bar)"/>'
    track = '<rect x="0" y="5" width="100" height="2" style="fill:var(--track)"/>'
    return f'{interval(ends)}<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">{track}{band}{tick}</svg>'


def table(caption: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str], bool]]) -> str:
    """Return a table in a box of its own that scrolls sideways on a phone.

    Args:
        caption: plain text.
        columns: plain text, the first one heads the row names.
        rows: name (plain text), cells (safe HTML; `<td ...>` is kept, else wrapped), and whether the row stands out.
    """
    head = "".join(f'<th scope="col"{_alignment(column)}>{escape(column)}</th>' for column in columns)
    body = "".join(_row(*row) for row in rows)
    label = escape(caption, quote=True)
    inner = f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">{inner}</div>'


_LEFT_COLUMNS: Final = ("95 % interval", "meaning")


def _alignment(column: str) -> str:
    return ' class="left"' if column in _LEFT_COLUMNS else ""


def _row(name: str, cells: Sequence[str], stands_out: bool) -> str:
    wrapped = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
    return f'<tr{" class=main" if stands_out else ""}><th scope="row">{escape(name)}</th>{wrapped}</tr>'


def image(data: bytes, media_type: str, alt: str) -> str:
    """Return an `<img>` that carries its own bytes."""
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img src="data:{escape(media_type, quote=True)};base64,{encoded}" alt="{escape(alt, quote=True)}">'


def figure(picture: str, caption: str) -> str:
    """Return a figure; both arguments are safe HTML."""
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def definitions(pairs: Mapping[str, Any]) -> str:
    """Return names and values (plain text) as a definition list."""
    return f"<dl>{''.join(f'<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>' for name, value in pairs.items())}</dl>"


def words(name: str) -> str:
    """Return a name from the code as words: `stopped_early` -> `stopped early`."""
    return name.replace("_", " ")
