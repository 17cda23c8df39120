"""The closed-loop evaluation of one checkpoint: the policy and its baselines on the same held-out scenes.

The demo and `mobile-vla evaluate` both call this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import ConfigError, DataError, problem
from mobile_vla.core.parallel import WorkerPool
from mobile_vla.data.reader import open_episode
from mobile_vla.evaluation.agent import AgentOptions
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.pictures import Picture, drive_picture, montage_gif
from mobile_vla.evaluation.rollouts import DriveSpec, RolloutConfig, roll_out
from mobile_vla.task.actions import VELOCITY_DIM, ActionType
from mobile_vla.task.scenarios import SCENARIOS

HELD_OUT_SEED: Final = 1_000_000
"""Scene seeds from here on are for evaluation; recorders draw from below it."""
AGENTS: Final = ("policy", "expert", "random", "always_forward", "clock_only", "blind", "deaf")


@dataclass(frozen=True)
class ClosedLoopPlan:
    """What an evaluation drives.

    Attributes:
        episodes: drives per agent, spread evenly over the scenarios.
        agents: who drives, by registered name.
        scenarios: which scenarios.
        first_seed: the scenes' seeds count up from here.
        rollout: level, rate, picture size and wording.
    """

    episodes: int = 240
    agents: tuple[str, ...] = AGENTS
    scenarios: tuple[str, ...] = tuple(scenario.name for scenario in SCENARIOS)
    first_seed: int = HELD_OUT_SEED
    rollout: RolloutConfig = field(default_factory=RolloutConfig)

    def __post_init__(self) -> None:
        if self.episodes < 1 or not self.scenarios or not self.agents:
            shown = (self.episodes, self.scenarios, self.agents)
            raise ConfigError(problem("episodes, scenarios, agents", shown, "at least one of each"))

    def specs(self) -> list[DriveSpec]:
        """Return the drives: the scenarios in turn, a new seed after each turn."""
        count = len(self.scenarios)
        return [DriveSpec(self.scenarios[i % count], self.first_seed + i // count) for i in range(self.episodes)]


def evaluate_closed_loop(plan: ClosedLoopPlan, options: AgentOptions, pool: WorkerPool) -> list[Drive]:
    """Drive every agent of `plan` through the same scenes and return all drives. The policy's first ones are filmed."""
    drives: list[Drive] = []
    for agent in plan.agents:
        film = len(plan.scenarios) if agent == "policy" else 0
        drives += roll_out(agent, plan.specs(), replace(plan.rollout, film=film), options, pool)
    return drives


def mean_action_by_step(episodes: Iterable[NDArray[np.floating]]) -> tuple[tuple[float, ...], ...]:
    """Return the mean action at each step of `episodes` (each `(T, 4)`): all that a clock can know.

    Velocities are averaged, the type is the most frequent one; an episode that is over counts as stopped.
    Raises DataError without episodes.
    """
    recorded = list(episodes)
    if not recorded:
        raise DataError(problem("episodes", [], "a clock needs at least one recorded episode"))
    length = max(len(actions) for actions in recorded)
    padded = np.zeros((len(recorded), length, VELOCITY_DIM + 1))
    padded[:, :, VELOCITY_DIM] = ActionType.STOP
    for row, actions in enumerate(recorded):
        padded[row, : len(actions)] = actions
    kinds = padded[:, :, VELOCITY_DIM].astype(int)
    votes = np.stack([(kinds == kind).sum(axis=0) for kind in ActionType])
    table = padded.mean(axis=0)
    table[:, VELOCITY_DIM] = votes.argmax(axis=0)
    return tuple(tuple(float(value) for value in row) for row in table)


def clock_actions(paths: Iterable[Path]) -> tuple[tuple[float, ...], ...]:
    """Return `mean_action_by_step` of the episode files `paths`. Raises DataError for one that cannot be read."""
    actions = []
    for path in paths:
        with open_episode(path) as episode:
            actions.append(episode.actions)
    return mean_action_by_step(actions)


def films(drives: Sequence[Drive]) -> list[Picture]:
    """Return one GIF for each filmed drive."""
    return [drive_picture(drive) for drive in drives if drive.frames]


def save_montage(drives: Sequence[Drive], path: Path) -> None:
    """Write a GIF of up to four filmed drives side by side to `path`: a left and a right of two scenarios."""
    filmed = [drive for drive in drives if drive.frames]
    chosen = [drive for drive in filmed if drive.scenario.startswith(("1box_hori", "2box_vert"))][:4] or filmed[:4]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(montage_gif(chosen))
