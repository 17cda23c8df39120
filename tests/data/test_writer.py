from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mobile_vla.core.errors import DataError
from mobile_vla.data.reader import read_episode
from mobile_vla.data.writer import EpisodeWriter, write_episode

IMAGE = np.full((6, 8, 3), 7, dtype=np.uint8)
ACTION = np.array([0.5, 0.0, -0.1, 0.0], dtype=np.float32)


def writer_at(path: Path, **options: Any) -> EpisodeWriter:
    return EpisodeWriter(path, instruction="go", rate_hz=10.0, **options)


def record_two(path: Path, first_stamp_s: float | None, second: Any) -> None:
    with writer_at(path) as writer:
        writer.append(IMAGE, ACTION, stamp_s=first_stamp_s)
        writer.append(*second)


def record_and(path: Path, happening: Callable[..., Any], *arguments: Any) -> None:
    """Record one frame; then something happens."""
    with writer_at(path) as writer:
        writer.append(IMAGE, ACTION)
        assert not path.exists()
        happening(*arguments)


def test_what_was_written_is_read(tmp_path: Path, make_episode: Any) -> None:
    states = np.arange(75, dtype=np.float32).reshape(5, 15)
    episode = make_episode(states=states, success=False, metadata={"distance": "50cm", "driver": ["a", None]})
    write_episode(episode, tmp_path / "e.h5")
    found = read_episode(tmp_path / "e.h5")
    for name in ("images", "actions", "states", "timestamps"):
        np.testing.assert_array_equal(getattr(found, name), getattr(episode, name))
        assert getattr(found, name).dtype == getattr(episode, name).dtype
    assert (found.instruction, found.scenario, found.rate_hz, found.success, found.metadata) == (
        episode.instruction,
        episode.scenario,
        episode.rate_hz,
        False,
        episode.metadata,
    )


def test_the_guides_keys_are_in_the_file(tmp_path: Path, make_episode: Any) -> None:
    write_episode(make_episode(), tmp_path / "e.h5")
    with h5py.File(tmp_path / "e.h5") as file:
        assert file["observations/images"].shape == (5, 6, 8, 3)
        assert file["action"].shape == (5, 4)
        assert file["action"].dtype == np.float32
        assert file["language_instruction"].shape == (1,)
        attributes = dict(file["episode_metadata"].attrs)
        assert attributes["scenario"] == "1box_vert_left"
        assert attributes["num_frames"] == 5
        assert attributes["total_duration"] == pytest.approx(0.5)
        assert "success" not in attributes
        assert file.attrs["format_version"] == "1.0"


def test_stamps_count_from_the_first_frame(tmp_path: Path) -> None:
    with writer_at(tmp_path / "e.h5") as writer:
        for stamp_s in (100.0, 100.25, 100.5):
            writer.append(IMAGE, ACTION, stamp_s=stamp_s)
        writer.finish(success=True, metadata={"note": "dry floor"})
    found = read_episode(tmp_path / "e.h5")
    np.testing.assert_allclose(found.timestamps, [0.0, 0.25, 0.5])
    assert found.success is True
    assert found.metadata["note"] == "dry floor"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ((IMAGE / 255, ACTION), "frame 1.image.dtype = 'float64': images are uint8"),
        ((IMAGE[:4], ACTION), "every frame has the size of the first, (6, 8, 3)"),
        ((IMAGE, ACTION * 9), "frame 1.action[0].linear_x = 4.5"),
        ((IMAGE, ACTION * np.nan), "actions are finite numbers"),
        ((IMAGE, ACTION[:3]), "frame 1.action.shape"),
        ((IMAGE, ACTION, np.zeros(15)), "state is given for every frame or for none, and frame 0 had none"),
        ((IMAGE, ACTION, None, 0.5), "stamps are finite and increase; the last was 1.0"),
        ((IMAGE, ACTION), "stamp_s is given for every frame or for none, and frame 0 had one"),
    ],
)
def test_a_bad_frame_is_refused_and_leaves_no_file(tmp_path: Path, frame: Any, message: str) -> None:
    first_stamp = None if len(frame) < 4 and "stamp_s" not in message else 1.0
    with pytest.raises(DataError) as error:
        record_two(tmp_path / "e.h5", first_stamp, frame)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_frame_can_be_replaced(tmp_path: Path) -> None:
    with writer_at(tmp_path / "e.h5") as writer:
        with pytest.raises(DataError):
            writer.append(IMAGE, ACTION * 9)
        writer.append(IMAGE, ACTION)
    assert len(read_episode(tmp_path / "e.h5")) == 1


def test_an_interrupted_drive_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        record_and(tmp_path / "e.h5", signal.default_int_handler, signal.SIGINT, None)
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_or_empty_drive_leaves_no_file(tmp_path: Path) -> None:
    with writer_at(tmp_path / "e.h5") as writer:
        writer.append(IMAGE, ACTION)
        writer.discard()
    with pytest.raises(DataError, match="an episode has at least one frame"), writer_at(tmp_path / "e.h5"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_h5(tmp_path: Path) -> None:
    code = (
        "import sys, time, numpy as np\n"
        "from mobile_vla.data.writer import EpisodeWriter\n"
        "with EpisodeWriter(sys.argv[1], instruction='', rate_hz=10.0) as writer:\n"
        "    writer.append(np.zeros((6, 8, 3), np.uint8), np.zeros(4))\n"
        "    print('appended', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "e.h5")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"appended"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".partial"]
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())


def test_an_existing_episode_is_not_overwritten_unless_asked(tmp_path: Path, make_episode: Any) -> None:
    write_episode(make_episode(frames=3), tmp_path / "e.h5")
    with pytest.raises(DataError, match=r"this episode exists already\. Choose another name"):
        write_episode(make_episode(frames=4), tmp_path / "e.h5")
    assert len(read_episode(tmp_path / "e.h5")) == 3
    write_episode(make_episode(frames=4), tmp_path / "e.h5", overwrite=True)
    assert len(read_episode(tmp_path / "e.h5")) == 4


def test_an_episode_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        record_and(tmp_path / "e.h5", (tmp_path / "e.h5").write_text, "somebody else's")
    assert (tmp_path / "e.h5").read_text() == "somebody else's"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("size", "compression"), [((64, 64, 3), "gzip"), ((720, 1280, 3), None)])
def test_only_small_frames_are_compressed(tmp_path: Path, size: tuple[int, int, int], compression: str | None) -> None:
    with writer_at(tmp_path / "e.h5") as writer:
        writer.append(np.zeros(size, dtype=np.uint8), ACTION)
    with h5py.File(tmp_path / "e.h5") as file:
        assert file["observations/images"].compression == compression
        assert file["observations/images"].chunks == (1, *size)


@pytest.mark.parametrize(
    ("options", "message"), [({"compression": "zip"}, "compression = 'zip'"), ({"metadata": {"success": 1}}, "reserved")]
)
def test_bad_options_are_refused_before_the_drive(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        writer_at(tmp_path / "e.h5", **options)
    with pytest.raises(DataError, match="rate_hz = 0: rate_hz is the recording's frames per second"):
        EpisodeWriter(tmp_path / "e.h5", instruction="", rate_hz=0)


def test_append_outside_the_block_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frames are appended inside its 'with' block"):
        writer_at(tmp_path / "e.h5").append(IMAGE, ACTION)
