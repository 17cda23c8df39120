"""The closed-loop report: `report.html`, one page that needs nothing else, and `report.json` with the same numbers.

The page is made from the JSON tree, never from numbers of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from mobile_vla.core.atomic import write_text
from mobile_vla.evaluation import report_html as html
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.pictures import Picture
from mobile_vla.evaluation.report_html import Section
from mobile_vla.evaluation.report_pictures import failure_figures, path_figures
from mobile_vla.evaluation.summary import AGENTS, ENDS, RunSummary

Tree = Mapping[str, Any]

SUCCESS_MEANS: Final = f"Success means: {ENDS['success']}."
STAGES: Final = {"collect": "Collecting drives", "train": "Training", "evaluate": "Evaluating", "total": "Total"}


@dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    html: Path
    json: Path


def write_report(
    folder: Path | str,
    summary: RunSummary,
    drives: Sequence[Drive],
    gifs: Sequence[Picture] = (),
    extra_sections: Sequence[Section] = (),
) -> ReportFiles:
    """Write `report.html` and `report.json` to `folder`, each whole or not at all.

    Args:
        folder: made when missing.
        summary: the numbers; the page is about `summary.headline`.
        drives: every drive; those of the headline agent are drawn from above, its failures one by one.
        gifs: what the camera saw (`pictures.drive_picture`), carried inside the page.
        extra_sections: shown before the notes at the end.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    tree = summary.to_json()
    agent = summary.headline.agent
    page = html.page(
        "Mobile VLA: closed-loop report", headline(tree, agent), _sections(tree, agent, drives, gifs, extra_sections)
    )
    files = ReportFiles(folder / "report.html", folder / "report.json")
    write_text(files.html, page)
    write_text(files.json, json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return files


def headline(tree: Tree, agent: str) -> str:
    """Return the report's one sentence as HTML: the success of `agent` with n and interval."""
    row = tree["agents"][agent]
    result = f"{html.share(row['success'])} of {row['n']} drives (95 % interval {html.interval(row['ci95'])})"
    return f"The {escape(html.words(agent))} reached the goal on the instructed side in {result}."


def _sections(
    tree: Tree, agent: str, drives: Sequence[Drive], gifs: Sequence[Picture], extra: Sequence[Section]
) -> list[Section]:
    own = [drive for drive in drives if drive.agent == agent]
    name = html.words(agent)
    return [
        Section("Beside the baselines", agent_table(tree, agent)),
        Section(f"The {name}, by scenario", scenario_table(tree, agent)),
        Section("What the camera saw", _gallery(gifs)),
        Section(f"Paths of the {name} from above", path_figures(own)),
        Section(f"Failures of the {name}", _failures(tree, agent, own)),
        *extra,
        Section("How to read this", _reading(tree)),
        Section("Scenes", _scenes(tree)),
        Section("Time and hardware", _run(tree)),
    ]


def agent_table(tree: Tree, main: str) -> str:
    """Return the table with one row per agent; `main` stands out."""
    columns = ("agent", "success", "n", "95 % interval", "side followed", "of n", "mean gap", "mean path", "mean time")
    rows = [(html.words(name), _cells(row), name == main) for name, row in tree["agents"].items()]
    return f"<p>{escape(SUCCESS_MEANS)}</p>{html.table('Every agent, all scenarios together', columns, rows)}{_SIDE_NOTE}"


_SIDE_NOTE: Final = (
    '<p class="small">Side followed: drives that passed every box on the side asked for, of those that passed every box. '
    "Intervals: Wilson, 95 %.</p>"
)


def scenario_table(tree: Tree, agent: str) -> str:
    """Return the table of `agent` with one row per scenario."""
    columns = ("scenario", "success", "n", "95 % interval", "side followed", "of n", "mean gap", "mean path", "mean time")
    rows = [(name, _cells(row), False) for name, row in tree["agents"][agent]["scenarios"].items()]
    return html.table(f"The {html.words(agent)}, each scenario", columns, rows)


def _cells(row: Tree) -> list[str]:
    return [
        html.share(row["success"]),
        str(row["n"]),
        f'<td class="interval">{html.interval_bar(row["success"], row["ci95"])}</td>',
        html.share(row["side_followed"]),
        str(row["side_n"]),
        html.number(row["mean_gap_m"], "m"),
        html.number(row["mean_path_length_m"], "m"),
        html.number(row["mean_duration_s"], "s", 1),
    ]


def _gallery(gifs: Sequence[Picture]) -> str:
    figures = [html.figure(html.image(gif.data, gif.media_type, gif.alt), escape(gif.caption)) for gif in gifs]
    return f'<div class="grid wide">{"".join(figures)}</div>' if figures else ""


def _failures(tree: Tree, agent: str, own: Sequence[Drive]) -> str:
    ends = {end: count for end, count in tree["agents"][agent]["ends"].items() if end != "success"}
    if not ends:
        return "<p>None.</p>"
    n = tree["agents"][agent]["n"]
    rows = [
        (html.words(end), [str(count), html.share(count / n), f'<td class="words">{escape(ENDS[end])}</td>'], False)
        for end, count in ends.items()
    ]
    return html.table("How drives failed", ("end", "drives", "of all", "meaning"), rows) + failure_figures(own)


def _reading(tree: Tree) -> str:
    known = {html.words(name): AGENTS[name] for name in tree["agents"] if name in AGENTS}
    advice = (
        "A success counts for something when its whole interval lies above those of the baselines (the expert apart). "
        "With few drives the intervals are wide: do not choose between two policies whose intervals overlap."
    )
    return f"<p>{advice}</p>{html.definitions(known)}"


def _scenes(tree: Tree) -> str:
    seeds = {name: row["seeds"] for name, row in tree["agents"].items()}
    alike = len({tuple(values) for values in seeds.values()}) == 1
    lines = {html.words(name): spans(values) for name, values in seeds.items()}
    said = "All agents drove the same seeds." if alike else "The agents drove different seeds."
    return f"<p>{said if len(seeds) > 1 else ''} The same seed gives the same scene again.</p>{html.definitions(lines)}"


def spans(seeds: Sequence[int]) -> str:
    """Return sorted seeds as text, runs shortened: `[1, 2, 3, 7]` -> `1 to 3, 7`."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _run(tree: Tree) -> str:
    times = {STAGES.get(stage, html.words(stage)): f"{seconds:.1f} s" for stage, seconds in tree["wall_s"].items()}
    machine = {html.words(name): "none" if value is None else value for name, value in tree["hardware"].items()}
    return (html.definitions(times) if times else "") + (html.definitions(machine) if machine else "")
