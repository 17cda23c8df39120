"""Open-loop evaluation of a checkpoint: the episodes it has not been trained on, predicted as on a robot, and a report.

Which episodes are held out is no matter of trust: `split.json` beside the checkpoint names them, the checkpoint holds the
split's hash, and every episode's content is compared with the split's fingerprint. What does not fit is refused. Predictions
come from `deploy.session`, the path that a robot takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.atomic import check_writable
from mobile_vla.core.errors import DataError, problem
from mobile_vla.core.progress import progress
from mobile_vla.data.reader import find_episodes, open_episode, read_episode
from mobile_vla.data.splits import Split, changed_episodes, fingerprint, load_split
from mobile_vla.deploy.session import InferenceSession
from mobile_vla.evaluation.hardware import hardware
from mobile_vla.evaluation.open_loop import HeldOut, OpenLoopResult, measure, predict_episode
from mobile_vla.evaluation.open_loop_report import write_open_loop_report
from mobile_vla.model.checkpoint import LoadedPolicy, load_policy
from mobile_vla.task.cadence import frames_at_rate
from mobile_vla.task.episode import Episode
from mobile_vla.training.checkpointing import LAST_NAME

SPLIT_NAME: Final = "split.json"
REPORT_FOLDER: Final = "open_loop"
CHECKPOINT_FOLDER: Final = "checkpoints"

_ALL: Final = "Add --all to measure on every episode of the folder instead"


@dataclass(frozen=True)
class Material:
    """The episodes of one evaluation.

    Attributes:
        data_dir: the folder that they are in.
        measured: predicted and compared.
        training: what the baselines are made of.
        notes: what a reader of the numbers has to know.
    """

    data_dir: Path
    measured: tuple[Path, ...]
    training: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class OpenLoopRun:
    """What an evaluation came to.

    Attributes:
        result: the measures.
        held_out: the episodes that were measured, predicted and driven.
        notes: what a reader of the numbers has to know.
        page, numbers: the report, HTML and JSON.
    """

    result: OpenLoopResult
    held_out: tuple[HeldOut, ...]
    notes: tuple[str, ...]
    page: Path
    numbers: Path


def run_open_loop(
    checkpoint: Path | str,
    data_dir: Path | str | None = None,
    out: Path | str | None = None,
    *,
    every_episode: bool = False,
    device: str = "cpu",
) -> OpenLoopRun:
    """Measure `checkpoint` on held-out episodes and write the report.

    Args:
        checkpoint: a file that training wrote, with `split.json` beside it.
        data_dir: folder of the episodes; None: the one that the checkpoint was trained on.
        out: folder for the report; None: `open_loop` beside the `checkpoints` folder.
        every_episode: measure on all episodes in `data_dir`, whichever were trained on.
        device: where the policy runs.

    Raises:
        DataError: the split is missing or does not belong to the checkpoint or to the data, or an episode cannot be used.
        CheckpointError, ConfigError: the checkpoint cannot be used, or not on `device`.
        OSError: `out` cannot be written.
    """
    loaded = load_policy(checkpoint, device)
    folder = default_folder(loaded.path) if out is None else Path(out)
    check_writable(folder)
    material = choose_episodes(loaded, data_dir, every_episode)
    rate_hz = loaded.policy.config.rate_hz
    held_out = _predict(InferenceSession(loaded.policy, device), material.measured)
    result = measure(held_out, [actions_at_rate(path, rate_hz) for path in material.training])
    about = _about(loaded, material)
    page, numbers = write_open_loop_report(folder, result, held_out, about=about, notes=material.notes)
    return OpenLoopRun(result, held_out, material.notes, page, numbers)


def default_folder(checkpoint: Path) -> Path:
    """Return where the report of `checkpoint` goes when nobody says."""
    folder = checkpoint.parent
    return (folder.parent if folder.name == CHECKPOINT_FOLDER else folder) / REPORT_FOLDER


def choose_episodes(loaded: LoadedPolicy, data_dir: Path | str | None, every_episode: bool) -> Material:
    """Return what to measure on and what the baselines are made of. Arguments and errors as in `run_open_loop`."""
    folder = _data_dir(loaded, data_dir)
    if every_episode:
        return _everything(loaded, folder)
    split = _split_of(loaded)
    changed = changed_episodes(split, folder)
    if changed:
        rule = "these episodes are not the ones that the checkpoint's split names: their content differs"
        raise DataError(problem("data_dir", changed, rule, f"Restore them, or give the right --data-dir. {_ALL}"))
    training, measured = split.paths(folder)
    return Material(folder, tuple(measured), tuple(training), _notes(loaded))


def at_rate(episode: Episode, rate_hz: float, where: str) -> Episode:
    """Return the frames of `episode` that a policy at `rate_hz` would look at, stamped by its clock (never 0).

    Raises:
        DataError: the recording is slower than the policy.
    """
    chosen = frames_at_rate(episode.timestamps, rate_hz, "resample", where)
    return replace(
        episode,
        images=episode.images[chosen],
        actions=episode.actions[chosen],
        states=None if episode.states is None else episode.states[chosen],
        timestamps=np.arange(1, len(chosen) + 1) / rate_hz,
        rate_hz=rate_hz,
    )


def actions_at_rate(path: Path, rate_hz: float) -> NDArray[np.float32]:
    """Return the actions `(T, 4)` of the frames that a policy at `rate_hz` would look at. Raises as `at_rate`."""
    with open_episode(path) as episode:
        chosen: NDArray[np.float32] = episode.actions[frames_at_rate(episode.timestamps, rate_hz, "resample", str(path))]
    return chosen


def _predict(session: InferenceSession, paths: Sequence[Path]) -> tuple[HeldOut, ...]:
    rate_hz = session.config.rate_hz
    found = []
    with progress("Predicting", len(paths)) as advance:
        for path in paths:
            episode = at_rate(read_episode(path), rate_hz, str(path))
            found.append(HeldOut(path.stem, predict_episode(session, episode), episode.actions, rate_hz))
            advance(note=path.name)
    return tuple(found)


def _data_dir(loaded: LoadedPolicy, data_dir: Path | str | None) -> Path:
    known = data_dir if data_dir is not None else loaded.provenance.get("config", {}).get("data_dir")
    if known is None:
        rule = "it does not say which data it was trained on"
        raise DataError(problem("checkpoint", str(loaded.path), rule, "Add --data-dir"))
    return Path(known)


def _split_of(loaded: LoadedPolicy) -> Split:
    path = loaded.path.parent / SPLIT_NAME
    if not path.is_file():
        rule = "it says which episodes were held out, and it is not beside the checkpoint"
        raise DataError(problem("split", str(path), rule, f"Copy it there from the training folder. {_ALL}"))
    split = load_split(path)
    trained_on = loaded.provenance.get("split_hash")
    if split.sha256 != trained_on:
        rule = f"this split hashes to {split.sha256[:12]}, and the checkpoint was trained on {str(trained_on)[:12]}"
        raise DataError(problem("split", str(path), rule, f"Put the training run's own split.json there. {_ALL}"))
    return split


def _notes(loaded: LoadedPolicy) -> tuple[str, ...]:
    if loaded.path.name == LAST_NAME:
        return ()
    return (
        f"{loaded.path.name} may have been chosen among epochs by its loss on these very episodes, which makes its numbers "
        f"a little too good. Those of {LAST_NAME} are not chosen so.",
    )


def _everything(loaded: LoadedPolicy, folder: Path) -> Material:
    """All episodes in `folder`; the baselines are made of those trained on, or, where these are elsewhere, of all."""
    paths = tuple(find_episodes(folder))
    try:
        split = _split_of(loaded)
    except DataError as error:
        note = f"It is not known which of these episodes were trained on ({error})"
        return Material(folder, paths, paths, (note, _BASELINES_OF_ALL))
    prints = {split.fingerprints[name] for name in split.train}
    trained = tuple(path for path in paths if fingerprint(path) in prints)
    note = f"{len(trained)} of these {len(paths)} episodes were trained on."
    if len(trained) == len(prints):
        return Material(folder, paths, trained, (note,))
    return Material(folder, paths, paths, (note, _BASELINES_OF_ALL))


_BASELINES_OF_ALL: Final = (
    "The baselines are made of the measured episodes themselves, which flatters them: the training episodes are not all here."
)


def _about(loaded: LoadedPolicy, material: Material) -> dict[str, Any]:
    return {
        "checkpoint": str(loaded.path),
        "task_name": loaded.provenance.get("task_name"),
        "git_commit": loaded.provenance.get("git_commit"),
        "rate_hz": loaded.policy.config.rate_hz,
        "data_dir": str(material.data_dir),
        "measured": [path.name for path in material.measured],
        "training": [path.name for path in material.training],
        "hardware": hardware(),
    }
