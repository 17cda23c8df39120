"""Damaged heaps, over which HDF5 itself would loop for ever."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mobile_vla.core.errors import EpisodeFormatError
from mobile_vla.data.heap_check import END_BYTES, damaged_heap
from mobile_vla.data.reader import read_episode


def _heap(path: Path) -> int:
    return path.read_bytes().rindex(b"GCOL")


def _objects(data: bytes, heap: int) -> list[int]:
    """Return where the objects of the heap at `heap` begin; the last one is the free rest."""
    (size,) = struct.unpack_from("<Q", data, heap + 8)
    found, at = [], heap + 16
    while at + 16 <= heap + size:
        found.append(at)
        index, length = struct.unpack_from("<H6xQ", data, at)
        at += length if index == 0 else 16 + (length + 7) // 8 * 8
    return found


def test_a_sound_episode_has_a_heap_and_no_damage(episode: Path) -> None:
    assert len(_objects(episode.read_bytes(), _heap(episode))) > 3
    assert damaged_heap(episode) is None


@pytest.mark.parametrize("length", [0, 8, 2**40, 2**64 - 16])
@pytest.mark.parametrize("which", [0, 2, -1])
def test_an_object_that_leads_nowhere_is_found_before_hdf5_looks(
    cli: Callable[..., Any], episode: Path, which: int, length: int
) -> None:
    data = bytearray(episode.read_bytes())
    heap = _heap(episode)
    at = _objects(data, heap)[which]
    struct.pack_into("<H6xQ", data, at, 0, length)
    episode.write_bytes(data)
    assert damaged_heap(episode) == heap
    message = cli("data", "stats", episode.parent).error()
    assert f"episode = {str(episode)!r}: HDF5 cannot read it" in message
    assert f"damaged text heap at byte {heap}" in message


def test_a_heap_at_the_end_of_a_large_file_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        file["pictures"] = np.zeros((2 * END_BYTES,), dtype=np.uint8)
        file["text"] = ["left", "right"]
    assert damaged_heap(path) is None
    data = bytearray(path.read_bytes())
    heap = _heap(path)
    assert heap > END_BYTES
    struct.pack_into("<H6xQ", data, heap + 16, 0, 0)
    path.write_bytes(data)
    assert damaged_heap(path) == heap
    with pytest.raises(EpisodeFormatError, match="damaged text heap"):
        read_episode(path)


def test_pictures_that_spell_the_signature_are_no_heap(tmp_path: Path) -> None:
    path = tmp_path / "spelled.h5"
    path.write_bytes(b"GCOL" * 1000 + b"GCO")
    assert damaged_heap(path) is None
    path.write_bytes(b"")
    assert damaged_heap(path) is None
