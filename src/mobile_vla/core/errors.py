"""Errors that a user can act on.

    MobileVLAError (ValueError)
     |- ConfigError          a configuration key, type or combination is wrong
     |   |- UnknownNameError a registry has no entry of that name
     |- DataError            an episode, dataset or image breaks a rule
     |   |- EpisodeFormatError  a file is not an episode that we can read
     |- CheckpointError      a checkpoint is unreadable or does not fit
     |- SimulationError      the simulator or its renderer cannot run
     |- MissingExtraError    an optional dependency is not installed

The command line prints `str(error)` without a traceback (unless `--debug`) and exits with status 1. This module knows nothing
of robots.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MobileVLAError(ValueError):
    """Base of every error that a user can act on."""


class ConfigError(MobileVLAError):
    """A configuration key, type or combination is wrong."""


class UnknownNameError(ConfigError):
    """A registry has no entry of that name."""


class DataError(MobileVLAError):
    """An episode, dataset or image breaks a rule."""


class EpisodeFormatError(DataError):
    """A file is not an episode in a layout that we can read."""


class CheckpointError(MobileVLAError):
    """A checkpoint is unreadable, or does not fit what is asked of it."""


class SimulationError(MobileVLAError):
    """The simulator or its renderer cannot run here."""


class MissingExtraError(MobileVLAError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Install it with: pip install 'mobile-vla[{extra}]'")
        self._arguments = (package, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), self._arguments  # so that it comes back whole from a worker process


def problem(field: str, value: object, rule: str, remedy: str = "") -> str:
    """Return the one shape of message: `field = value: rule. remedy`.

    Values longer than 200 characters are cut, so that an array never floods a terminal.
    """
    shown = repr(value)
    if len(shown) > 200:
        shown = shown[:197] + "..."
    text = f"{field} = {shown}: {rule.rstrip('.')}."
    return f"{text} {remedy.rstrip('.')}." if remedy else text


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the closest choice, or an empty string when none is close."""
    close = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown_name(field: str, name: str, choices: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that is not among `choices`, naming all of them and the closest."""
    known = sorted(choices)
    listed = ", ".join(repr(choice) for choice in known) or "(none registered)"
    return UnknownNameError(f"{field} = {name!r}: choose one of {listed}.{did_you_mean(name, known)}")
