"""What an episode file does not say, worked out by fixed rules and named as such.

| missing | taken from | in this order |
|---|---|---|
| scenario | the file name, when it follows the guide's grammar | else empty |
| rate_hz | median step of the timestamps; `num_frames / total_duration`; the caller's `default_rate_hz` | else DataError |
| timestamps | `t / rate_hz` | |
| instruction | the first English training sentence for the scenario; the guide's neutral instruction when that is unknown | |
| distance | the file name | else empty |

This module knows no HDF5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, EpisodeFormatError, problem
from mobile_vla.data import schema
from mobile_vla.data.file_names import EpisodeName, parse_name
from mobile_vla.task.instructions import NEUTRAL, fill, templates
from mobile_vla.task.scenarios import parse_scenario


@dataclass(frozen=True)
class Said:
    """What a file says about itself.

    Attributes:
        path: the file.
        frames: number of images.
        attributes: its metadata.
        timestamps: `(T,)` seconds, or None.
        instruction: or None when the file has none.
    """

    path: Path
    frames: int
    attributes: Mapping[str, Any]
    timestamps: NDArray[np.float64] | None
    instruction: str | None


@dataclass
class Facts:
    """A file's facts, complete.

    Attributes:
        scenario, distance, instruction: text, possibly empty.
        rate_hz: nominal frames per second.
        timestamps: `(T,)` float64 seconds from the first frame.
        inferred: which of these the file did not say -> where they come from.
    """

    scenario: str = ""
    distance: str = ""
    instruction: str = ""
    rate_hz: float = 0.0
    timestamps: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    inferred: dict[str, Any] = field(default_factory=dict)


def infer(said: Said, default_rate_hz: float | None) -> Facts:
    """Return the facts of a file: what it says, and by the rules above what it does not.

    Raises:
        DataError: the rate can be had from nowhere.
        EpisodeFormatError: rate_hz or total_duration are stored, but are not positive numbers.
    """
    facts = Facts(inferred=_earlier(said))
    _infer_place(said, facts)
    _infer_instruction(said, facts)
    facts.rate_hz = _rate(said, facts, default_rate_hz)
    if said.timestamps is None:
        facts.timestamps = np.arange(said.frames) / facts.rate_hz
        facts.inferred["timestamps"] = "from rate_hz"
    else:
        facts.timestamps = said.timestamps
    return facts


def _earlier(said: Said) -> dict[str, Any]:
    """What an importer or an earlier reading had already inferred."""
    found = said.attributes.get(schema.INFERRED, {})
    return dict(found) if isinstance(found, Mapping) else {"before": found}


def _infer_place(said: Said, facts: Facts) -> None:
    name = _name(said.path)
    for key, from_name in ((schema.SCENARIO, name.scenario if name else ""), (schema.DISTANCE, name.distance if name else "")):
        if key in said.attributes:
            setattr(facts, key, str(said.attributes[key]))
        elif from_name:
            setattr(facts, key, from_name)
            facts.inferred[key] = "from the file name"


def _infer_instruction(said: Said, facts: Facts) -> None:
    if said.instruction is not None:
        facts.instruction = said.instruction
        return
    try:
        facts.instruction = fill(templates("train", "en")[0], parse_scenario(facts.scenario))
        facts.inferred["instruction"] = f"from the scenario {facts.scenario!r}"
    except DataError:
        facts.instruction = NEUTRAL
        facts.inferred["instruction"] = "neutral: neither an instruction nor a known scenario is stored"


def _rate(said: Said, facts: Facts, default_rate_hz: float | None) -> float:
    if schema.RATE_HZ in said.attributes:
        return _positive(said, schema.RATE_HZ)
    if said.timestamps is not None and said.frames > 1:
        facts.inferred[schema.RATE_HZ] = "from the timestamps"
        return 1.0 / float(np.median(np.diff(said.timestamps)))
    if schema.TOTAL_DURATION in said.attributes:
        facts.inferred[schema.RATE_HZ] = "from num_frames / total_duration"
        return said.frames / _positive(said, schema.TOTAL_DURATION)
    if default_rate_hz is not None:
        facts.inferred[schema.RATE_HZ] = "default_rate_hz, stated by the reader"
        return default_rate_hz
    rule = "the file has neither a rate_hz attribute, nor timestamps, nor a total_duration"
    remedy = "State the rate at which it was recorded: default_rate_hz (on the command line --default-rate-hz)"
    raise DataError(problem(f"{said.path}: rate_hz", None, rule, remedy))


def _positive(said: Said, key: str) -> float:
    value = said.attributes[key]
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (np.isfinite(number) and number > 0):
        raise EpisodeFormatError(problem(f"{said.path}: {schema.METADATA}.{key}", value, "a finite number above 0"))
    return number


def _name(path: Path) -> EpisodeName | None:
    """What the file name says, None when it follows another grammar or names no known kind of scenario."""
    try:
        name = parse_name(path.name)
        parse_scenario(name.scenario)
    except DataError:
        return None
    return name
