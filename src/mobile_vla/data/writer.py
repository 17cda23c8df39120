"""Writing episodes: frame by frame, checked on the way in, and on disk either whole or not at all.

Compression, and why: on one core a 720p frame takes 2 ms uncompressed, 24 ms with lzf and 85 ms with gzip, so gzip cannot
follow a 30 Hz camera; a frame of 224x224 takes 2.5 ms with gzip level 1 and shrinks by a third. So `"auto"` compresses frames
of up to 256 KiB with gzip level 1 (which, unlike lzf, every HDF5 program reads) and stores larger ones as they are. One chunk
is one frame, so that any window is read without touching other frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.atomic import atomic_path
from mobile_vla.core.errors import DataError, problem
from mobile_vla.data import schema
from mobile_vla.data.reservation import Reservation
from mobile_vla.task.actions import check_actions
from mobile_vla.task.episode import Episode, check_episode
from mobile_vla.task.observation import check_image
from mobile_vla.task.state import check_states

Compression = Literal["auto", "none", "lzf", "gzip"]

SMALL_FRAME_BYTES: Final = 256 * 1024
"""Frames up to this size are compressed by `"auto"`."""

_FILE: Final[dict[str, Any]] = {
    "rdcc_nbytes": 0,  # no cache: the file is as large as what it got
    "libver": ("v110", "v110"),  # since 1.10, structures carry checksums: HDF5 crashes over some that are damaged without
}

_ROW_BYTES: Final = 128
"""More than a frame's action, state and time take."""

_FILTERS: Final[dict[str, dict[str, Any]]] = {
    "none": {},
    "lzf": {"compression": "lzf"},
    "gzip": {"compression": "gzip", "compression_opts": 1},
}


def write_episode(episode: Episode, path: Path | str, *, compression: Compression = "auto", overwrite: bool = False) -> None:
    """Write `episode` to `path`, atomically; `reader.read_episode` is the inverse (times are stored from the first frame on).

    Raises:
        DataError: the episode breaks a rule, or `path` exists and `overwrite` is False.
    """
    check_episode(episode, str(path))
    writer = EpisodeWriter(
        path,
        instruction=episode.instruction,
        rate_hz=episode.rate_hz,
        scenario=episode.scenario,
        metadata=episode.metadata,
        compression=compression,
        overwrite=overwrite,
    )
    with writer:
        for frame, (image, action, stamp_s) in enumerate(zip(episode.images, episode.actions, episode.timestamps, strict=True)):
            writer.append(image, action, None if episode.states is None else episode.states[frame], float(stamp_s))
        writer.finish(success=episode.success)


class _DiscardedError(Exception):
    """Unwinds a recording that the operator threw away."""


class EpisodeWriter:
    """Records one episode; a context manager.

    Frames go to a hidden `.partial` file beside the target. Leaving the block flushes it to disk and gives it its name; leaving
    it by an exception removes it, and a killed process leaves only the hidden file. Usage::

        with EpisodeWriter(path, instruction="Go left", rate_hz=10.0, scenario="1box_vert_left") as writer:
            for image, action in drive:
                writer.append(image, action)
            writer.finish(success=True)

    Args:
        path: the target `.h5`; an existing file is refused.
        instruction: what the driver was told; may be empty.
        rate_hz: nominal frames per second, > 0.
        scenario: for example `1box_vert_left`; empty when unknown.
        metadata: everything else, for example `{"distance": "50cm"}`.
        compression: of the images; see the module.
        overwrite: replace an existing file.

    Raises:
        DataError: the target exists, or a value breaks its rule.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        instruction: str,
        rate_hz: float,
        scenario: str = "",
        metadata: Mapping[str, Any] | None = None,
        compression: Compression = "auto",
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self._overwrite = overwrite
        self._refuse_existing()
        if not (np.isfinite(rate_hz) and rate_hz > 0):
            raise DataError(problem("rate_hz", rate_hz, "rate_hz is the recording's frames per second, > 0"))
        if compression != "auto" and compression not in _FILTERS:
            raise DataError(problem("compression", compression, "choose one of 'auto', 'none', 'lzf', 'gzip'"))
        self.rate_hz = float(rate_hz)
        self._compression = compression
        self._instruction, self._scenario = instruction, scenario
        self._metadata: dict[str, Any] = dict(metadata or {})
        schema.encode_metadata(self._metadata)  # refuse bad metadata before the drive, not after it
        self._success: bool | None = None
        self._discarded = False
        self._publication: AbstractContextManager[None] = self._publish()
        self._file: Any = None
        self._space: Reservation
        self._images: Any = None
        self._actions: list[NDArray[np.float32]] = []
        self._states: list[NDArray[np.float32]] = []
        self._stamps: list[float] = []

    def __len__(self) -> int:
        return len(self._actions)

    def __enter__(self) -> EpisodeWriter:
        self._publication.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._publication.__exit__(kind, error, trace)

    def append(
        self,
        image: NDArray[np.uint8],
        action: NDArray[np.floating],
        state: NDArray[np.floating] | None = None,
        stamp_s: float | None = None,
    ) -> None:
        """Add one frame.

        Args:
            image: `(H, W, 3)` uint8 RGB, the same size in every frame.
            action: `(4,)` valid action (see `task.actions`).
            state: `(15,)`, for every frame or for none.
            stamp_s: monotonic seconds, for every frame or for none (then frame t is at `t / rate_hz`).

        Raises:
            DataError: naming the frame, the value and the rule; the frame is not added.
            OSError: the disk is full; nothing stays behind once the 'with' block is left.
        """
        if self._file is None:
            raise DataError(problem("EpisodeWriter", str(self.path), "frames are appended inside its 'with' block"))
        where = f"frame {len(self)}"
        self._check_frame(image, action, state, stamp_s, where)
        if self._images is None:
            self._images = self._create_images(image.shape)
        self._reserve(image.nbytes)
        self._images.resize(len(self) + 1, axis=0)
        self._images[len(self)] = image
        self._actions.append(np.array(action, dtype=np.float32))
        if state is not None:
            self._states.append(np.array(state, dtype=np.float32))
        if stamp_s is not None:
            self._stamps.append(float(stamp_s))

    def finish(self, success: bool | None = None, metadata: Mapping[str, Any] | None = None) -> None:
        """Say what is known only at the end: whether the goal was reached, and further metadata."""
        schema.encode_metadata(metadata or {})
        self._success = success
        self._metadata.update(metadata or {})

    def discard(self) -> None:
        """Leave no file behind when the block ends (the operator threw the drive away)."""
        self._discarded = True

    @contextmanager
    def _publish(self) -> Iterator[None]:
        with suppress(_DiscardedError), atomic_path(self.path) as partial:
            try:
                with Reservation(partial) as self._space:
                    with h5py.File(partial, "w", **_FILE) as self._file:
                        yield
                        if self._discarded:
                            raise _DiscardedError
                        self._write_rest()
                        self._file.flush()
                        size = self._file.id.get_filesize()
                    self._space.release(size)
            finally:
                self._file = None
            self._refuse_existing()

    def _check_frame(self, image: object, action: object, state: object, stamp_s: float | None, where: str) -> None:
        check_image(image, f"{where}.image")
        shape = np.asarray(image).shape
        if self._images is not None and shape != self._images.shape[1:]:
            rule = f"every frame has the size of the first, {self._images.shape[1:]}"
            raise DataError(problem(f"{where}.image.shape", shape, rule))
        check_actions(np.asarray(action)[None], f"{where}.action")
        self._check_presence("state", state is not None, bool(self._states), where)
        self._check_presence("stamp_s", stamp_s is not None, bool(self._stamps), where)
        if state is not None:
            check_states(np.asarray(state)[None], f"{where}.state")
        if stamp_s is not None and not (np.isfinite(stamp_s) and (not self._stamps or stamp_s > self._stamps[-1])):
            raise DataError(
                problem(f"{where}.stamp_s", stamp_s, f"stamps are finite and increase; the last was {self._last()}")
            )

    def _check_presence(self, name: str, given: bool, before: bool, where: str) -> None:
        if len(self) and given != before:
            rule = f"{name} is given for every frame or for none, and frame 0 had {'one' if before else 'none'}"
            raise DataError(problem(f"{where}.{name}", "given" if given else None, rule))

    def _last(self) -> float | None:
        return self._stamps[-1] if self._stamps else None

    def _create_images(self, shape: tuple[int, ...]) -> Any:
        size = int(np.prod(shape))
        kind = ("gzip" if size <= SMALL_FRAME_BYTES else "none") if self._compression == "auto" else self._compression
        layout = {"shape": (0, *shape), "maxshape": (None, *shape), "chunks": (1, *shape), "dtype": np.uint8}
        return self._file.create_dataset(schema.IMAGES, **layout, **_FILTERS[kind])

    def _refuse_existing(self) -> None:
        if self.path.exists() and not self._overwrite:
            remedy = "Choose another name (data.file_names.free_path gives one), or pass overwrite=True"
            raise DataError(problem("path", str(self.path), "this episode exists already", remedy))

    def _reserve(self, more: int) -> None:
        self._space.ensure(self._file.id.get_filesize() + more)

    def _write_rest(self) -> None:
        if not len(self):
            raise DataError(problem("episode", str(self.path), "an episode has at least one frame", "Nothing was written"))
        stamps = np.asarray(self._stamps) - self._stamps[0] if self._stamps else np.arange(len(self)) / self.rate_hz
        self._reserve(len(self) * _ROW_BYTES)
        file = self._file
        file.create_dataset(schema.ACTION, data=np.stack(self._actions))
        file.create_dataset(schema.TIMESTAMPS, data=stamps)
        if self._states:
            file.create_dataset(schema.STATE, data=np.stack(self._states))
        file.create_dataset(schema.LANGUAGE, data=[self._instruction], dtype=h5py.string_dtype("utf-8"))
        file.attrs[schema.FORMAT_VERSION_ATTRIBUTE] = schema.FORMAT_VERSION
        attributes = file.create_group(schema.METADATA, track_order=True).attrs
        for key, value in {**self._fields(stamps), **schema.encode_metadata(self._metadata)}.items():
            attributes[key] = value

    def _fields(self, stamps: NDArray[np.float64]) -> dict[str, Any]:
        fields = {
            schema.SCENARIO: self._scenario,
            schema.INSTRUCTION: self._instruction,
            schema.RATE_HZ: self.rate_hz,
            schema.NUM_FRAMES: len(self),
            schema.TOTAL_DURATION: float(stamps[-1] + 1.0 / self.rate_hz),
        }
        return fields if self._success is None else {**fields, schema.SUCCESS: self._success}
