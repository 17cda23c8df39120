"""A real drive, end to end: import a Donkeycar tub, train, predict the held-out stretches, compare with not looking.

    python benchmarks/real_drive.py                       # the tub is found through MOBILE_VLA_TUB, or beside the repository
    python benchmarks/real_drive.py --tub TUB --seeds 0 1 2

Each seed splits the stretches anew and trains anew; measured is the last checkpoint, which was chosen by nothing. The table
pools all seeds; its intervals come from drawing whole stretches, a stretch that several seeds held out counting as one.

A drive of several laps passes each place again, so a held-out stretch may show what another lap has taught. Two rows tell
these frames apart: the place was `seen` where some training frame correlates with the held-out one by at least 0.6 (both
in grey, 32 x 24 pixels, standardised), else `new`.

Writes `real_drive.json` and `real_drive.svg` (the first seed's stretches) to `runs/real_drive/`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from mobile_vla.core.atomic import write_text
from mobile_vla.core.errors import DataError, MobileVLAError, problem
from mobile_vla.data.importers import importers
from mobile_vla.data.reader import read_episode
from mobile_vla.evaluation.hardware import hardware
from mobile_vla.evaluation.open_loop import HeldOut
from mobile_vla.evaluation.open_loop_baselines import Baseline, majority_class, mean_velocity
from mobile_vla.evaluation.open_loop_picture import HEIGHT, WIDTH, track_svg
from mobile_vla.evaluation.statistics import bootstrap_ratio
from mobile_vla.jobs.open_loop import Material, actions_at_rate, at_rate, choose_episodes, run_open_loop
from mobile_vla.model.checkpoint import load_policy
from mobile_vla.task.motion import motion_classes
from mobile_vla.training.config import load_train_config
from mobile_vla.training.run import train

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs/mobile_vla/train_donkeycar.json"
BESIDE = ROOT.parent / "shared/data/donkeycar_tub/tub.tar.gz"
PREDICTORS = ("model", "constant", "time_only")
STEERING, THROTTLE = 2, 0
TABLE_WIDTH = 128
SEEN = 0.6  # correlation from which two frames count as showing the same place

Losses = dict[str, dict[str, list[np.ndarray]]]
"""Measure -> predictor -> per held-out stretch, `(T,)` losses of its frames."""


def main() -> None:
    options = _options()
    try:
        tub = find_tub(options.tub)
        episodes = import_tub(tub, options.out / "episodes")
        runs = [one_seed(seed, episodes, options.out, options.threads) for seed in options.seeds]
    except MobileVLAError as error:
        sys.exit(f"Error: {error}")
    report(runs, options.out)


def find_tub(given: Path | None) -> Path:
    """Return the tub: `given`, else MOBILE_VLA_TUB, else the one beside the repository. Raises DataError."""
    path = given or Path(os.environ.get("MOBILE_VLA_TUB", BESIDE))
    if not path.exists():
        remedy = "Name a Donkeycar v2 tub with --tub or MOBILE_VLA_TUB"
        raise DataError(problem("tub", str(path), "no such file or folder", remedy))
    return path


def import_tub(tub: Path, out: Path) -> Path:
    """Import `tub` afresh with the importer's defaults and return the folder of episodes."""
    shutil.rmtree(out, ignore_errors=True)
    importer = importers.get("donkeycar")
    done = importer.convert(tub, out, importer.Options())
    print("\n".join([*done.warnings, f"{len(done.episodes)} stretches, {done.frames} frames"]))
    return out


def one_seed(seed: int, episodes: Path, out: Path, threads: int) -> dict[str, Any]:
    """Train with `seed` and return what its held-out stretches came to."""
    folder = out / f"seed_{seed}"
    overrides = [f"seed={seed}", f"data_dir={episodes}", f"output_dir={folder}", f"trainer.cpu_threads={threads}"]
    began = time.monotonic()
    last = train(load_train_config(CONFIG, overrides), say=lambda line: None).last_path
    train_s = time.monotonic() - began
    loaded, done = load_policy(last), run_open_loop(last)
    chosen, rate_hz = choose_episodes(loaded, None, False), loaded.policy.config.rate_hz
    training = [actions_at_rate(path, rate_hz) for path in chosen.training]
    found = losses(done.held_out, training)
    seen = [likeness >= SEEN for likeness in likenesses(chosen, rate_hz)]
    return {"seed": seed, "train_s": train_s, "held_out": done.held_out, "losses": {**found, **by_place(found, seen)}}


def likenesses(chosen: Material, rate_hz: float) -> list[np.ndarray]:
    """Return per held-out stretch `(T,)`: how well the training frame most like it correlates with each frame, -1 to 1."""
    known = np.concatenate([_thumbnails(path, rate_hz) for path in chosen.training])
    return [(_thumbnails(path, rate_hz) @ known.T / known.shape[1]).max(axis=1) for path in chosen.measured]


def _thumbnails(path: Path, rate_hz: float) -> np.ndarray:
    """Return `(T, 768)`: each frame in grey at 32 x 24, with mean 0 and standard deviation 1."""
    images = at_rate(read_episode(path), rate_hz, str(path)).images
    small = [np.asarray(Image.fromarray(image).convert("L").resize((32, 24))) for image in images]
    flat = np.stack(small).reshape(len(small), -1).astype(np.float64)
    return (flat - flat.mean(axis=1, keepdims=True)) / (flat.std(axis=1, keepdims=True) + 1e-6)


def by_place(found: Losses, seen: Sequence[np.ndarray]) -> Losses:
    """Return the steering errors at places that the training frames show, and at those that they do not."""
    steering = found["steering_mae_rps"]
    split = {"seen": seen, "new": [~one for one in seen]}
    return {
        f"steering_mae_rps, place {word}": {
            who: [loss[keep] for loss, keep in zip(rows, keeps, strict=True)] for who, rows in steering.items()
        }
        for word, keeps in split.items()
    }


def losses(held_out: Sequence[HeldOut], training: Sequence[np.ndarray]) -> Losses:
    """Return each predictor's losses on each stretch: absolute errors, and for the direction 1 where it is right."""
    found: Losses = {}
    for name, column in (("steering_mae_rps", STEERING), ("throttle_mae_mps", THROTTLE)):
        baseline = mean_velocity(training, column)
        found[name] = _compare(held_out, baseline, lambda actions, at=column: actions[:, at], lambda a, b: np.abs(a - b))
    baseline = majority_class(training, motion_classes)
    found["direction_match"] = _compare(held_out, baseline, motion_classes, lambda a, b: (a == b).astype(float))
    return found


def _compare(held_out: Sequence[HeldOut], baseline: Baseline, read: Callable[..., Any], loss: Callable[..., Any]) -> Any:
    rows: dict[str, list[np.ndarray]] = {who: [] for who in PREDICTORS}
    for one in held_out:
        driven, frames = read(one.recorded), len(one.recorded)
        guesses = (read(one.predicted), baseline.constant(frames), baseline.time_only(frames))
        for who, guess in zip(PREDICTORS, guesses, strict=True):
            rows[who].append(loss(guess, driven))
    return rows


def pooled(runs: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return measure `name` over all seeds: value and interval of each predictor, and of the model's paired gain."""
    stretches = [one.name for run in runs for one in run["held_out"]]
    rows = {who: [loss for run in runs for loss in run["losses"][name][who]] for who in PREDICTORS}
    better = 1.0 if name == "direction_match" else -1.0
    for who in PREDICTORS[1:]:
        rows[f"gain_over_{who}"] = [better * (ours - its) for ours, its in zip(rows["model"], rows[who], strict=True)]
    return {who: _value(stretches, each) for who, each in rows.items()}


def _value(stretches: Sequence[str], each: Sequence[np.ndarray]) -> dict[str, Any]:
    names = sorted({stretch for stretch, loss in zip(stretches, each, strict=True) if len(loss)})
    totals, counts = np.zeros(len(names)), np.zeros(len(names), dtype=np.int64)
    for stretch, loss in zip(stretches, each, strict=True):
        if not len(loss):
            continue
        totals[names.index(stretch)] += loss.sum()
        counts[names.index(stretch)] += len(loss)
    value = float(totals.sum() / counts.sum()) if names else None
    return {"value": value, "ci95": bootstrap_ratio(totals, counts), "frames": int(counts.sum()), "stretches": len(names)}


def report(runs: Sequence[dict[str, Any]], out: Path) -> None:
    """Print the table, and write JSON and picture to `out`."""
    tree: dict[str, Any] = {
        "hardware": hardware(),
        "seeds": [run["seed"] for run in runs],
        "train_s": [round(run["train_s"], 1) for run in runs],
        "frames": sum(len(one.recorded) for run in runs for one in run["held_out"]),
        "stretches": sum(len(run["held_out"]) for run in runs),
        "different_stretches": len({one.name for run in runs for one in run["held_out"]}),
        "pooled": {name: pooled(runs, name) for name in runs[0]["losses"]},
        "by_seed": {run["seed"]: {name: pooled([run], name) for name in run["losses"]} for run in runs},
    }
    Console(width=TABLE_WIDTH).print(_table(tree))
    machine = tree["hardware"]
    print(f"{machine['cpu']}, {machine['cores']} cores; training {', '.join(f'{taken:.0f} s' for taken in tree['train_s'])}")
    write_text(out / "real_drive.json", json.dumps(tree, indent=2) + "\n")
    write_text(out / "real_drive.svg", picture(runs[0]["held_out"]))
    print(f"Wrote {out / 'real_drive.json'} and {out / 'real_drive.svg'}")


def _table(tree: dict[str, Any]) -> Table:
    held_out = f"{tree['stretches']} stretches ({tree['different_stretches']} different ones)"
    table = Table(title=f"n = {tree['frames']} held-out frames of {held_out}, {len(tree['seeds'])} seeds")
    for column in ("measure", "frames (stretches)", "model", "mean action", "time only", "gain over mean", "gain over time"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for name, row in tree["pooled"].items():
        count = f"{row['model']['frames']} ({row['model']['stretches']})"
        table.add_row(name.replace(", ", "\n"), count, *(_cell(one) for one in row.values()))
    return table


def _cell(one: dict[str, Any]) -> str:
    ends = "no interval" if one["ci95"] is None else "{:.3f} to {:.3f}".format(*one["ci95"])
    return "no frames" if one["value"] is None else f"{one['value']:.3f}\n{ends}"


def picture(held_out: Sequence[HeldOut]) -> str:
    """Return one SVG: steering driven and predicted, one stretch below the other."""
    top, rows = 26, []
    for row, one in enumerate(held_out):
        rows.append(f'<g transform="translate(0 {top + row * HEIGHT})">{_sized(track_svg(one, STEERING))}</g>')
    legend = (
        '<g font-family="sans-serif" font-size="12"><path d="M44 14h26" stroke="#222" stroke-width="1.6"/>'
        '<text x="76" y="18">driven</text><path d="M136 14h26" stroke="#c8570a" stroke-width="1.8" stroke-dasharray="5 3"/>'
        '<text x="168" y="18">predicted (angular_z, + is left)</text></g>'
    )
    height = top + len(held_out) * HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{2 * WIDTH}" height="{2 * height}"'
    return f'{head} font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>{legend}{"".join(rows)}</svg>\n'


def _sized(svg: str) -> str:
    return svg.replace("<svg ", f'<svg width="{WIDTH}" height="{HEIGHT}" ', 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tub", type=Path, help="a Donkeycar v2 tub: a folder or a .tar.gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of the training")
    parser.add_argument("--out", type=Path, default=Path("runs/real_drive"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
