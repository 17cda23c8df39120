"""The open-loop report: `open_loop.html`, one page that needs nothing else, and `open_loop.json` with the same numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from mobile_vla.core.atomic import write_text
from mobile_vla.evaluation import report_html as html
from mobile_vla.evaluation.open_loop import CLASSES, PREDICTORS, HeldOut, OpenLoopResult
from mobile_vla.evaluation.open_loop_picture import steered_column, track_svg
from mobile_vla.evaluation.report_html import Section
from mobile_vla.task.actions import ACTION_NAMES, VELOCITY_DIM
from mobile_vla.task.motion import DEAD_BAND

Tree = Mapping[str, Any]

MAX_TRACKS: Final = 12
"""Most held-out episodes that are drawn."""

_CLASS_NAMES: Final = {"type_accuracy": "action type", "pm": "PM, perfect match", "dm": "DM, direction match"}
_UNITS: Final = dict(zip(ACTION_NAMES[:VELOCITY_DIM], ("m/s", "m/s", "rad/s"), strict=True))


def write_open_loop_report(
    folder: Path | str,
    result: OpenLoopResult,
    held_out: Sequence[HeldOut],
    column: int | None = None,
    about: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write `open_loop.html` and `open_loop.json` to `folder`, each whole or not at all, and return their paths.

    Args:
        folder: made when missing.
        result: from `open_loop.measure`.
        held_out: the episodes; the first `MAX_TRACKS` are drawn.
        column: the velocity to draw, 0 to 2; None draws the one that steers (see `steered_column`).
        about: what was measured, plain JSON values; shown, and stored under `about`.
        notes: what a reader has to know before the numbers; shown at the top, and stored under `notes`.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    tree = {**result.to_json(), "notes": list(notes), "about": dict(about or {})}
    sections = [
        Section("Before you read the numbers", "".join(f"<p>{escape(note)}</p>" for note in notes)),
        Section("Predicted against driven", _tracks(held_out, column)),
        Section("Classes", _class_table(tree)),
        Section("Errors", _error_table(tree)),
        Section("Is the model better than knowing nothing?", _gain_table(tree)),
        Section("Each direction by itself", _recall_table(tree)),
        Section("What was measured", _about(about or {})),
        Section("How to read this", _reading()),
    ]
    page, numbers = folder / "open_loop.html", folder / "open_loop.json"
    write_text(page, html.page("Mobile VLA: open-loop report", headline(tree), sections))
    write_text(
        numbers,
        json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    )
    return page, numbers


def headline(tree: Tree) -> str:
    """Return the report's one sentence as HTML: direction match beside the better baseline, with n and interval."""
    rows = {who: row["dm"] for who, row in tree["measures"].items()}
    best = max(("constant", "time_only"), key=lambda who: rows[who]["value"])
    ours = (
        f"{html.share(rows['model']['value'])} of {tree['frames']} held-out frames ({_episodes(tree)}, {_ends(rows['model'])})"
    )
    return (
        f"The model names the driven direction in {ours}; the best guess without looking in {html.share(rows[best]['value'])}."
    )


def _episodes(tree: Tree) -> str:
    return "1 episode" if tree["episodes"] == 1 else f"{tree['episodes']} episodes"


def _ends(one: Tree) -> str:
    return f"95 % interval {html.interval(one['ci95'])}" if one["ci95"] else "no interval from one episode"


def _class_table(tree: Tree) -> str:
    columns = ["predictor", *(part for name in CLASSES for part in (_CLASS_NAMES[name], "95 % interval"))]
    rows = []
    for who, measures in tree["measures"].items():
        cells = [cell for name in CLASSES for cell in _share_cells(measures[name])]
        rows.append((html.words(who), cells, who == "model"))
    return html.table(f"Share of frames whose class is right; n = {tree['frames']} frames of {_episodes(tree)}", columns, rows)


def _share_cells(one: Tree) -> tuple[str, str]:
    return html.share(one["value"]), f'<td class="interval">{html.interval_bar(one["value"], one["ci95"])}</td>'


def _error_table(tree: Tree) -> str:
    names = [f"{kind}.{column}" for column in _UNITS for kind in ("mae", "rmse")]
    columns = [
        "predictor",
        *(f"{kind.upper()} {column}, {_UNITS[column]}" for kind, column in (name.split(".") for name in names)),
    ]
    rows = [
        (html.words(who), [_number_with_interval(measures[name]) for name in names], who == "model")
        for who, measures in tree["measures"].items()
    ]
    return html.table(
        f"Errors of the velocities, lower is better; n = {tree['frames']} frames of {_episodes(tree)}", columns, rows
    )


def _number_with_interval(one: Tree, digits: int = 3) -> str:
    ends = f"{one['ci95'][0]:.{digits}f} to {one['ci95'][1]:.{digits}f}" if one["ci95"] else "no interval"
    return f'{html.number(one["value"], digits=digits)}<br><span class="small">{ends}</span>'


def _gain_table(tree: Tree) -> str:
    names = [f"mae.{column}" for column in _UNITS] + list(CLASSES)
    columns = ["measure", *(f"better than {html.words(who)} by" for who in tree["better_than"])]
    rows = [(_label(name), [_gain(row[name], name) for row in tree["better_than"].values()], False) for name in names]
    note = "Paired by frame. The model is clearly better where the whole interval lies above 0."
    return f"<p>{note}</p>{html.table('Gain of the model over each baseline', columns, rows)}"


def _label(name: str) -> str:
    kind, _, column = name.partition(".")
    return f"{kind.upper()} {column}, {_UNITS[column]}" if column else _CLASS_NAMES[kind]


def _gain(one: Tree, name: str) -> str:
    if name not in CLASSES:
        return _number_with_interval(one)
    ends = f"{one['ci95'][0] * 100:.1f} to {one['ci95'][1] * 100:.1f}" if one["ci95"] else "no interval"
    return f'<data value="{one["value"]!r}">{one["value"] * 100:.1f} points</data><br><span class="small">{ends}</span>'


def _recall_table(tree: Tree) -> str:
    columns = ["driven direction", "frames", *(html.words(who) for who in tree["recall"])]
    rows = [
        (direction, [str(frames), *(html.share(row[direction]) for row in tree["recall"].values())], False)
        for direction, frames in tree["directions"].items()
    ]
    return html.table("Share of the frames driven in a direction that each predictor names", columns, rows)


def _tracks(held_out: Sequence[HeldOut], column: int | None) -> str:
    if not held_out:
        return ""
    chosen = held_out[0] if column is None else None
    drawn = column if chosen is None else steered_column(chosen)
    assert drawn is not None
    figures = [
        html.figure(
            track_svg(one, drawn), f"<b>{escape(one.name)}</b>, {escape(ACTION_NAMES[drawn])}, {len(one.recorded)} frames"
        )
        for one in held_out[:MAX_TRACKS]
    ]
    rest = f" {len(figures)} of {len(held_out)} episodes are drawn." if len(figures) < len(held_out) else ""
    note = f"Driven: line. Predicted: dashed. + is to the left.{rest}" if drawn else f"Driven: line. Predicted: dashed.{rest}"
    return f'<p>{note}</p><div class="grid tracks">{"".join(figures)}</div>'


def _about(about: Tree) -> str:
    shown = {html.words(key): _plain(value) for key, value in about.items() if value is not None}
    return html.definitions(shown) if shown else ""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{html.words(str(key))} {one}" for key, one in value.items() if one is not None)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _reading() -> str:
    bands = (
        f"A velocity counts as zero up to {DEAD_BAND[0]:g} m/s ahead, {DEAD_BAND[1]:g} m/s sideways, {DEAD_BAND[2]:g} rad/s."
    )
    lines = {
        **{html.words(who): text for who, text in PREDICTORS.items()},
        "PM": f"Frames whose action class (signs of the three velocities) equals the recorded one. {bands}",
        "DM": "Frames whose motion direction (left, straight, right, stop) equals the recorded one.",
        "Interval": "95 %, from drawing whole episodes anew: frames of one episode resemble each other. "
        "Near 0 or 100 %, and with few episodes, it is too narrow.",
    }
    advice = (
        "A policy that copies recordings well may still not drive. Judge it by closed-loop success before it goes on a robot."
    )
    return f"<p>{advice}</p>{html.definitions(lines)}"
