"""`mobile-vla evaluate`: parse, call `jobs.evaluate`, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    checkpoint: Annotated[Path, typer.Option(help="The policy under test.", show_default=False)],
    episodes: Annotated[
        int, typer.Option("--episodes", "-n", min=1, help="Drives per agent, spread over the scenarios.")
    ] = 240,
    agent: Annotated[list[str] | None, typer.Option(help="Only this agent (repeatable).", show_default="all")] = None,
    level: Annotated[int, typer.Option(min=0, max=2, help="Randomisation: 0 none, 1 a lab, 2 wide.")] = 1,
    wording: Annotated[str, typer.Option(help="Instructions: train, or held_out paraphrases.")] = "train",
    data_dir: Annotated[
        Path | None, typer.Option(help="Training episodes, for the clock_only baseline.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.", show_default="beside the checkpoint")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes.", show_default="one per core")] = None,
) -> None:
    """Drive a checkpoint and its baselines through held-out scenes, in closed loop."""
    from rich.console import Console

    from mobile_vla.evaluation.summary_table import tables
    from mobile_vla.jobs.evaluate import EvaluateRequest, run_evaluation

    request = EvaluateRequest(checkpoint, episodes, tuple(agent or ()), level, wording, data_dir, out, workers)
    result = run_evaluation(request)
    Console().print(tables(result.summary))
    print(f"Report:  {result.report.html}  (open it in a browser)")
    print(f"Numbers: {result.report.json}")
