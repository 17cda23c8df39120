"""Episode file names: `episode_{YYYYMMDD}_{HHMMSS}_{scenario}_{N}cm.h5`, the guide's grammar.

The guide's distances are 50cm and 100cm; any whole number of centimetres is accepted. An episode that has no distance (a
recording imported from another robot) leaves that last part out. Times are whatever clock the recorder used; names only order
and identify.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mobile_vla.core.errors import DataError, problem

SUFFIX: Final = ".h5"
GRAMMAR: Final = "episode_{YYYYMMDD}_{HHMMSS}_{scenario}_{N}cm.h5"
_EXAMPLE: Final = "For example episode_20250101_120000_1box_vert_left_50cm.h5"
_NAME = re.compile(r"episode_(?P<date>[0-9]{8})_(?P<time>[0-9]{6})_(?P<scenario>[A-Za-z0-9_]+?)(?:_(?P<cm>[0-9]+)cm)?\.h5")
_SCENARIO = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*")
_DISTANCE_END = re.compile(r"(^|_)[0-9]+cm$")


@dataclass(frozen=True)
class EpisodeName:
    """What a file name says.

    Attributes:
        recorded_at: when the recording began, to the second, without a time zone.
        scenario: ASCII letters and digits in words joined by `_`; for example `1box_vert_left`.
        distance_cm: the distance in centimetres, None when the name has none.
    """

    recorded_at: datetime
    scenario: str
    distance_cm: int | None = None

    def __post_init__(self) -> None:
        if not _SCENARIO.fullmatch(self.scenario) or _DISTANCE_END.search(self.scenario):
            rule = "in a file name a scenario is words of ASCII letters and digits joined by '_', the last one not '{N}cm'"
            raise DataError(problem("scenario", self.scenario, rule, "For example 1box_vert_left"))
        if self.distance_cm is not None and self.distance_cm < 0:
            raise DataError(problem("distance_cm", self.distance_cm, "a distance is 0 or more centimetres"))

    @property
    def distance(self) -> str:
        """The distance as it stands in the name (`50cm`), or an empty string."""
        return "" if self.distance_cm is None else f"{self.distance_cm}cm"


def format_name(name: EpisodeName) -> str:
    """Return the file name of `name`; `parse_name` is the inverse (to the second)."""
    at = name.recorded_at
    stamp = f"{at.year:04d}{at.month:02d}{at.day:02d}_{at.hour:02d}{at.minute:02d}{at.second:02d}"
    parts = ["episode", stamp, name.scenario, name.distance]
    return "_".join(part for part in parts if part) + SUFFIX


def parse_name(file_name: str) -> EpisodeName:
    """Return what `file_name` (no folder) says. Raises DataError when it is outside the grammar or no such date exists."""
    found = _NAME.fullmatch(file_name)
    if found is None:
        raise DataError(problem("file name", file_name, f"episode files are called {GRAMMAR}", _EXAMPLE))
    try:
        recorded_at = datetime.strptime(found["date"] + found["time"], "%Y%m%d%H%M%S")
    except ValueError as error:
        raise DataError(problem("file name", file_name, f"no such date and time: {error}", _EXAMPLE)) from error
    return EpisodeName(recorded_at, found["scenario"], int(found["cm"]) if found["cm"] else None)


def free_path(folder: Path | str, name: EpisodeName) -> Path:
    """Return a path in `folder` that no episode has: that of `name`, or of the next free second after it.

    A recording that is still being written (its hidden `.partial` file) holds its name too.
    """
    folder = Path(folder)
    at = name.recorded_at
    while True:
        candidate = folder / format_name(EpisodeName(at, name.scenario, name.distance_cm))
        if not candidate.exists() and not any(folder.glob(f".{candidate.name}.*.partial")):
            return candidate
        at += timedelta(seconds=1)
