"""Donkeycar v2 tubs: a `manifest.json`, `*.catalog` files with one JSON record per line, and `images/`.

| tub | episode | why |
|---|---|---|
| `user/throttle` (-1 full reverse, +1 full forward) | `linear_x = throttle * max_speed_mps` | a stated scale |
| - | `linear_y = 0` | a car does not move sideways |
| `user/angle` (-1 full left, +1 full right) | `angular_z = -angle * max_yaw_rate_rps` | ours: + is left |
| - | `action_type`: stop when both are within 0.02 of zero, else move | a car cannot rotate on the spot |
| `cam/image_array` | the image, RGB | |
| `_timestamp_ms` | `/timestamps`, if plausible | see below |

The scales are conventions, not measurements: a tub records sticks, not speeds. A car's yaw rate also depends on its speed; the
map is linear all the same. Where time jumps (deleted or skipped records, another session, a pause) a new episode begins, so no
window spans the jump. Between two episodes at least `gap_frames` records are left out: neighbouring frames are all but equal,
and the two sides of a cut may come to stand on the two sides of a split. A rate above 120 Hz or times that do not increase are
no camera's: then all times are replaced by `rate_hz`. File names are `episode_{date}_{time}_{scenario}.h5`, without the
distance that a tub does not have; the time is that of the first record (UTC), or the next free second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mobile_vla.core.config import Config
from mobile_vla.core.errors import DataError, problem
from mobile_vla.core.progress import Advance, progress
from mobile_vla.data import schema
from mobile_vla.data.archives import unpacked
from mobile_vla.data.file_names import EpisodeName, free_path
from mobile_vla.data.importers import Importer, ImportReport, importers
from mobile_vla.data.reader import NO_EPISODES, find_episodes, read_header
from mobile_vla.data.tub import BadRecordError, Record, Tub, find_tub, parse_record, read_image, read_tub
from mobile_vla.data.writer import EpisodeWriter
from mobile_vla.task.actions import VELOCITY_LIMIT, ActionType, make_action

MAX_PLAUSIBLE_HZ: Final = 120.0
"""No camera of such a car is faster."""

DEAD_ZONE: Final = 0.02
"""Stick positions nearer to zero than this are zero."""

_PAUSE_PERIODS: Final = 5.0
"""A step longer than this many usual ones is a pause in the recording."""

_SOURCE_SHA: Final = "source_sha256"

Frame = tuple[Record, NDArray[np.uint8]]
"""A record and its picture."""


class DonkeycarOptions(Config):
    """Options of the import; none of them can be had from a tub."""

    instruction: str = Field("Follow the track", description="What the driver was told.")
    scenario: str = Field("donkeycar", description="Scenario name, for the files and the statistics.")
    max_speed_mps: float = Field(
        VELOCITY_LIMIT, gt=0, le=VELOCITY_LIMIT, description="linear_x at full throttle, m/s: a stated scale, not measured."
    )
    max_yaw_rate_rps: float = Field(
        VELOCITY_LIMIT, gt=0, le=VELOCITY_LIMIT, description="angular_z at full left lock, rad/s: a stated scale, not measured."
    )
    rate_hz: float = Field(
        20.0, gt=0, le=MAX_PLAUSIBLE_HZ, description="Frames per second where the tub's times are implausible (drive loop: 20)."
    )
    episode_frames: int = Field(100, ge=2, description="Cut the tub into episodes of at most this many frames.")
    gap_frames: int = Field(
        20, ge=0, description="Leave out so many frames between two episodes, so that they do not share nearly equal pictures."
    )
    on_bad_record: Literal["skip", "refuse"] = Field(
        "skip", description="'skip' (and name) or 'refuse' damaged pictures and records, and those driven by the autopilot."
    )


@dataclass(frozen=True)
class Clock:
    """When each record was taken.

    Attributes:
        rate_hz: nominal frames per second.
        trusted: whether the tub's own times are used.
        warning: why they are not, or empty.
    """

    rate_hz: float
    trusted: bool
    warning: str = ""


@dataclass
class _Log:
    episodes: list[Path] = field(default_factory=list)
    frames: int = 0
    unreadable: int = 0
    skipped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class DonkeycarImporter(Importer[DonkeycarOptions]):
    """Imports a Donkeycar v2 tub: a folder, or a tar archive of one."""

    help = "A Donkeycar v2 tub (manifest.json, catalogs, images): a folder or a .tar.gz."
    Options = DonkeycarOptions

    def convert(self, source: Path, out: Path, options: DonkeycarOptions) -> ImportReport:
        """Write the tub's drives as episodes; see the module for the mapping, `Importer` for the rest."""
        log = _Log()
        with unpacked(source) as folder:
            tub = read_tub(find_tub(folder))
            _refuse_second_import(out, tub)
            try:
                _convert(tub, source.name, out, options, log)
            except BaseException:
                for path in log.episodes:
                    path.unlink(missing_ok=True)
                raise
        return ImportReport(tuple(log.episodes), log.frames, tuple(log.skipped), tuple(log.warnings))


importers.add("donkeycar", DonkeycarImporter())


def to_action(angle: float, throttle: float, options: DonkeycarOptions) -> NDArray[np.float32]:
    """Return the action `(4,)` for the two sticks, each in [-1, 1]; see the module's table."""
    still = abs(angle) < DEAD_ZONE and abs(throttle) < DEAD_ZONE
    if still:
        return make_action(0.0, 0.0, 0.0, ActionType.STOP)
    return make_action(throttle * options.max_speed_mps, 0.0, -angle * options.max_yaw_rate_rps, ActionType.MOVE)


def judge_clock(stamps: list[float | None], replacement_hz: float) -> Clock:
    """Return whether the times of successive records (s) can be believed, and the rate in Hz to use."""
    known = np.array([np.nan if stamp is None else stamp for stamp in stamps], dtype=np.float64)
    steps = np.diff(known)
    reason = ""
    if len(steps) == 0 or np.isnan(steps).any():
        reason = "records without a time"
    elif (steps <= 0).any():
        reason = f"{int((steps <= 0).sum())} times do not increase"
    elif 1.0 / float(np.median(steps)) > MAX_PLAUSIBLE_HZ:
        reason = f"{len(known)} frames in {known[-1] - known[0]:.1f} s, {1.0 / float(np.median(steps)):.0f} Hz"
    if not reason:
        return Clock(1.0 / float(np.median(steps)), True)
    text = f"The tub's times are implausible ({reason}): they are replaced by {replacement_hz:g} Hz (option rate_hz)."
    return Clock(replacement_hz, False, text)


def _convert(tub: Tub, source_name: str, out: Path, options: DonkeycarOptions, log: _Log) -> None:
    records = _records(tub, options, log)
    if not records:
        raise DataError(problem("tub", source_name, f"no usable record; {len(log.skipped)} skipped, e.g. {log.skipped[:1]}"))
    clock = judge_clock([record.stamp_s for record in records], options.rate_hz)
    if clock.warning:
        log.warnings.append(clock.warning)
    metadata = _metadata(tub, source_name, options, clock)
    with progress(f"Importing {source_name}", len(records)) as advance:
        frames = _counted(_pictures(records, options, log), advance)
        for piece in _pieces(frames, clock, options.episode_frames, options.gap_frames):
            _write(piece, out, options, clock, metadata, log)
    left_out = len(records) - log.frames - log.unreadable
    if left_out:
        why = "so that they do not share nearly equal pictures (option gap_frames)"
        log.warnings.append(f"{left_out} frames were left out between episodes, {why}.")


def _records(tub: Tub, options: DonkeycarOptions, log: _Log) -> list[Record]:
    records = []
    for where, line in tub.lines:
        try:
            record = parse_record(tub, where, line)
        except BadRecordError as error:
            _skip(error, options, log)
        else:
            if record.index not in tub.deleted:
                records.append(record)
    return sorted(records, key=lambda record: record.index)


def _pictures(records: list[Record], options: DonkeycarOptions, log: _Log) -> Iterator[Frame]:
    shape: tuple[int, ...] | None = None
    for record in records:
        try:
            image = read_image(record)
            if shape is not None and image.shape != shape:
                rule = f"the pictures before it are {shape}"
                raise BadRecordError(problem(f"record {record.index}: {record.image.name}", image.shape, rule))
        except BadRecordError as error:
            _skip(error, options, log)
            log.unreadable += 1
        else:
            shape = image.shape
            yield record, image


def _counted(frames: Iterator[Frame], advance: Advance) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        advance()


def _pieces(frames: Iterator[Frame], clock: Clock, most: int, gap: int) -> Iterator[list[Frame]]:
    """Yield runs of at most `most` frames in which time does not jump; between two at least `gap` records are missing."""
    piece: list[Frame] = []
    free_from = 0
    for frame in frames:
        if piece and (len(piece) == most or _jump(piece[-1][0], frame[0], clock)):
            free_from = piece[-1][0].index + 1 + gap
            yield piece
            piece = []
        if frame[0].index >= free_from:
            piece.append(frame)
    if piece:
        yield piece


def _jump(before: Record, after: Record, clock: Clock) -> bool:
    if after.index != before.index + 1 or after.session != before.session:
        return True
    if not clock.trusted or before.stamp_s is None or after.stamp_s is None:
        return False
    return (after.stamp_s - before.stamp_s) * clock.rate_hz > _PAUSE_PERIODS


def _write(
    piece: list[Frame],
    out: Path,
    options: DonkeycarOptions,
    clock: Clock,
    metadata: dict[str, Any],
    log: _Log,
) -> None:
    first, last = piece[0][0], piece[-1][0]
    began_at = datetime.fromtimestamp(first.stamp_s or 0.0, tz=timezone.utc).replace(tzinfo=None)
    path = free_path(out, EpisodeName(began_at, options.scenario))
    indexes = {"source_first_index": first.index, "source_last_index": last.index}
    writer = EpisodeWriter(
        path,
        instruction=options.instruction,
        rate_hz=clock.rate_hz,
        scenario=options.scenario,
        metadata={**metadata, **indexes},
    )
    with writer:
        for record, image in piece:
            action = to_action(record.angle, record.throttle, options)
            writer.append(image, action, stamp_s=record.stamp_s if clock.trusted else None)
    log.episodes.append(path)
    log.frames += len(piece)


def _metadata(tub: Tub, source_name: str, options: DonkeycarOptions, clock: Clock) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "source": "donkeycar tub v2",
        "source_name": source_name,
        _SOURCE_SHA: tub.sha256,
        "max_speed_mps": options.max_speed_mps,
        "max_yaw_rate_rps": options.max_yaw_rate_rps,
        "timestamps_trusted": clock.trusted,
    }
    if clock.warning:
        metadata[schema.INFERRED] = {schema.RATE_HZ: clock.warning, schema.TIMESTAMPS: clock.warning}
    return metadata


def _skip(error: BadRecordError, options: DonkeycarOptions, log: _Log) -> None:
    if options.on_bad_record == "refuse":
        raise DataError(f"{error} Set on_bad_record to 'skip' to leave such records out.") from error
    log.skipped.append(str(error))


def _refuse_second_import(out: Path, tub: Tub) -> None:
    """The same drive twice in one dataset would stand on both sides of a split."""
    try:
        present = find_episodes(out)
    except DataError as error:
        if NO_EPISODES in str(error):
            return
        raise
    for path in present:
        if read_header(path, default_rate_hz=1.0).metadata.get(_SOURCE_SHA) == tub.sha256:
            rule = f"this tub was imported already, for example as {path.name}"
            raise DataError(problem("out", str(out), rule, "Choose another folder, or delete those episodes first"))
