"""Importers: recordings of other programs become episodes. One file in `formats/` per format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mobile_vla.core.config import Config
from mobile_vla.core.registry import Registry

OptionsT = TypeVar("OptionsT", bound=Config)


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        episodes: the files written.
        frames: frames in all of them.
        skipped: what was left out, each named with its reason.
        warnings: what the user has to know before training on the result.
    """

    episodes: tuple[Path, ...]
    frames: int
    skipped: tuple[str, ...]
    warnings: tuple[str, ...]


class Importer(ABC, Generic[OptionsT]):
    """One foreign format."""

    help: ClassVar[str]
    """One line for the command line: what is read."""

    Options: type[OptionsT]
    """The format's options; field descriptions are their help on the command line."""

    @abstractmethod
    def convert(self, source: Path, out: Path, options: OptionsT) -> ImportReport:
        """Write the episodes in `source` to the folder `out` (made when missing).

        Either all episodes are written or, after an error, none.

        Raises:
            DataError: `source` is not of this format, or breaks one of its rules.
        """


importers: Registry[Importer[Any]] = Registry("import format", "mobile_vla.data.formats")
