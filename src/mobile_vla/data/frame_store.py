"""All frames of a dataset in memory, at the model's input size: what makes a training step not wait for the disk.

Decoding a window of eight 720p frames takes 71 to 165 ms; reading the same window here takes microseconds. Frames are decoded
once, in blocks, so that no whole 720p episode is ever in memory. A dataset that grows during training is appended to and never
read again. This module does not know the model: how to resize is passed in.

Legend: `N` frames in the store, `h`, `w` the model's input size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem
from mobile_vla.core.progress import Advance, progress
from mobile_vla.data.reader import EpisodeFile, open_episode
from mobile_vla.task.actions import ACTION_DIM
from mobile_vla.task.cadence import OnMismatch, frames_at_rate
from mobile_vla.task.state import STATE_DIM

Resize = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""`(T, H, W, 3)` uint8 -> `(T, h, w, 3)` uint8, the same `h`, `w` whatever `H`, `W`."""

QUIET_S: Final = 2.0
"""Work that takes less than this shows no progress."""

_FIRST_CAPACITY: Final = 1024


@dataclass(frozen=True)
class StoredEpisode:
    """Where one episode is in the store: rows `start` to `end`, both inclusive."""

    path: Path
    start: int
    end: int
    scenario: str
    instruction: str


class FrameStore:
    """Frames of many episodes in contiguous arrays, one row per frame, episode after episode.

    Args:
        resize: see `Resize`.
        rate_hz: the policy's rate; every episode is sampled at it (`task.cadence`).
        on_mismatch: `"refuse"` or `"resample"` an episode recorded at another rate.
        default_rate_hz: for files that do not say their rate.
    """

    def __init__(
        self, resize: Resize, rate_hz: float, on_mismatch: OnMismatch = "refuse", default_rate_hz: float | None = None
    ) -> None:
        self.rate_hz = rate_hz
        self.on_mismatch = on_mismatch
        self.default_rate_hz = default_rate_hz
        self.episodes: list[StoredEpisode] = []
        self.instructions: list[str] = []
        self.scenarios: list[str] = []
        self._resize = resize
        self._known: set[Path] = set()
        self._rows: dict[str, NDArray[Any]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def images(self) -> NDArray[np.uint8]:
        """`(N, h, w, 3)` uint8 RGB. This and the other arrays are views: ask again after `append`."""
        return self._view("images")

    @property
    def actions(self) -> NDArray[np.float32]:
        """`(N, 4)` float32 (see `task.actions`)."""
        return self._view("actions")

    @property
    def states(self) -> NDArray[np.float32]:
        """`(N, 15)` float32, zeros where `state_mask` is False."""
        return self._view("states")

    @property
    def state_mask(self) -> NDArray[np.bool_]:
        """`(N,)` bool: whether the frame has a robot state."""
        return self._view("state_mask")

    @property
    def starts(self) -> NDArray[np.int64]:
        """`(N,)` first row of the frame's episode."""
        return self._view("starts")

    @property
    def ends(self) -> NDArray[np.int64]:
        """`(N,)` last row (inclusive) of the frame's episode."""
        return self._view("ends")

    @property
    def instruction_index(self) -> NDArray[np.int32]:
        """`(N,)` index into `instructions`."""
        return self._view("instruction_index")

    @property
    def scenario_index(self) -> NDArray[np.int32]:
        """`(N,)` index into `scenarios`."""
        return self._view("scenario_index")

    def append(self, paths: Iterable[Path | str]) -> int:
        """Add the episodes in `paths` that are not in the store yet; return how many frames came in.

        An episode enters whole or not at all: after an error those before it are in the store.

        Raises:
            DataError: a file is unreadable, its rate does not fit, or the resized frames have another size than those before.
        """
        new = [path for path in map(Path, paths) if path.resolve() not in self._known]
        before = self._count
        with _late_progress("Reading episodes", len(new)) as advance:
            for path in new:
                if path.resolve() not in self._known:  # named twice in one call
                    with open_episode(path, self.default_rate_hz) as episode:
                        self._add(path, episode)
                advance()
        return self._count - before

    def _add(self, path: Path, episode: EpisodeFile) -> None:
        chosen = frames_at_rate(episode.timestamps, self.rate_hz, self.on_mismatch, str(path))
        start, stop = self._count, self._count + len(chosen)
        row = start
        for images in self._resized(episode, chosen):
            self._reserve(stop, images.shape[1:], path)
            self._rows["images"][row : row + len(images)] = images
            row += len(images)
        rows = {
            "actions": episode.actions[chosen],
            "states": 0.0 if episode.states is None else episode.states[chosen],
            "state_mask": episode.states is not None,
            "starts": start,
            "ends": stop - 1,
            "instruction_index": _index(self.instructions, episode.header.instruction),
            "scenario_index": _index(self.scenarios, episode.header.scenario),
        }
        for name, value in rows.items():
            self._rows[name][start:stop] = value
        self._count = stop
        self._known.add(path.resolve())
        header = episode.header
        self.episodes.append(StoredEpisode(path, start, stop - 1, header.scenario, header.instruction))

    def _resized(self, episode: EpisodeFile, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        for start, block in episode.blocks():
            wanted = chosen[(chosen >= start) & (chosen < start + len(block))] - start
            if len(wanted):
                source = block if len(wanted) == len(block) else block[wanted]
                yield _checked(self._resize(source), len(wanted))

    def _reserve(self, rows: int, image_shape: Sequence[int], path: Path) -> None:
        held = self._rows.get("images")
        if held is not None and held.shape[1:] != tuple(image_shape):
            rule = f"the frames already in the store are {held.shape[1:]}"
            remedy = "resize must return one size whatever it is given"
            raise DataError(problem(f"{path}: resized frame", tuple(image_shape), rule, remedy))
        if held is not None and rows <= len(held):
            return
        capacity = max(rows, _FIRST_CAPACITY if held is None else 2 * len(held))
        for name, (shape, dtype) in _columns(tuple(image_shape)).items():
            grown = np.empty((capacity, *shape), dtype=dtype)
            if name in self._rows:
                grown[: self._count] = self._rows[name][: self._count]
            self._rows[name] = grown

    def _view(self, name: str) -> NDArray[Any]:
        if name not in self._rows:
            raise DataError(problem("FrameStore", 0, "the store is empty", "Call append first"))
        return self._rows[name][: self._count]


def _columns(image_shape: tuple[int, ...]) -> dict[str, tuple[tuple[int, ...], Any]]:
    return {
        "images": (image_shape, np.uint8),
        "actions": ((ACTION_DIM,), np.float32),
        "states": ((STATE_DIM,), np.float32),
        "state_mask": ((), np.bool_),
        "starts": ((), np.int64),
        "ends": ((), np.int64),
        "instruction_index": ((), np.int32),
        "scenario_index": ((), np.int32),
    }


def _checked(images: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[0] != frames or images.shape[3] != 3:
        found = f"{images.dtype} {images.shape}"
        raise DataError(problem("resize", found, f"resize returns uint8 ({frames}, h, w, 3) for {frames} frames"))
    return images


def _index(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)


@contextmanager
def _late_progress(description: str, total: int) -> Iterator[Advance]:
    """Like `core.progress.progress`, but silent until the work has taken `QUIET_S`."""
    began, done = time.monotonic(), 0
    shown: Advance | None = None
    with ExitStack() as stack:

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal done, shown
            done += steps
            if shown is not None:
                shown(steps, note)
            elif time.monotonic() - began > QUIET_S:
                shown = stack.enter_context(progress(description, total))
                shown(done, note)

        yield advance
