"""Reading episodes of every known layout into the same arrays.

Nothing is guessed in silence: what a file does not say is worked out by the rules of `inference.py` and named in the metadata
under `inferred`; what it says wrongly is an error that shows what was found and what was expected. No image is decoded that
nobody asked for.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, EpisodeFormatError, MobileVLAError, problem
from mobile_vla.data import schema
from mobile_vla.data.file_names import SUFFIX
from mobile_vla.data.heap_check import damaged_heap
from mobile_vla.data.inference import Facts, Said, infer
from mobile_vla.data.layout import Parts, layouts
from mobile_vla.task.actions import ACTION_DIM, ACTION_NAMES, check_actions
from mobile_vla.task.episode import Episode, check_timestamps
from mobile_vla.task.state import STATE_DIM, check_states

NO_EPISODES: Final = "No .h5 files found in dataset"
"""The guide's words, which users search for."""

_LEAVE_OUT: Final = "Mend the file, or move it out of the dataset"

_BROKEN: Final = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError)
"""What HDF5, h5py and numpy throw over a damaged file: a flipped byte can turn up as any of these."""


@dataclass(frozen=True)
class EpisodeHeader:
    """All that is known of an episode without reading an image.

    Attributes:
        path: the file.
        layout: the layout's registered name.
        frames: number of frames `T`.
        height, width: of the images, pixels.
        scenario, instruction, distance: text, possibly empty.
        rate_hz: nominal frames per second.
        success: whether the goal was reached, None when unknown.
        has_state: whether the robot's state is stored.
        metadata: everything else; what was not in the file but worked out is named under `inferred`.
    """

    path: Path
    layout: str
    frames: int
    height: int
    width: int
    scenario: str
    instruction: str
    distance: str
    rate_hz: float
    success: bool | None
    has_state: bool
    metadata: dict[str, Any]


class EpisodeFile:
    """An open episode: the small arrays are read, checked and held; images are read when asked for.

    Attributes:
        header: see `EpisodeHeader`.
        actions: `(T, 4)` float32.
        timestamps: `(T,)` float64 seconds from the first frame.
        states: `(T, 15)` float32, or None.
    """

    def __init__(self, path: Path, layout: str, parts: Parts, default_rate_hz: float | None) -> None:
        _check_shapes(path, parts)
        self._images, self._path = parts.images, path
        self.actions: NDArray[np.float32] = np.asarray(parts.actions[()], dtype=np.float32)
        with _remedied():
            check_actions(self.actions, f"{path}: {schema.ACTION}")
        self.states = _read_states(path, parts)
        facts = infer(
            Said(path, len(parts.images), parts.attributes, _read_stamps(path, parts), parts.instruction), default_rate_hz
        )
        self.timestamps = facts.timestamps
        self.header = _header(path, layout, parts, facts)

    def __len__(self) -> int:
        return self.header.frames

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames `start` to `stop` (exclusive) as `(stop - start, H, W, 3)` uint8. Raises EpisodeFormatError."""
        with _explained(self._path):
            block: NDArray[np.uint8] = self._images[start:stop]
        return block

    def blocks(self, max_bytes: int = 64 * 1024 * 1024) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield `(start, images)` over the whole episode, each block of at most `max_bytes` (but at least one frame)."""
        step = max(1, max_bytes // int(np.prod(self._images.shape[1:])))
        for start in range(0, len(self), step):
            yield start, self.images(start, min(start + step, len(self)))


@contextmanager
def open_episode(path: Path | str, default_rate_hz: float | None = None) -> Iterator[EpisodeFile]:
    """Open the episode in `path`, whatever its layout.

    Args:
        path: an `.h5` file.
        default_rate_hz: frames per second to assume when the file gives no way to know.

    Raises:
        EpisodeFormatError: unreadable, truncated or of no known layout; lengths, shapes or types that do not fit.
        DataError: values out of range, or a rate that cannot be known.
    """
    path = Path(path)
    with _open_file(path) as file:
        with _explained(path):
            _check_version(path, file)
            name, parts = _parts(path, file)
            episode = EpisodeFile(path, name, parts, default_rate_hz)
        yield episode


def read_header(path: Path | str, default_rate_hz: float | None = None) -> EpisodeHeader:
    """Return what is known of the episode without reading an image. Raises as `open_episode`."""
    with open_episode(path, default_rate_hz) as episode:
        return episode.header


def read_episode(path: Path | str, default_rate_hz: float | None = None) -> Episode:
    """Return the whole episode in memory. Raises as `open_episode`."""
    with open_episode(path, default_rate_hz) as episode:
        header = episode.header
        return Episode(
            images=episode.images(0, len(episode)),
            actions=episode.actions,
            timestamps=episode.timestamps,
            rate_hz=header.rate_hz,
            instruction=header.instruction,
            scenario=header.scenario,
            states=episode.states,
            success=header.success,
            metadata=header.metadata,
        )


def find_episodes(folder: Path | str) -> list[Path]:
    """Return the `.h5` files directly in `folder`, sorted by name, without hidden ones. Raises DataError for none."""
    folder = Path(folder)
    found = sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.is_dir() and not path.name.startswith("."))
    if not found:
        there = "it has none" if folder.is_dir() else "there is no such folder"
        remedy = "Check the path, or set data_dir to an absolute path."
        raise DataError(f"{NO_EPISODES}: looked in {folder.resolve()}, and {there}. {remedy}")
    return found


@contextmanager
def _open_file(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise EpisodeFormatError(problem("episode", str(path), f"no such file (looked at {path.resolve()})"))
    with _explained(path):
        damaged = damaged_heap(path)
        if damaged is not None:
            raise OSError(f"damaged text heap at byte {damaged}")
        file = h5py.File(path, "r")
    with file:
        yield file


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what HDF5 throws over a broken file into our error."""
    try:
        yield
    except MobileVLAError:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
            raise PermissionError(error.errno, "Permission denied", str(path)) from error
        rule = f"HDF5 cannot read it ({path.stat().st_size} bytes): {' '.join(str(error).split()) or type(error).__name__}"
        remedy = "It is cut short, damaged or no HDF5 file: copy it again or leave it out"
        raise EpisodeFormatError(problem("episode", str(path), rule, remedy)) from error


@contextmanager
def _remedied() -> Iterator[None]:
    """Say what to do about a value that breaks a rule; the rules themselves do not know that they look at a file."""
    try:
        yield
    except DataError as error:
        raise type(error)(f"{error} {_LEAVE_OUT}.") from error


def _check_version(path: Path, file: Any) -> None:
    version = schema.decode_value(file.attrs.get(schema.FORMAT_VERSION_ATTRIBUTE, schema.FORMAT_VERSION))
    if str(version).partition(".")[0] != schema.FORMAT_VERSION.partition(".")[0]:
        rule = f"this program reads episodes of format {schema.FORMAT_VERSION}"
        remedy = "Use the version of mobile-vla that wrote it"
        raise EpisodeFormatError(problem(f"{path}: {schema.FORMAT_VERSION_ATTRIBUTE}", version, rule, remedy))


def _parts(path: Path, file: Any) -> tuple[str, Parts]:
    for name in layouts:
        layout = layouts.get(name)
        if layout.recognises(file):
            return name, layout.parts(file)
    found: list[str] = []
    file.visititems(lambda key, node: found.append(f"/{key} {getattr(node, 'shape', '(group)')}"))
    known = "; ".join(f"{name}: {layouts.get(name).expects}" for name in layouts)
    rule = f"its keys fit no known layout. Expected {known}. Found {', '.join(sorted(found)) or 'an empty file'}"
    raise EpisodeFormatError(problem("episode", str(path), rule))


def _check_shapes(path: Path, parts: Parts) -> None:
    images, actions = parts.images, parts.actions
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or 0 in images.shape:
        rule = "images are uint8 (T, H, W, 3), with at least one frame"
        raise EpisodeFormatError(problem(f"{path}: {images.name}", f"{images.dtype} {images.shape}", rule, _LEAVE_OUT))
    if actions.ndim != 2 or actions.shape[1] != ACTION_DIM or actions.dtype.kind not in "fiu":
        rule = f"actions are numbers (T, {ACTION_DIM}): {', '.join(ACTION_NAMES)}"
        raise EpisodeFormatError(problem(f"{path}: {actions.name}", f"{actions.dtype} {actions.shape}", rule, _LEAVE_OUT))
    frames = len(images)
    lengths = {"actions": actions, "states": parts.states, "timestamps": parts.timestamps}
    unequal = {name: len(part) for name, part in lengths.items() if part is not None and part.shape[:1] != (frames,)}
    stated = parts.attributes.get(schema.NUM_FRAMES, frames)
    if unequal or stated != frames:
        counts = {"images": frames, **unequal, **({} if stated == frames else {schema.NUM_FRAMES: stated})}
        rule = "every array has one row per image"
        raise EpisodeFormatError(problem(f"{path}: lengths", counts, rule, "The recording was cut short: leave the file out"))


def _read_states(path: Path, parts: Parts) -> NDArray[np.float32] | None:
    if parts.states is None:
        return None
    if parts.states.shape[1:] != (STATE_DIM,):
        raise EpisodeFormatError(problem(f"{path}: {schema.STATE}", parts.states.shape, f"states are (T, {STATE_DIM})"))
    states: NDArray[np.float32] = np.asarray(parts.states[()], dtype=np.float32)
    with _remedied():
        check_states(states, f"{path}: {schema.STATE}")
    return states


def _read_stamps(path: Path, parts: Parts) -> NDArray[np.float64] | None:
    if parts.timestamps is None:
        return None
    stamps: NDArray[np.float64] = np.asarray(parts.timestamps[()], dtype=np.float64)
    check_timestamps(stamps, len(parts.images), str(path))
    first: float = stamps[0]
    return np.subtract(stamps, first)


def _header(path: Path, layout: str, parts: Parts, facts: Facts) -> EpisodeHeader:
    frames, height, width, _ = parts.images.shape
    own = schema.RESERVED | {schema.LANGUAGE, schema.INFERRED}
    metadata = {key: value for key, value in parts.attributes.items() if key not in own}
    if facts.distance:
        metadata[schema.DISTANCE] = facts.distance
    if facts.inferred:
        metadata[schema.INFERRED] = facts.inferred
    success = parts.attributes.get(schema.SUCCESS)
    return EpisodeHeader(
        path=path,
        layout=layout,
        frames=int(frames),
        height=int(height),
        width=int(width),
        scenario=facts.scenario,
        instruction=facts.instruction,
        distance=facts.distance,
        rate_hz=facts.rate_hz,
        success=None if success is None else bool(success),
        has_state=parts.states is not None,
        metadata=metadata,
    )
