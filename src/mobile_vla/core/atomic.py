"""Files that are either whole or absent, whatever kills the process or fills the disk."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success flush it to disk and rename it over `target`.

    When the body raises, the temporary file is removed and `target` is left as it was. After a SIGKILL at most a
    `.<name>.<pid>.partial` file stays behind.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full; it names a path in any case.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        _flush(partial)
        os.replace(partial, target)
    except BaseException as error:
        with suppress(OSError):  # not there, or in a folder that is no longer to be written: the first error counts
            partial.unlink()
        if isinstance(error, OSError) and (error.filename is None or error.filename == str(partial)) and error.errno:
            raise type(error)(error.errno, error.strerror, str(target)) from error
        raise
    with suppress(OSError):  # some file systems cannot flush a folder; the rename itself has happened
        _flush(target.parent)


def write_text(target: Path | str, text: str) -> None:
    """Write `text` as UTF-8 to `target`, atomically."""
    with atomic_path(target) as partial:
        partial.write_text(text, encoding="utf-8")


def write_bytes(target: Path | str, data: bytes) -> None:
    """Write `data` to `target`, atomically."""
    with atomic_path(target) as partial:
        partial.write_bytes(data)


def check_writable(folder: Path | str) -> None:
    """Check, before hours of work, that files can be made in `folder`; a folder that is missing is not made.

    Raises:
        OSError: naming `folder`; it is read-only, or a part of it is a file.
    """
    place = next(parent for parent in (Path(folder).absolute(), *Path(folder).absolute().parents) if parent.exists())
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(folder)) from error


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
