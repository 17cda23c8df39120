"""Files are whole or absent: after an exception, after a SIGKILL, on a full disk."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core.atomic import atomic_path, write_bytes, write_text

KILLED_WHILE_WRITING = """
import os, signal, sys
from mobile_vla.core.atomic import atomic_path
with atomic_path(sys.argv[1]) as partial:
    with open(partial, "wb") as file:
        file.write(b"new" * 100_000)
        file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder = tmp_path / "small"
    folder.mkdir()
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount the small file system that a full disk is tried on")
    yield folder
    subprocess.run([umount or "umount", str(folder)], check=True)


def test_a_new_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.bin"
    with atomic_path(target) as partial:
        partial.write_bytes(b"half")
        assert not target.exists()
        partial.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert os.listdir(target.parent) == ["file.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_whole_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")

    def write_half() -> None:
        with atomic_path(target) as partial:
            partial.write_bytes(b"half of the new")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_a_body_that_writes_nothing_fails_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    with pytest.raises(FileNotFoundError), atomic_path(target):
        pass
    assert target.read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_sigkill_leaves_the_old_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(target)])
    assert killed.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    (left,) = (name for name in os.listdir(tmp_path) if name != "file.bin")
    assert left.startswith(".file.bin.")
    assert left.endswith(".partial")
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_file_whole_and_frees_what_was_written(small_disk: Path) -> None:
    target = small_disk / "file.bin"
    write_bytes(target, b"old")
    with pytest.raises(OSError, match="No space left") as caught:
        write_bytes(target, b"x" * 1_000_000)
    assert caught.value.errno == errno.ENOSPC
    assert target.read_bytes() == b"old"
    assert os.listdir(small_disk) == ["file.bin"]


def test_the_content_is_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), real_fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), real_replace(a, b))[1])
    write_bytes(tmp_path / "file", b"content")
    assert calls == ["fsync", "replace", "fsync"]


@given(st.text())
def test_text_is_written_as_utf8(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    target = tmp_path_factory.mktemp("text") / "file.txt"
    write_text(target, text)
    assert target.read_bytes() == text.encode().replace(b"\n", os.linesep.encode())
