"""The demo: from nothing to a policy that drives, with its report.

Records expert demonstrations in the simulator, trains the tiny policy on them and on the expert's corrections of its drives,
drives all eight scenarios on held-out seeds beside the baselines, and writes the report. It is the same code as real work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from mobile_vla.core.parallel import WorkerPool, available_cores, worker_pool
from mobile_vla.evaluation.agent import AgentOptions
from mobile_vla.evaluation.closed_loop import (
    ClosedLoopPlan,
    clock_actions,
    evaluate_closed_loop,
    films,
    save_montage,
)
from mobile_vla.evaluation.hardware import hardware
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.report import ReportFiles, write_report
from mobile_vla.evaluation.rollouts import RolloutConfig
from mobile_vla.evaluation.summary import RunSummary, summarise_agents
from mobile_vla.jobs.collect import CollectConfig
from mobile_vla.jobs.dagger import Corrections, DaggerPlan
from mobile_vla.jobs.recording import Recorded, record_simulated, recording_specs
from mobile_vla.training.config import TrainConfig, load_train_config
from mobile_vla.training.run import train

Say = Callable[[str], None]

SEEDS_PER_RUN: Final = 10_000
"""Scene seeds that one training seed may use; the next training seed sees other scenes."""
_ABLATIONS: Final = {"sight": "preprocess.sees=false", "hearing": "preprocess.hears=false"}
_FIRST_DAY: Final = datetime(2025, 1, 1, 12)


@dataclass(frozen=True)
class DemoPlan:
    """How big the demo is. The defaults are what the README's numbers were measured with.

    Attributes:
        config: the training configuration (JSON); `steps_per_epoch` and `max_epochs` say how long it trains.
        folder: where everything goes.
        seed: of the scenes, the weights and the order of the data.
        demonstrations: expert episodes.
        disturbance: how hard the expert is pushed off its line (see `CollectConfig`).
        rounds, corrections: DAgger rounds, and drives in each.
        episodes: held-out drives per agent.
        level: randomisation, 0 to 2.
        workers: processes; None: one per core.
        without: `sight` or `hearing`: the policy is trained and driven without that sense; None: with both.
    """

    config: Path
    folder: Path = Path("runs/demo")
    seed: int = 0
    demonstrations: int = 160
    disturbance: float = 0.3
    rounds: int = 8
    corrections: int = 64
    episodes: int = 240
    level: int = 1
    workers: int | None = None
    without: Literal["sight", "hearing"] | None = None


@dataclass(frozen=True)
class DemoResult:
    """What the demo came to."""

    summary: RunSummary
    report: ReportFiles
    checkpoint: Path
    gif: Path


def run_demo(plan: DemoPlan, say: Say = print) -> DemoResult:
    """Record, train, drive, report. An earlier demo's folder is moved aside, never overwritten.

    Raises:
        MobileVLAError: the machine cannot render, or the configuration cannot be used.
    """
    began = time.monotonic()
    _move_aside(plan.folder, say)
    config = load_train_config(plan.config, _overrides(plan))
    with worker_pool(available_cores() if plan.workers is None else plan.workers) as pool:
        say(f"1/3 Recording {plan.demonstrations} expert drives in the simulator")
        demonstrations = _demonstrate(plan, config, pool)
        recorded_s = time.monotonic() - began
        say("2/3 Training, on these and on the expert's corrections of the policy's own drives")
        corrections = Corrections(_dagger_plan(plan, config), _FIRST_DAY, pool, say)
        checkpoint = train(config, callbacks=[corrections], say=say).last_path
        trained_s = time.monotonic() - began - recorded_s
        say(f"3/3 Driving {plan.episodes} held-out scenes with the policy and with each baseline")
        options = AgentOptions(str(checkpoint), clock_actions(episode.path for episode in demonstrations))
        closed_loop = ClosedLoopPlan(plan.episodes, rollout=_rollout(config, plan.level))
        drives = evaluate_closed_loop(closed_loop, options, pool)
    total_s = time.monotonic() - began
    wall_s = {
        "collect": recorded_s + corrections.seconds,
        "train": trained_s - corrections.seconds,
        "evaluate": total_s - recorded_s - trained_s,
        "total": total_s,
    }
    return _report(plan, drives, wall_s, checkpoint)


def _overrides(plan: DemoPlan) -> list[str]:
    overrides = [f"data_dir={plan.folder / 'episodes'}", f"output_dir={plan.folder}", f"seed={plan.seed}"]
    return overrides if plan.without is None else [*overrides, _ABLATIONS[plan.without]]


def _move_aside(folder: Path, say: Say) -> None:
    if folder.exists() and any(folder.iterdir()):
        stamp = datetime.now().astimezone().strftime("%Y%m%d_%H%M%S")
        old = folder.with_name(f"{folder.name}_before_{stamp}")
        folder.rename(old)
        say(f"The earlier demo is now in {old}")


def _demonstrate(plan: DemoPlan, config: TrainConfig, pool: WorkerPool) -> list[Recorded]:
    collect = CollectConfig(plan.level, config.rate_hz, config.preprocess.image_size, plan.disturbance)
    specs = recording_specs(plan.demonstrations, plan.seed * SEEDS_PER_RUN)
    return record_simulated(plan.folder / "episodes", specs, collect, _FIRST_DAY, pool, "Recording the expert")


def _dagger_plan(plan: DemoPlan, config: TrainConfig) -> DaggerPlan:
    return DaggerPlan(
        rounds=plan.rounds,
        episodes=plan.corrections,
        first_seed=plan.seed * SEEDS_PER_RUN + SEEDS_PER_RUN // 2,
        folder=plan.folder / "corrections",
        level=plan.level,
        rate_hz=config.rate_hz,
        image_size=config.preprocess.image_size,
    )


def _rollout(config: TrainConfig, level: int) -> RolloutConfig:
    return RolloutConfig(level=level, rate_hz=config.rate_hz, image_size=config.preprocess.image_size)


def _report(plan: DemoPlan, drives: list[Drive], wall_s: dict[str, float], checkpoint: Path) -> DemoResult:
    facts = {"seed": plan.seed, "level": plan.level, "trained_without": plan.without, "checkpoint": str(checkpoint)}
    summary = RunSummary(summarise_agents(drives), wall_s, hardware(), facts)
    gif = plan.folder / "drives.gif"
    save_montage(drives, gif)
    return DemoResult(summary, write_report(plan.folder, summary, drives, films(drives)), checkpoint, gif)
