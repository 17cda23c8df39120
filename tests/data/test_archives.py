from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from mobile_vla.core.errors import DataError
from mobile_vla.data.archives import unpacked


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = 4 if member.isreg() else 0
            tar.addfile(member, io.BytesIO(b"data") if member.isreg() else None)
    return path


def link(name: str, kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_files_come_out_and_resource_forks_do_not(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar.gz", tarfile.TarInfo("tub/a.txt"), tarfile.TarInfo("tub/._a.txt"))
    with unpacked(source) as folder:
        assert [path.name for path in folder.rglob("*") if path.is_file()] == ["a.txt"]
        assert (folder / "tub/a.txt").read_bytes() == b"data"
    assert not folder.exists()


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "tub/../../evil.txt"])
def test_no_member_leaves_the_folder(tmp_path: Path, name: str) -> None:
    source = archive(tmp_path / "a.tar.gz", tarfile.TarInfo(name))
    with pytest.raises(DataError, match="members stay inside the archive's folder"), unpacked(source):
        pass
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    source = archive(tmp_path / "a.tar.gz", link("tub/x", kind))
    with pytest.raises(DataError, match="no links or devices"), unpacked(source):
        pass


def test_neither_folder_nor_archive(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(DataError, match=r"a folder or a \.tar\.gz is needed"), unpacked(tmp_path / "x.txt"):
        pass
