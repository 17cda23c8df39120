"""The key names of the guide's HDF5 layout, once, and how metadata becomes HDF5 attributes and back.

| key | shape | dtype | meaning |
|---|---|---|---|
| `/observations/images` | (T, H, W, 3) | uint8 | RGB, what the camera saw when the action of the same row was chosen |
| `/action` | (T, 4) | float32 | linear_x m/s, linear_y m/s, angular_z rad/s, action_type (see `task.actions`) |
| `/episode_metadata` | group | attributes | scenario, distance, instruction, rate_hz, success, num_frames, ... |
| `/observations/state` | (T, 15) | float32 | optional (see `task.state`) |
| `/timestamps` | (T,) | float64 | optional, seconds from the first frame, strictly increasing |
| `/language_instruction` | (1,) | utf-8 | optional, what the driver was told |

Attributes hold strings, numbers and booleans as they are; whatever HDF5 has no plain type for (lists, None, nested objects) is
stored as a string `json:<JSON text>`. This module does not open files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mobile_vla.core.errors import DataError, problem

FORMAT_VERSION: Final = "1.0"
FORMAT_VERSION_ATTRIBUTE: Final = "format_version"

IMAGES: Final = "observations/images"
ACTION: Final = "action"
METADATA: Final = "episode_metadata"
STATE: Final = "observations/state"
TIMESTAMPS: Final = "timestamps"
LANGUAGE: Final = "language_instruction"

SCENARIO: Final = "scenario"
DISTANCE: Final = "distance"
INSTRUCTION: Final = "instruction"
RATE_HZ: Final = "rate_hz"
SUCCESS: Final = "success"
NUM_FRAMES: Final = "num_frames"
TOTAL_DURATION: Final = "total_duration"
INFERRED: Final = "inferred"
"""Metadata key under which a reader or an importer says what was not recorded but worked out, and from what."""

RESERVED: Final = frozenset({SCENARIO, INSTRUCTION, RATE_HZ, SUCCESS, NUM_FRAMES, TOTAL_DURATION})
"""Attributes that are fields of an episode; free metadata may not use their names."""

_JSON_MARK: Final = "json:"
_INT64: Final = np.iinfo(np.int64)


def encode_metadata(metadata: Mapping[Any, Any]) -> dict[str, Any]:
    """Return `metadata` as HDF5 attribute values; `decode_attributes` is the inverse (tuples come back as lists).

    Raises:
        DataError: a key is empty, reserved or not text, or a value has no JSON form.
    """
    for key in metadata:
        if not isinstance(key, str) or not key or not _is_plain_text(key):
            raise DataError(problem("metadata key", key, "a key is a non-empty string without NUL characters"))
        if key in RESERVED:
            remedy = "It is a field of the episode: set it there"
            raise DataError(problem("metadata key", key, f"reserved: {', '.join(sorted(RESERVED))}", remedy))
    return {key: encode_value(value, f"metadata.{key}") for key, value in metadata.items()}


def encode_value(value: Any, where: str) -> Any:
    """Return `value` as one HDF5 attribute value. Raises DataError naming `where` when it has no JSON form."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        plain = _is_plain_text(value) and not value.startswith(_JSON_MARK)
    else:
        plain = isinstance(value, (bool, float)) or (isinstance(value, int) and _INT64.min <= value <= _INT64.max)
    if plain:
        return value
    try:
        return _JSON_MARK + json.dumps(value, default=_to_list)
    except (TypeError, ValueError) as error:
        rule = "metadata holds strings, numbers, booleans, None, and lists or string-keyed objects of these"
        raise DataError(problem(where, value, rule)) from error


def decode_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return HDF5 attribute values as plain Python values."""
    return {str(key): decode_value(value) for key, value in attributes.items()}


def decode_value(value: Any) -> Any:
    """Return one HDF5 attribute value as plain Python: numpy scalars, arrays and bytes become numbers, lists and text."""
    if isinstance(value, np.ndarray):
        return [decode_value(item) for item in value] if value.ndim else decode_value(value[()])
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str) and value.startswith(_JSON_MARK):
        try:
            return json.loads(value[len(_JSON_MARK) :])
        except json.JSONDecodeError:
            return value  # another program's text that happens to begin so
    return value


def _is_plain_text(text: str) -> bool:
    """Whether HDF5 can hold `text`: its strings end at a NUL, and are UTF-8 (which has no lone surrogates)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _to_list(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
