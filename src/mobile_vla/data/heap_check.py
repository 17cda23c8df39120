"""Finds damage that HDF5 does not survive: it reads text from heaps, and some damaged heaps send it into an endless loop.

Seen with HDF5 2.0.0, where not even Ctrl-C ends it. A heap ("global heap collection", section III.E of the HDF5 file format
specification) is a header and objects one after the other, each of which must end within the heap. Text is written first or
last, so only the two ends of a file are looked at: hundreds of megabytes of pictures are not read twice.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

END_BYTES: Final = 1024 * 1024
"""How much of each end of a file is looked at."""

_SIGNATURE: Final = b"GCOL"
_HEADER: Final = struct.Struct("<4sB3xQ")  # signature, version, size of the whole
_OBJECT: Final = struct.Struct("<HH4xQ")  # index (0: the free rest), references, size


def damaged_heap(path: Path) -> int | None:
    """Return where in the file the first damaged heap begins, in bytes; None for a sound file. Raises OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for start in {0, max(0, size - END_BYTES)}:
            file.seek(start)
            data = file.read(END_BYTES)
            at = data.find(_SIGNATURE)
            while at >= 0:
                if not _sound(data, at):
                    return start + at
                at = data.find(_SIGNATURE, at + 1)
    return None


def _sound(data: bytes, start: int) -> bool:
    """Whether the heap at `start` can be walked through; one that the excerpt cuts off, and what is no heap, are believed."""
    if start + _HEADER.size > len(data):
        return True
    _, version, size = _HEADER.unpack_from(data, start)
    end = start + size
    if version != 1 or end > len(data):
        return True
    at = start + _HEADER.size
    while at + _OBJECT.size <= end:
        index, _, length = _OBJECT.unpack_from(data, at)
        at += length if index == 0 else _OBJECT.size + (length + 7) // 8 * 8
        if at > end or (index == 0 and length < _OBJECT.size):
            return False
    return True
