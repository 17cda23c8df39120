"""`mobile-vla record`: parse, call `jobs.recording`, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobile_vla.cli.options import image_size


def record(
    out: Annotated[Path, typer.Option(help="Folder for the episodes; made when missing.", show_default=False)],
    sim: Annotated[bool, typer.Option("--sim", help="Record the expert in the simulator.")] = False,
    episodes: Annotated[int, typer.Option(min=1, help="How many, spread evenly over the scenarios.")] = 64,
    scenario: Annotated[
        list[str] | None, typer.Option(help="Record only this one (repeatable).", show_default="all eight")
    ] = None,
    level: Annotated[int, typer.Option(min=0, max=2, help="Randomisation: 0 none, 1 a lab, 2 wide.")] = 1,
    rate_hz: Annotated[float, typer.Option(help="Frames and actions per second.")] = 5.0,
    size: Annotated[str, typer.Option("--image-size", help="HEIGHTxWIDTH of the frames.")] = "720x1280",
    seed: Annotated[int, typer.Option(min=0, help="Of the first scene; the next ones count up.")] = 0,
    disturbance: Annotated[
        float, typer.Option(min=0.0, help="Bursts that push the expert off its line, m/s; labels stay clean.")
    ] = 0.3,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes.", show_default="one per core")] = None,
) -> None:
    """Record episodes to HDF5 files."""
    if not sim:
        raise typer.BadParameter("say what to record from: --sim is the simulator.", param_hint="--sim")

    from datetime import datetime

    from mobile_vla.core.parallel import available_cores, worker_pool
    from mobile_vla.data.stats import dataset_stats
    from mobile_vla.jobs.collect import CollectConfig
    from mobile_vla.jobs.recording import free_start, record_simulated, recording_specs
    from mobile_vla.sim.scenario import scenes

    names = [scenes.get(name).scenario.name for name in scenario or ()]
    specs = recording_specs(episodes, seed, names)
    config = CollectConfig(level, rate_hz, image_size(size), disturbance)
    with worker_pool(available_cores() if workers is None else workers) as pool:
        recorded = record_simulated(out, specs, config, free_start(out, datetime.now()), pool)
    won = sum(episode.success for episode in recorded)
    print(f"Recorded {len(recorded)} episodes in {out} ({won} reached the goal)")
    print("\n".join(dataset_stats(out).lines()))
