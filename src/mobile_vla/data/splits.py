"""Training and validation episodes: split by whole episodes, evenly over scenarios, and the same on every machine.

Frames of one drive never stand on both sides (windows would leak), and no side lacks a scenario that the other has plenty of.
Which episode goes where depends on the seed and the file's name alone: not on the order of the files, nor on a random
generator's version. A split travels as JSON with a fingerprint of every file, so that a model's validation set can be known
again later.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mobile_vla.core.atomic import write_text
from mobile_vla.core.errors import DataError, problem
from mobile_vla.data.reader import EpisodeHeader, open_episode


@dataclass(frozen=True)
class Split:
    """Which episodes train and which validate.

    Attributes:
        train, val: sorted file names.
        seed: chose them.
        val_fraction: the share that was asked for.
        fingerprints: file name -> content fingerprint (see `fingerprint`), of all episodes.
        sha256: over the sorted (file name, fingerprint) lists of both sides.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    seed: int
    val_fraction: float
    fingerprints: Mapping[str, str]
    sha256: str = field(default="")

    def __post_init__(self) -> None:
        digest = self._digest()
        if self.sha256 and self.sha256 != digest:
            rule = f"the split's lists hash to {digest}"
            raise DataError(problem("split.sha256", self.sha256, rule, "The file was edited by hand: split again"))
        object.__setattr__(self, "sha256", digest)

    def _digest(self) -> str:
        sides = {
            side: sorted((name, self.fingerprints.get(name, "")) for name in names)
            for side, names in (("train", self.train), ("val", self.val))
        }
        return hashlib.sha256(json.dumps(sides, sort_keys=True).encode()).hexdigest()

    def paths(self, folder: Path | str) -> tuple[list[Path], list[Path]]:
        """Return the training and validation files in `folder`. Raises DataError naming those that are missing."""
        sides = ([Path(folder) / name for name in self.train], [Path(folder) / name for name in self.val])
        missing = [path.name for side in sides for path in side if not path.is_file()]
        if missing:
            rule = f"these episodes of the split are not in {Path(folder).resolve()}"
            raise DataError(problem("split", missing, rule, "Restore them, or split again"))
        return sides


def make_split(paths: Sequence[Path], val_fraction: float = 0.1, seed: int = 0, default_rate_hz: float | None = None) -> Split:
    """Split `paths` by episode, within each scenario.

    Of a scenario's episodes, `val_fraction` (rounded, at least one, never all) validate; a scenario with one episode trains.
    When that leaves nothing to validate with although there are two episodes or more, one is taken all the same.

    Raises:
        DataError: `val_fraction` is not between 0 and 1, two files have the same name, or a file is unreadable.
    """
    if not 0.0 < val_fraction < 1.0:
        raise DataError(problem("val_fraction", val_fraction, "a share above 0 and below 1", "For example 0.1"))
    by_scenario: dict[str, list[str]] = defaultdict(list)
    prints: dict[str, str] = {}
    for path in map(Path, paths):
        if path.name in prints:
            raise DataError(problem("split", path.name, "two episodes have this file name", "Rename one of them"))
        header, prints[path.name] = _examine(path, default_rate_hz)
        by_scenario[header.scenario].append(path.name)
    val = {name for names in by_scenario.values() for name in _validating(names, val_fraction, seed)}
    if not val and len(prints) > 1:
        val = {_ranked(prints, seed)[0]}
    train = tuple(sorted(set(prints) - val))
    return Split(train, tuple(sorted(val)), seed, val_fraction, dict(sorted(prints.items())))


def fingerprint(path: Path | str, default_rate_hz: float | None = None) -> str:
    """Return 16 hex digits that change with an episode's content.

    That is its actions, times, states, texts and image size, and its first, middle and last image. Reading three images and not
    all keeps a dataset of hundreds of 720p drives splittable in seconds.
    """
    return _examine(Path(path), default_rate_hz)[1]


def changed_episodes(split: Split, folder: Path | str, default_rate_hz: float | None = None) -> list[str]:
    """Return the names of the split's episodes in `folder` whose content has changed. Raises DataError for missing ones."""
    train, val = split.paths(folder)
    return [path.name for path in train + val if fingerprint(path, default_rate_hz) != split.fingerprints[path.name]]


def save_split(split: Split, path: Path | str) -> None:
    """Write `split` as JSON, atomically."""
    write_text(path, json.dumps(asdict(split), indent=2, ensure_ascii=False) + "\n")


def load_split(path: Path | str) -> Split:
    """Return the split in `path`. Raises DataError when it is missing, malformed or was edited."""
    path = Path(path)
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        tree["train"], tree["val"] = tuple(tree["train"]), tuple(tree["val"])
        return Split(**tree)
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        remedy = "Write it with data.splits.save_split"
        raise DataError(problem("split", str(path), f"not a split file: {error!r}", remedy)) from error


def _validating(names: Sequence[str], val_fraction: float, seed: int) -> list[str]:
    if len(names) < 2:
        return []
    count = min(max(1, round(val_fraction * len(names))), len(names) - 1)
    return _ranked(names, seed)[:count]


def _ranked(names: Sequence[str] | Mapping[str, str], seed: int) -> list[str]:
    """The names in an order that depends on nothing but them and the seed."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())


def _examine(path: Path, default_rate_hz: float | None) -> tuple[EpisodeHeader, str]:
    with open_episode(path, default_rate_hz) as episode:
        header = episode.header
        digest = hashlib.sha256(repr((header.frames, header.height, header.width)).encode())
        digest.update(json.dumps([header.scenario, header.instruction, header.success]).encode())
        digest.update(episode.actions.tobytes() + episode.timestamps.tobytes())
        if episode.states is not None:
            digest.update(episode.states.tobytes())
        for frame in sorted({0, len(episode) // 2, len(episode) - 1}):
            digest.update(episode.images(frame, frame + 1).tobytes())
    return header, digest.hexdigest()[:16]
