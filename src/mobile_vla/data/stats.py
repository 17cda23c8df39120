"""What is in a dataset: the guide's three lines, then a table per scenario. Reads no image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobile_vla.data.reader import EpisodeHeader, find_episodes, open_episode
from mobile_vla.task.actions import ACTION_NAMES, VELOCITY_DIM, ActionType


@dataclass(frozen=True)
class ScenarioStats:
    """One scenario's share of a dataset.

    Attributes:
        scenario: its name, empty when unknown.
        episodes, frames: how many.
        rates_hz: lowest and highest rate of its episodes.
        successes, judged: episodes that succeeded, and episodes that say whether they did.
        type_shares: share of frames per action type, in the order of `task.actions.ActionType`.
        velocity: mean, least and greatest of linear_x (m/s), linear_y (m/s), angular_z (rad/s) over all frames.
    """

    scenario: str
    episodes: int
    frames: int
    rates_hz: tuple[float, float]
    successes: int
    judged: int
    type_shares: tuple[float, ...]
    velocity: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class DatasetStats:
    """A dataset in numbers.

    Attributes:
        episodes, frames: totals.
        scenarios: per scenario, sorted by name.
    """

    episodes: int
    frames: int
    scenarios: tuple[ScenarioStats, ...]

    def lines(self) -> list[str]:
        """Return the report: the guide's three lines first, word for word."""
        return [
            f"Total episodes: {self.episodes}",
            f"Total frames: {self.frames}",
            f"Average frames per episode: {self.frames / self.episodes:.1f}",
            *(line for scenario in self.scenarios for line in _scenario_lines(scenario)),
        ]


def dataset_stats(folder: Path | str, default_rate_hz: float | None = None) -> DatasetStats:
    """Return the statistics of the episodes in `folder`.

    Raises:
        DataError: no episodes, or one that cannot be read (named).
    """
    headers: dict[str, list[EpisodeHeader]] = defaultdict(list)
    actions: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for path in find_episodes(folder):
        with open_episode(path, default_rate_hz) as episode:
            headers[episode.header.scenario].append(episode.header)
            actions[episode.header.scenario].append(episode.actions)
    scenarios = tuple(_summary(name, headers[name], np.concatenate(actions[name])) for name in sorted(headers))
    episodes = sum(scenario.episodes for scenario in scenarios)
    return DatasetStats(episodes, sum(scenario.frames for scenario in scenarios), scenarios)


def _summary(name: str, headers: list[EpisodeHeader], actions: NDArray[np.float32]) -> ScenarioStats:
    rates = [header.rate_hz for header in headers]
    velocity = actions[:, :VELOCITY_DIM].astype(np.float64)
    summary = np.stack([velocity.mean(0), velocity.min(0), velocity.max(0)], axis=1)
    return ScenarioStats(
        scenario=name,
        episodes=len(headers),
        frames=len(actions),
        rates_hz=(min(rates), max(rates)),
        successes=sum(header.success is True for header in headers),
        judged=sum(header.success is not None for header in headers),
        type_shares=tuple(float(np.mean(actions[:, VELOCITY_DIM] == kind)) for kind in ActionType),
        velocity=tuple((float(mean), float(low), float(high)) for mean, low, high in summary),
    )


def _scenario_lines(stats: ScenarioStats) -> list[str]:
    low, high = stats.rates_hz
    rate = f"{low:.1f} Hz" if high - low < 0.05 else f"{low:.1f} to {high:.1f} Hz"
    success = f"success {stats.successes}/{stats.judged}" if stats.judged else "success unknown"
    shares = ", ".join(f"{kind.name.lower()} {share:.1%}" for kind, share in zip(ActionType, stats.type_shares, strict=True))
    units = ("m/s", "m/s", "rad/s")
    columns = zip(ACTION_NAMES[:VELOCITY_DIM], stats.velocity, units, strict=True)
    return [
        "",
        f"{stats.scenario or '(no scenario)'}: {stats.episodes} episodes, {stats.frames} frames, {rate}, {success}",
        f"  action_type: {shares}",
        *(
            f"  {name:<9}  mean {mean:+.3f}  min {low:+.3f}  max {high:+.3f} {unit}"
            for name, (mean, low, high), unit in columns
        ),
    ]
