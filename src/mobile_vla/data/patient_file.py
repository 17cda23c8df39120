"""A file for HDF5 to write to that never fails under it.

HDF5 can crash the whole process when the disk fills up while it writes or closes (seen with HDF5 2.0.0). So it is given
this file: the first write that the system refuses is remembered, and from then on everything is accepted and kept in memory, so
that HDF5 can close in order; whoever records asks with `check` and gives up. This module knows nothing of episodes.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any


class PatientFile(io.RawIOBase):
    """A new file at `path`; pass it to `h5py.File(..., "w")`.

    Args:
        path: where the bytes go.
        name: the path to name in errors.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path | str, name: Path | str) -> None:
        super().__init__()
        self._name = str(name)
        try:
            self._file = open(path, "w+b", buffering=0)  # noqa: SIM115, PTH123 - closed by `close`
        except OSError as error:
            raise type(error)(error.errno, error.strerror, self._name) from error
        self._error: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """Raise what a write has failed with so far: an OSError that names the file."""
        if self._error is not None:
            raise type(self._error)(self._error.errno, self._error.strerror, self._name) from self._error

    def write(self, data: Any) -> int:
        """Write all of `data` at the current position."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view) and self._error is None:
            try:
                done += self._file.write(view[done:]) or 0
            except OSError as error:
                self._error = error
        if done < len(view):
            self._kept.append((self._file.tell(), bytes(view[done:])))
            self._file.seek(len(view) - done, os.SEEK_CUR)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the current position, with zeros where nothing was written."""
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        found = self._file.readinto(view) or 0
        view[found:] = bytes(len(view) - found)
        for at, data in self._kept:
            low, high = max(at, start), min(at + len(data), start + len(view))
            if low < high:
                view[low - start : high - start] = data[low - at : high - at]
        self._file.seek(start + len(view))
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the current position."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Give the file its final size."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def writable(self) -> bool:
        """It can be written."""
        return True

    def seekable(self) -> bool:
        """It has positions."""
        return True

    def close(self) -> None:
        """Close the file; after this its bytes are with the system."""
        if not self.closed:
            self._file.close()
        super().close()
