"""Summaries of closed-loop drives: one per agent, and the numbers of `report.json`.

Pure: drives in, numbers out. Who drove them, and what the numbers look like on a page, is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from mobile_vla.core.errors import DataError, problem
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.statistics import Proportion, mean, median
from mobile_vla.sim.judge import End

AGENTS: Final[dict[str, str]] = {
    "policy": "The trained policy: camera picture and instruction in, velocities out.",
    "expert": "Sees the true positions of everything. What is possible in these scenes; no policy is expected to beat it.",
    "random": "A random twist at every step. What luck alone gives.",
    "always_forward": "Straight ahead, whatever comes. What a policy gives that collapsed to the most common action.",
    "clock_only": "Replays the mean training action of each step, seeing and hearing nothing. What memorised timing gives.",
    "blind": "The same policy, shown a grey picture. If it still succeeds, it was not looking.",
    "deaf": "The same policy, given an empty instruction. If it still takes the side asked for, the scenes leak it.",
}
"""The agents in the order of the tables, and what each one tells."""

ENDS: Final[dict[End, str]] = {
    "success": "stopped near the goal, no contact, on the instructed side, in time",
    "hit_box": "touched a box",
    "hit_goal": "touched the goal object",
    "wrong_side": "stopped at the goal, past the wrong side of a box",
    "stopped_early": "held a stop away from the goal",
    "timeout": "ran out of time",
}
"""How a drive can end, in words."""

assert set(ENDS) == set(get_args(End))


@dataclass(frozen=True)
class Tally:
    """What a set of drives came to.

    Attributes:
        success: drives that succeeded.
        side: drives on the side asked for, among those that passed every box.
        ends: how many drives ended in each way; ways that did not occur are absent.
        mean_gap_m, mean_path_length_m, mean_duration_s: means over all drives (m, m, s), None without drives.
        median_gap_m: median over all drives (m).
    """

    success: Proportion
    side: Proportion
    ends: Mapping[End, int]
    mean_gap_m: float | None
    median_gap_m: float | None
    mean_path_length_m: float | None
    mean_duration_s: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `report.json`; shares are in [0, 1], or None with n = 0."""
        return {
            "success": self.success.share,
            "n": self.success.n,
            "ci95": list(self.success.ci95),
            "side_followed": self.side.share,
            "side_n": self.side.n,
            "side_ci95": list(self.side.ci95),
            "ends": dict(self.ends),
            "mean_gap_m": self.mean_gap_m,
            "median_gap_m": self.median_gap_m,
            "mean_path_length_m": self.mean_path_length_m,
            "mean_duration_s": self.mean_duration_s,
        }


@dataclass(frozen=True)
class AgentSummary:
    """All drives of one agent, together and by scenario.

    Attributes:
        agent: who drove.
        overall: all drives.
        scenarios: the drives of each scenario, in the order of their names.
        seeds: the scenes' seeds, sorted, each once.
    """

    agent: str
    overall: Tally
    scenarios: Mapping[str, Tally]
    seeds: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `report.json`."""
        scenarios = {name: tally.to_json() for name, tally in self.scenarios.items()}
        return {**self.overall.to_json(), "seeds": list(self.seeds), "scenarios": scenarios}


@dataclass(frozen=True)
class RunSummary:
    """Everything that `report.json` holds.

    Attributes:
        agents: one summary per agent, in the order of the tables.
        wall_s: seconds per stage: `collect`, `train`, `evaluate`, `total`, as far as the run had them.
        hardware: see `evaluation.hardware`.
        extra: further keys for the JSON's top level (plain JSON values).
    """

    agents: Mapping[str, AgentSummary]
    wall_s: Mapping[str, float] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def headline(self) -> AgentSummary:
        """The summary that the report is about: the policy's, or the first one's when no policy drove."""
        return self.agents["policy"] if "policy" in self.agents else next(iter(self.agents.values()))

    def to_json(self) -> dict[str, Any]:
        """Return the tree of `report.json`."""
        agents = {name: summary.to_json() for name, summary in self.agents.items()}
        return {**self.extra, "agents": agents, "wall_s": dict(self.wall_s), "hardware": dict(self.hardware)}


def tally(drives: Sequence[Drive]) -> Tally:
    """Return what `drives` (of one agent; may be empty) came to."""
    sides = [drive.side_followed for drive in drives]
    counted = Counter(drive.end for drive in drives)
    return Tally(
        success=Proportion.of(drive.success for drive in drives),
        side=Proportion.of(side for side in sides if side is not None),
        ends={end: counted[end] for end in ENDS if counted[end]},
        mean_gap_m=mean(drive.gap_m for drive in drives),
        median_gap_m=median(drive.gap_m for drive in drives),
        mean_path_length_m=mean(drive.path_length_m for drive in drives),
        mean_duration_s=mean(drive.duration_s for drive in drives),
    )


def summarise(drives: Sequence[Drive]) -> AgentSummary:
    """Return the summary of `drives`, all by one agent. Raises DataError for none, or for several agents."""
    agents = sorted({drive.agent for drive in drives})
    if len(agents) != 1:
        raise DataError(problem("drives", agents, "a summary is of the drives of exactly one agent", "Use summarise_agents"))
    names = sorted({drive.scenario for drive in drives})
    return AgentSummary(
        agent=agents[0],
        overall=tally(drives),
        scenarios={name: tally([drive for drive in drives if drive.scenario == name]) for name in names},
        seeds=tuple(sorted({drive.seed for drive in drives})),
    )


def summarise_agents(drives: Sequence[Drive]) -> dict[str, AgentSummary]:
    """Return one summary per agent that drove, known agents first in the order of `AGENTS`. Raises DataError without drives."""
    if not drives:
        raise DataError(problem("drives", [], "a summary needs at least one drive"))
    present = list(dict.fromkeys(drive.agent for drive in drives))
    ordered = [agent for agent in AGENTS if agent in present] + [agent for agent in present if agent not in AGENTS]
    return {agent: summarise([drive for drive in drives if drive.agent == agent]) for agent in ordered}


def to_json(
    agents: Mapping[str, AgentSummary], wall_s: Mapping[str, float], hardware: Mapping[str, Any], **extra: Any
) -> dict[str, Any]:
    """Return the tree of `report.json` (see `RunSummary`)."""
    return RunSummary(agents, wall_s, hardware, extra).to_json()
