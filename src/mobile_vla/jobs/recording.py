"""Recording simulated episodes to a folder, in parallel: `collect` makes them, the writer of `data` stores them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mobile_vla.core.atomic import check_writable
from mobile_vla.core.errors import ConfigError, DataError, problem
from mobile_vla.core.parallel import WorkerPool
from mobile_vla.core.progress import progress
from mobile_vla.data.file_names import SUFFIX, EpisodeName, format_name, parse_name
from mobile_vla.data.schema import DISTANCE
from mobile_vla.data.writer import write_episode
from mobile_vla.evaluation.closed_loop import HELD_OUT_SEED
from mobile_vla.evaluation.rollouts import BATCH, DriveSpec
from mobile_vla.jobs.collect import CollectConfig, collect_batch
from mobile_vla.task.scenarios import SCENARIOS

DISTANCES_CM: Final = (50, 100)
"""The guide's two distance classes; an episode is filed under the one nearer to the robot's distance from the first box."""
_BETWEEN: Final = timedelta(minutes=1)
_BATCH_BYTES: Final = 300_000_000
_LONGEST_EPISODE: Final = 75


@dataclass(frozen=True)
class Recorded:
    """One episode on disk."""

    path: Path
    frames: int
    success: bool


@dataclass(frozen=True)
class _Work:
    specs: tuple[DriveSpec, ...]
    times: tuple[datetime, ...]
    config: CollectConfig
    folder: Path


def recording_specs(episodes: int, first_seed: int = 0, scenarios: Sequence[str] = ()) -> list[DriveSpec]:
    """Return the drives to record: the scenarios (default: the guide's eight) in turn, a new seed after each turn.

    Raises:
        ConfigError: no episodes, or seeds that reach into those kept for evaluation.
    """
    names = tuple(scenarios) or tuple(scenario.name for scenario in SCENARIOS)
    last = first_seed + (episodes - 1) // len(names)
    if episodes < 1:
        raise ConfigError(problem("episodes", episodes, "record at least one"))
    if first_seed < 0 or last >= HELD_OUT_SEED:
        rule = f"recorded scenes have seeds 0 to {HELD_OUT_SEED - 1}; later ones are kept for evaluation"
        raise ConfigError(problem("seed", (first_seed, last), rule))
    return [DriveSpec(names[i % len(names)], first_seed + i // len(names)) for i in range(episodes)]


def free_start(folder: Path, now: datetime) -> datetime:
    """Return when a recording into `folder` begins by its file names: `now`, or a minute after the newest episode there."""
    newest = now - _BETWEEN
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(DataError):  # another program's name
            newest = max(newest, parse_name(path.name).recorded_at)
    return newest + _BETWEEN


def record_simulated(
    folder: Path, specs: Sequence[DriveSpec], config: CollectConfig, start: datetime, pool: WorkerPool, what: str = "Recording"
) -> list[Recorded]:
    """Record one episode per spec into `folder` and return them in order.

    Files are named as if one episode began every minute from `start` on; a name that is taken is never overwritten.

    Raises:
        DataError: a file of that name exists.
        OSError: the folder cannot be written, or the disk is full; finished episodes stay.
    """
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    times = [start + i * _BETWEEN for i in range(len(specs))]
    size = _batch_size(config)
    work = [
        _Work(tuple(specs[at : at + size]), tuple(times[at : at + size]), config, folder) for at in range(0, len(specs), size)
    ]
    recorded: list[Recorded] = []
    with progress(what, len(specs)) as advance:
        for done in pool.map(_record, work):
            recorded.extend(done)
            advance(len(done), note=f"{sum(episode.frames for episode in recorded)} frames")
    return recorded


def _batch_size(config: CollectConfig) -> int:
    """Return how many episodes fit side by side into a worker's memory."""
    height, width = config.image_size
    return max(1, min(BATCH, _BATCH_BYTES // (height * width * 3 * _LONGEST_EPISODE)))


def _record(work: _Work) -> list[Recorded]:
    recorded = []
    for episode, time in zip(collect_batch(work.specs, work.config), work.times, strict=True):
        distance_m = float(episode.metadata["box_distance_m"])
        distance = min(DISTANCES_CM, key=lambda cm: abs(cm / 100 - distance_m))
        name = EpisodeName(time, episode.scenario, distance)
        path = work.folder / format_name(name)
        write_episode(replace(episode, metadata={DISTANCE: name.distance, **episode.metadata}), path)
        recorded.append(Recorded(path, len(episode), bool(episode.success)))
    return recorded
