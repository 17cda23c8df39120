"""Unpacking somebody else's archive without letting it write where it likes."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mobile_vla.core.errors import DataError, problem

_APPLE_DOUBLE = "._"
"""Prefix of the resource forks that macOS puts into archives."""


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Yield the folder `source`, or a temporary folder with the content of the tar archive `source`.

    Raises:
        DataError: `source` is neither, or a member is a link or device, or would land outside the folder.
    """
    if source.is_dir():
        yield source
        return
    if not source.is_file() or not tarfile.is_tarfile(source):
        raise DataError(problem("source", str(source), f"a folder or a .tar.gz is needed (looked at {source.resolve()})"))
    with tempfile.TemporaryDirectory(prefix="mobile_vla_import_") as folder:
        with tarfile.open(source) as archive:
            for member in archive:
                _extract(archive, member, Path(folder), source)
        yield Path(folder)


def is_apple_double(name: str) -> bool:
    """Return whether `name` is a macOS resource fork, which is no data."""
    return PurePosixPath(name).name.startswith(_APPLE_DOUBLE)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, source: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(problem(f"{source}: member", member.name, "members stay inside the archive's folder"))
    if is_apple_double(member.name):
        return
    target = folder / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        raise DataError(problem(f"{source}: member", member.name, "members are plain files and folders, no links or devices"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
