"""Disk space set aside for a file that HDF5 writes.

HDF5 can crash the whole process when the disk fills up while it writes or closes (seen with HDF5 2.0.0). So the space is asked
for before HDF5 needs it, where a refusal is an ordinary error. This module knows nothing of episodes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Final

STEP_BYTES: Final = 4 * 1024 * 1024
"""Space is asked for in such steps, and one ahead: that covers what HDF5 writes around the data, and when it closes."""

_REFUSED: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk says that cannot give the space; anything else is a file system that cannot set space aside."""


class Reservation:
    """The space of one new file; a context manager that closes its own handle on it.

    Args:
        path: the file; made when it is missing.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        self._bytes = 0

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._handle)

    def ensure(self, size: int) -> None:
        """Set space aside so that the file may grow to `size` bytes and a few more. Raises OSError when the disk refuses."""
        if size + STEP_BYTES <= self._bytes:
            return
        wanted = size + 2 * STEP_BYTES
        try:
            os.posix_fallocate(self._handle, self._bytes, wanted - self._bytes)
        except OSError as error:
            if error.errno in _REFUSED:
                raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._bytes = wanted

    def release(self, size: int) -> None:
        """Cut the file to its final `size` in bytes; what was set aside beyond is free again."""
        os.ftruncate(self._handle, size)
