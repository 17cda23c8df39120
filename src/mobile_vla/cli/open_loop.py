"""`mobile-vla open-loop`: parse, call `jobs.open_loop.run_open_loop`, print a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from mobile_vla.evaluation.open_loop import Measure, OpenLoopResult

_ROWS: Final = {
    "mae.linear_x": ("MAE linear_x, m/s", False),
    "mae.linear_y": ("MAE linear_y, m/s", False),
    "mae.angular_z": ("MAE angular_z, rad/s", False),
    "rmse.angular_z": ("RMSE angular_z, rad/s", False),
    "type_accuracy": ("action type right", True),
    "pm": ("PM, perfect match", True),
    "dm": ("DM, direction match", True),
}
"""Measure -> its words, and whether it is a share."""

_HEADS: Final = {"model": "model", "constant": "mean action", "time_only": "time only"}


def open_loop(
    checkpoint: Annotated[Path, typer.Option(help="The policy; split.json lies beside it.", show_default=False)],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the episodes. Default: the one trained on.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report. Default: open_loop, beside the checkpoints folder.")
    ] = None,
    every_episode: Annotated[
        bool, typer.Option("--all", help="Measure on all episodes of the folder, also those trained on.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
) -> None:
    """Compare predicted with recorded actions on episodes that the policy has not been trained on."""
    from rich.console import Console

    from mobile_vla.jobs.open_loop import run_open_loop

    done = run_open_loop(checkpoint, data_dir, out, every_episode=every_episode, device=device)
    console = Console(soft_wrap=True)
    console.print(result_table(done.result))
    for note in done.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
    console.print(f"Report: {done.page}", markup=False, highlight=False)
    console.print(f"Numbers: {done.numbers}", markup=False, highlight=False)


def result_table(result: OpenLoopResult) -> Table:
    """Return the measures as a table: one row per measure, one column per predictor, each 95 % interval below its number."""
    from rich.table import Table

    episodes = "1 episode" if result.episodes == 1 else f"{result.episodes} episodes"
    table = Table(
        title=f"Open loop: {result.frames} frames of {episodes}; below each number its 95 % interval over episodes",
        title_justify="left",
    )
    table.add_column("measure", no_wrap=True)
    for who in result.measures:
        table.add_column(_HEADS[who], justify="right", no_wrap=True, style="bold" if who == "model" else "")
    for name, (label, share) in _ROWS.items():
        table.add_row(label, *(_cell(row[name], share) for row in result.measures.values()))
    return table


def _cell(one: Measure, share: bool) -> str:
    scale, digits = (100.0, 1) if share else (1.0, 3)
    value = f"{one.value * scale:.{digits}f}{' %' if share else ''}"
    if one.ci95 is None:
        return value
    return f"{value}\n[dim]{one.ci95[0] * scale:.{digits}f} to {one.ci95[1] * scale:.{digits}f}[/dim]"
