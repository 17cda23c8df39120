"""Registries: one new file with one decorator adds a component, no other file changes.

A registry names the package that holds its entries; every module in that package is imported on the first look-up, so a file
dropped there is found by configs, by the command line's help and by the contract tests. This module knows nothing of what it
holds.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mobile_vla.core.errors import unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Named components of one kind.

    Args:
        kind: what an entry is, for messages (`"act_head.type"`).
        package: dotted package whose modules register the entries; imported lazily.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its object as `name`.

        Raises:
            ValueError: `name` is taken by another object.
        """

        def add(entry: T) -> T:
            self.add(name, entry)
            return entry

        return add

    def add(self, name: str, entry: T) -> None:
        """Register `entry` as `name`. Raises ValueError when the name is taken."""
        taken = self._entries.get(name)
        if taken is not None and taken is not entry:
            raise ValueError(f"{self.kind} {name!r} is registered twice: {taken!r} and {entry!r}")
        self._entries[name] = entry

    def remove(self, name: str) -> None:
        """Forget `name` (for tests and notebooks that register at run time)."""
        self._entries.pop(name, None)

    def get(self, name: str) -> T:
        """Return the entry called `name`. Raises UnknownNameError naming the choices and the closest one."""
        self._load()
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        """Return all names in the order in which they were registered (modules in alphabetical order)."""
        self._load()
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _load(self) -> None:
        if self._loaded:
            return
        package = importlib.import_module(self.package)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
            importlib.import_module(f"{self.package}.{module.name}")
        self._loaded = True
