"""`mobile-vla demo`: parse, call `jobs.demo.run_demo`, print."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Sense(str, Enum):
    """A sense that a policy can be trained without."""

    sight = "sight"
    hearing = "hearing"


DEMO_CONFIG = Path("configs/mobile_vla/train_demo.json")


def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Of scenes, weights and data order.")] = 0,
    config: Annotated[Path, typer.Option(help="The training configuration.")] = DEMO_CONFIG,
    episodes: Annotated[int, typer.Option(min=1, help="Held-out drives per agent.")] = 240,
    level: Annotated[int, typer.Option(min=0, max=2, help="Randomisation: 0 none, 1 a lab, 2 wide.")] = 1,
    without: Annotated[
        Sense | None, typer.Option(help="Train and drive blind, or deaf.", show_default="with both senses")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that drive.", show_default="one per core")] = None,
) -> None:
    """From nothing to a policy that drives: record, train, drive eight scenarios beside six baselines, report."""
    from rich.console import Console

    from mobile_vla.evaluation.summary_table import tables
    from mobile_vla.jobs.demo import DemoPlan, run_demo

    plan = DemoPlan(
        config,
        folder=out,
        seed=seed,
        episodes=episodes,
        level=level,
        workers=workers,
        without=without.value if without else None,
    )
    result = run_demo(plan)
    Console().print(tables(result.summary))
    wall = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in result.summary.wall_s.items())
    print(f"Wall time: {wall}")
    print(f"Report:     {result.report.html}  (open it in a browser)")
    print(f"Numbers:    {result.report.json}")
    print(f"Drives:     {result.gif}")
    print(f"Checkpoint: {result.checkpoint}")
