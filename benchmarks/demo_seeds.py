"""The demo, from nothing, for several training seeds: success, side and wall time of each, and the median.

Run: .venv/bin/python benchmarks/demo_seeds.py [--seeds 3] [--config C]. Every seed records its own scenes, starts from its own
weights and is judged on the same held-out scenes. Writes runs/benchmarks/demo_seeds/summary.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from mobile_vla.core.atomic import write_text
from mobile_vla.evaluation.hardware import hardware
from mobile_vla.jobs.demo import DemoPlan, run_demo

OUT = Path("runs/benchmarks/demo_seeds")
COMPARED = ("policy", "deaf", "blind", "clock_only", "always_forward", "random", "expert")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--config", type=Path, default=Path("configs/mobile_vla/train_demo.json"))
    options = parser.parse_args()
    runs = [run_demo(DemoPlan(options.config, OUT / f"seed_{seed}", seed)) for seed in range(options.seeds)]
    trees = [run.summary.to_json() for run in runs]
    success = median(tree["agents"]["policy"]["success"] for tree in trees)
    slowest = max(tree["wall_s"]["total"] for tree in trees)
    Console().print(_table(trees))
    print(f"Median success over {len(trees)} training seeds: {success:.1%}; slowest run {slowest:.0f} s")
    print(f"Hardware: {hardware()}")
    result = {"median_success": success, "slowest_s": slowest, "runs": trees, "hardware": hardware()}
    write_text(OUT / "summary.json", json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def _table(trees: list[dict]) -> Table:
    table = Table("training seed", "agent", "success", "n", "95 % interval", "side followed", "of n", "wall time")
    for seed, tree in enumerate(trees):
        for agent in COMPARED:
            row = tree["agents"][agent]
            side = "-" if row["side_followed"] is None else f"{row['side_followed']:.1%}"
            low, high = row["ci95"]
            wall = f"{tree['wall_s']['total']:.0f} s" if agent == "policy" else ""
            interval = f"{low:.1%} to {high:.1%}"
            table.add_row(str(seed), agent, f"{row['success']:.1%}", str(row["n"]), interval, side, str(row["side_n"]), wall)
    return table


if __name__ == "__main__":
    main()
