"""What a layout is: one way in which episodes were laid out in HDF5, one file in `layouts/` each; the reader does the rest.

A layout only says where things are. What is missing is worked out, and what is wrong is refused, in one place: `reader.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mobile_vla.core.registry import Registry


@dataclass(frozen=True)
class Parts:
    """Where the parts of an episode are in an open file. Array-like parts are HDF5 datasets, not yet read.

    Attributes:
        images: `(T, H, W, 3)` uint8.
        actions: `(T, 4)`, in the order and with the signs of `task.actions`.
        attributes: the metadata, already plain Python, under the names of `schema`.
        states: `(T, 15)`, or None.
        timestamps: `(T,)` seconds, or None.
        instruction: what the driver was told, or None when the file does not say.
    """

    images: Any
    actions: Any
    attributes: Mapping[str, Any]
    states: Any = None
    timestamps: Any = None
    instruction: str | None = None


class Layout(ABC):
    """One way of laying out an episode in HDF5."""

    expects: str
    """The keys that make a file one of this layout, for messages."""

    @abstractmethod
    def recognises(self, file: Any) -> bool:
        """Return whether the open `h5py.File` has this layout's keys. Layouts exclude each other."""

    @abstractmethod
    def parts(self, file: Any) -> Parts:
        """Return where the parts are. Raises EpisodeFormatError when a key has another kind of content than it should."""


layouts: Registry[Layout] = Registry("episode layout", "mobile_vla.data.layouts")
