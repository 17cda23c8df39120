"""Reading a Donkeycar v2 tub as it lies on disk, without saying what it means for a robot.

`manifest.json` holds five lines of JSON: inputs, types, user metadata, `{created_at, ...}` and `{paths, deleted_indexes,
...}`; each catalog holds one record per line. Nothing in a tub may point outside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem
from mobile_vla.data.archives import is_apple_double

MANIFEST: Final = "manifest.json"
_IMAGE, _ANGLE, _THROTTLE, _MODE = "cam/image_array", "user/angle", "user/throttle", "user/mode"
_FULL_SCALE: Final = 1.0 + 1e-6


class BadRecordError(DataError):
    """One record of a tub cannot be used; the text names it and says why."""


@dataclass(frozen=True)
class Record:
    """One line of a catalog.

    Attributes:
        index: its number in the tub, from 0.
        image: path of the picture.
        angle: -1 full left to +1 full right.
        throttle: -1 full reverse to +1 full forward.
        stamp_s: seconds since 1970, None when the record has none.
        session: which run of the car recorded it; empty when not said.
    """

    index: int
    image: Path
    angle: float
    throttle: float
    stamp_s: float | None
    session: str


@dataclass(frozen=True)
class Tub:
    """A tub that is not deleted away: its folder, when it was made (seconds since 1970), its usable lines.

    Attributes:
        folder: where `manifest.json` is.
        created_at_s: seconds since 1970, or 0 when not said.
        deleted: indexes that the driver deleted.
        lines: `(where, text)` of every catalog line, in order; `where` is `file:line` for messages.
        sha256: over all lines and deletions.
    """

    folder: Path
    created_at_s: float
    deleted: frozenset[int]
    lines: tuple[tuple[str, str], ...]
    sha256: str


def find_tub(folder: Path) -> Path:
    """Return the folder at or below `folder` that holds a manifest. Raises DataError when there is none, or more than one."""
    found = sorted(path.parent for path in folder.rglob(MANIFEST))
    if len(found) == 1:
        return found[0]
    if not found:
        rule = f"no {MANIFEST} in it or below, so it is no Donkeycar v2 tub"
        raise DataError(problem("tub", str(folder), rule, "Convert a v1 tub with Donkeycar's convert_to_tub_v2.py"))
    names = [str(path.relative_to(folder)) for path in found]
    raise DataError(problem("tub", names, "several tubs in one source", "Import them one by one"))


def read_tub(folder: Path) -> Tub:
    """Read the manifest and the catalogs (no image). Raises DataError when they are malformed or point outside the tub."""
    manifest = folder / MANIFEST
    try:
        rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
        created, catalogs = float(rows[3].get("created_at", 0.0)), rows[4]
        paths, deleted = [str(name) for name in catalogs["paths"]], frozenset(int(i) for i in catalogs["deleted_indexes"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        rule = f"not the five lines of a Donkeycar v2 manifest: {error!r}"
        raise DataError(problem("tub manifest", str(manifest), rule)) from error
    lines = tuple(line for name in paths if not is_apple_double(name) for line in _catalog_lines(folder, name))
    digest = hashlib.sha256(json.dumps([sorted(deleted), lines]).encode()).hexdigest()
    return Tub(folder, created, deleted, lines, digest)


def parse_record(tub: Tub, where: str, line: str) -> Record:
    """Return the record in `line`. Raises BadRecordError naming `where` and what is wrong with it."""
    try:
        tree = json.loads(line)
        index, image = int(tree["_index"]), str(tree[_IMAGE])
        angle, throttle = float(tree[_ANGLE]), float(tree[_THROTTLE])
        stamp = float(tree["_timestamp_ms"]) / 1000.0 if "_timestamp_ms" in tree else None
        mode, session = str(tree.get(_MODE, "user")), str(tree.get("_session_id", ""))
    except (ValueError, LookupError, TypeError) as error:
        raise BadRecordError(f"{where}: not a record with _index, {_IMAGE}, {_ANGLE}, {_THROTTLE}: {error!r}.") from error
    for key, value in ((_ANGLE, angle), (_THROTTLE, throttle)):
        if not abs(value) <= _FULL_SCALE:  # also catches NaN
            raise BadRecordError(problem(f"{where} (record {index}): {key}", value, "lies in [-1, 1]"))
    if mode != "user":
        rule = "the autopilot drove, so user/angle and user/throttle are not what moved the car"
        raise BadRecordError(problem(f"{where} (record {index}): {_MODE}", mode, rule))
    if Path(image).name != image or is_apple_double(image):
        rule = "a plain file name in the tub's images folder"
        raise BadRecordError(problem(f"{where} (record {index}): {_IMAGE}", image, rule))
    return Record(index, tub.folder / "images" / image, angle, throttle, stamp, session)


def read_image(record: Record) -> NDArray[np.uint8]:
    """Return the record's picture `(H, W, 3)` uint8 RGB. Raises BadRecordError when it is missing or damaged."""
    from PIL import Image

    where = f"record {record.index}: {record.image.name}"
    if record.image.is_symlink() or not record.image.is_file():
        raise BadRecordError(f"{where}: no such picture in the tub.")
    try:
        with Image.open(record.image) as picture:
            return np.array(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadRecordError(f"{where}: the picture is damaged: {_plain(error, record.image)}.") from error


def _catalog_lines(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    path = folder / name
    if Path(name).name != name or path.is_symlink():
        raise DataError(problem("tub catalog", name, "catalogs are plain files in the tub's folder"))
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(problem("tub catalog", str(path), f"listed in the manifest, but not readable: {error}")) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{name}:{number}", line


def _plain(error: Any, path: Path) -> str:
    """The error's text without the (temporary) folder that an archive was unpacked to."""
    return str(error).replace(f"{path.parent}/", "")
