"""The evaluation that `mobile-vla evaluate` runs: any checkpoint, in closed loop, with its report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mobile_vla.core.atomic import check_writable
from mobile_vla.core.errors import unknown_name
from mobile_vla.core.parallel import available_cores, worker_pool
from mobile_vla.data.reader import find_episodes
from mobile_vla.evaluation.agent import AgentOptions
from mobile_vla.evaluation.closed_loop import AGENTS, ClosedLoopPlan, clock_actions, evaluate_closed_loop, films
from mobile_vla.evaluation.hardware import hardware
from mobile_vla.evaluation.report import ReportFiles, write_report
from mobile_vla.evaluation.rollouts import RolloutConfig
from mobile_vla.evaluation.summary import RunSummary, summarise_agents
from mobile_vla.model.checkpoint import LoadedPolicy, load_policy
from mobile_vla.task.instructions import Split


@dataclass(frozen=True)
class EvaluateRequest:
    """What to evaluate.

    Attributes:
        checkpoint: the policy under test.
        episodes: drives per agent.
        agents: who drives; empty: the policy and all baselines that can be had.
        level: randomisation, 0 to 2.
        wording: `train` or `held_out`.
        data_dir: training episodes for `clock_only`; None: left out, unless it is asked for.
        out: folder of the report; None: `evaluation_<checkpoint>` beside the checkpoint.
        workers: processes; None: one per core.
    """

    checkpoint: Path
    episodes: int = 240
    agents: tuple[str, ...] = ()
    level: int = 1
    wording: str = "train"
    data_dir: Path | None = None
    out: Path | None = None
    workers: int | None = None


@dataclass(frozen=True)
class EvaluateResult:
    """What the evaluation came to."""

    summary: RunSummary
    report: ReportFiles


def run_evaluation(request: EvaluateRequest) -> EvaluateResult:
    """Evaluate a checkpoint at its own rate and picture size.

    Raises:
        OSError: the report's folder cannot be written.
        CheckpointError: the checkpoint cannot be loaded.
        ConfigError: an unknown agent or wording, or `clock_only` without `data_dir`.
    """
    began = time.monotonic()
    loaded = load_policy(request.checkpoint)
    folder = request.out or request.checkpoint.parent / f"evaluation_{request.checkpoint.stem}"
    check_writable(folder)
    clock = () if request.data_dir is None else clock_actions(find_episodes(request.data_dir))
    plan = ClosedLoopPlan(request.episodes, _agents(request), rollout=_rollout(request, loaded))
    options = AgentOptions(str(request.checkpoint), clock)
    with worker_pool(available_cores() if request.workers is None else request.workers) as pool:
        drives = evaluate_closed_loop(plan, options, pool)
    seconds = time.monotonic() - began
    facts = {"checkpoint": str(request.checkpoint), "level": request.level, "wording": request.wording}
    wall_s = {"evaluate": seconds, "total": seconds}
    summary = RunSummary(summarise_agents(drives), wall_s, hardware(), facts)
    return EvaluateResult(summary, write_report(folder, summary, drives, films(drives)))


def _agents(request: EvaluateRequest) -> tuple[str, ...]:
    if request.agents:
        return request.agents
    return tuple(agent for agent in AGENTS if agent != "clock_only" or request.data_dir is not None)


def _rollout(request: EvaluateRequest, loaded: LoadedPolicy) -> RolloutConfig:
    if request.wording not in get_args(Split):
        raise unknown_name("wording", request.wording, get_args(Split))
    wording: Split = "train" if request.wording == "train" else "held_out"
    config = loaded.policy.config
    return RolloutConfig(request.level, config.rate_hz, config.preprocess.image_size, wording)
