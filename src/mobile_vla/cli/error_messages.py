"""Turns what can go wrong under a command into one message on standard error and an exit code.

| what | exit code | message |
|---|---|---|
| `MobileVLAError` | 1 | the error's own text |
| an optional package is not installed | 1 | the `pip install` line that brings it |
| disk full, quota, no permission, read-only, a file where a folder should be | 1 | the path and the remedy |
| Ctrl-C | 130 | `Interrupted` |

Anything else is a bug of ours and keeps its traceback, and so does everything when `debug` is asked for.
"""

from __future__ import annotations

import errno
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mobile_vla.core.errors import MissingExtraError, MobileVLAError

DISTRIBUTION: Final = "mobile-vla"

_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count."""

_REMEDIES: Final = {
    errno.ENOSPC: "The disk is full: free some space there, or choose another folder",
    errno.EDQUOT: "Your disk quota is used up: free some space there, or choose another folder",
    errno.EACCES: "Change the permissions (ls -ld shows them), or choose another path",
    errno.EPERM: "Change the owner or the permissions (ls -ld shows them), or choose another path",
    errno.EROFS: "The file system is read-only: choose another folder",
    errno.EEXIST: "There is a file of that name: choose another path",
    errno.ENOTDIR: "A part of the path is a file: choose another path",
    errno.EISDIR: "This is a folder: name a file",
    errno.ENAMETOOLONG: "Choose a shorter path",
}

_IMPORT_NAMES: Final = {"pillow": "PIL"}
"""Distributions whose import name is another one."""


@contextmanager
def errors_as_messages(debug: bool) -> Iterator[None]:
    """Print the errors that a user can act on as one message and exit; with `debug`, let them through with their traceback.

    Raises:
        SystemExit: with the exit code of the table above.
    """
    try:
        yield
    except KeyboardInterrupt:
        _leave("Interrupted", _INTERRUPTED, debug)
        raise
    except (MobileVLAError, ImportError, OSError) as error:
        message = message_of(error)
        if message is not None:
            _leave(f"Error: {message}", 1, debug)
        raise


def message_of(error: BaseException) -> str | None:
    """Return what to tell the user about `error`, or None when it is none of theirs to mend."""
    if isinstance(error, MobileVLAError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        extra = extra_of(package)
        return None if extra is None else str(MissingExtraError(package, extra))
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        where = error.filename2 or error.filename or "(the system names no path)"
        return f"{where}: {error.strerror}. {_REMEDIES[error.errno]}."
    return None


def extra_of(package: str) -> str | None:
    """Return the smallest extra of this distribution that brings the import package `package`, None when none does."""
    brings = _packages_of_extras()
    fitting = [extra for extra, packages in brings.items() if package in packages]
    return min(fitting, key=lambda extra: len(brings[extra]), default=None)


def _packages_of_extras() -> dict[str, set[str]]:
    """Return the import packages of each extra, from the installed metadata (where extras that hold others are flat)."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    result: dict[str, set[str]] = {}
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name and extra:
            result.setdefault(extra[1], set()).add(_IMPORT_NAMES.get(name[0], name[0].replace("-", "_")))
    return result


def _leave(message: str, status: int, debug: bool) -> None:
    if not debug:
        print(message, file=sys.stderr, flush=True)
        sys.exit(status)
