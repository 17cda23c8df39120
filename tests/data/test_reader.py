from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mobile_vla.core.errors import DataError, EpisodeFormatError
from mobile_vla.data import reader
from mobile_vla.data.reader import find_episodes, open_episode, read_episode, read_header

Make = Callable[..., Path]


def test_a_header_says_everything_without_reading_images(write: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(frames=7, success=True, metadata={"distance": "50cm", "driver": "anna"})
    monkeypatch.setattr(reader.EpisodeFile, "images", lambda *_: pytest.fail("an image was read"))
    header = read_header(path)
    assert (header.path, header.layout, header.frames, header.height, header.width) == (path, "guide", 7, 6, 8)
    assert (header.scenario, header.distance, header.rate_hz, header.success) == ("1box_vert_left", "50cm", 10.0, True)
    assert header.metadata == {"distance": "50cm", "driver": "anna"}
    assert not header.has_state


def test_blocks_cover_the_episode_once(write: Make) -> None:
    path = write(frames=7)
    with open_episode(path) as episode:
        blocks = list(episode.blocks(max_bytes=2 * 6 * 8 * 3))
    assert [start for start, _ in blocks] == [0, 2, 4, 6]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), read_episode(path).images)


def test_a_bare_file_is_completed_and_says_so(bare_file: Make) -> None:
    episode = read_episode(bare_file(total_duration=3.0))
    assert episode.rate_hz == pytest.approx(2.0)
    np.testing.assert_allclose(episode.timestamps, np.arange(6) / 2)
    assert episode.scenario == "1box_vert_left"
    assert episode.instruction == "Navigate around the single box obstacle by going left"
    assert episode.metadata["distance"] == "50cm"
    assert episode.metadata["inferred"] == {
        "scenario": "from the file name",
        "distance": "from the file name",
        "instruction": "from the scenario '1box_vert_left'",
        "rate_hz": "from num_frames / total_duration",
        "timestamps": "from rate_hz",
    }


def test_attributes_go_before_inference(bare_file: Make) -> None:
    header = read_header(
        bare_file(rate_hz=5.0, total_duration=99.0, scenario="2box_hori_right", instruction="go", distance="7cm")
    )
    assert (header.rate_hz, header.scenario, header.instruction, header.distance) == (5.0, "2box_hori_right", "go", "7cm")
    assert header.metadata["inferred"] == {"timestamps": "from rate_hz"}


def test_metadata_stored_as_single_values_is_read(bare_file: Make) -> None:
    path = bare_file(rate_hz=5.0)
    with h5py.File(path, "a") as file:
        file["episode_metadata/scenario"] = "2box_vert_right"
        file["episode_metadata/success"] = np.array([True])
    header = read_header(path)
    assert (header.scenario, header.success) == ("2box_vert_right", True)


def test_a_rate_from_nowhere_is_an_error_with_a_remedy(bare_file: Make) -> None:
    path = bare_file()
    with pytest.raises(DataError, match=r"rate_hz = None: .*State the rate .* default_rate_hz .*--default-rate-hz"):
        read_header(path)
    assert read_header(path, default_rate_hz=4.0).rate_hz == 4.0
    assert read_header(path, default_rate_hz=4.0).metadata["inferred"]["rate_hz"] == "default_rate_hz, stated by the reader"


def test_a_rate_is_taken_from_timestamps(bare_file: Make) -> None:
    path = bare_file()
    with h5py.File(path, "a") as file:
        file["timestamps"] = 50 + np.arange(6) * 0.25
    episode = read_episode(path)
    assert episode.rate_hz == pytest.approx(4.0)
    assert episode.timestamps[0] == 0.0


def test_an_unknown_scenario_gets_the_neutral_instruction(bare_file: Make) -> None:
    header = read_header(bare_file("drive.h5", rate_hz=5.0))
    assert header.instruction == "Navigate around obstacles"
    assert header.metadata["inferred"]["instruction"].startswith("neutral")


def _edit(path: Path, change: Callable[[Any], None]) -> Path:
    with h5py.File(path, "a") as file:
        change(file)
    return path


def _replace(key: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        if key in file:
            del file[key]
        file[key] = value

    return change


NAN_ACTIONS = np.full((6, 4), np.nan, dtype=np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace("action", np.zeros((5, 4))), "lengths = {'images': 6, 'actions': 5}: every array has one row per image"),
        (_replace("action", np.zeros((6, 3))), "'float64 (6, 3)': actions are numbers (T, 4): linear_x, linear_y, angular_z"),
        (_replace("action", NAN_ACTIONS), "action[0].linear_x = nan: actions are finite numbers"),
        (_replace("observations/images", np.zeros((6, 3, 8, 6), np.uint8)), "images are uint8 (T, H, W, 3)"),
        (_replace("observations/images", np.zeros((6, 6, 8, 3))), "images are uint8 (T, H, W, 3)"),
        (_replace("observations/images", np.zeros((0, 6, 8, 3), np.uint8)), "at least one frame"),
        (_replace("timestamps", np.zeros(6)), "timestamps strictly increase"),
        (_replace("timestamps", np.zeros(4)), "'timestamps': 4"),
        (_replace("observations/state", np.zeros((6, 14))), "states are (T, 15)"),
        (_replace("observations/state", np.zeros((3, 15))), "'states': 3"),
        (lambda file: file["episode_metadata"].attrs.update({"num_frames": 9}), "'num_frames': 9"),
        (lambda file: file["episode_metadata"].attrs.update({"rate_hz": "fast"}), "episode_metadata.rate_hz = 'fast'"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(bare_file: Make, change: Callable[[Any], None], message: str) -> None:
    path = _edit(bare_file(rate_hz=5.0), change)
    with pytest.raises(DataError) as error:
        read_episode(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_an_unknown_layout_shows_found_and_expected(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["pictures"] = np.zeros((2, 3))
    with pytest.raises(EpisodeFormatError) as error:
        read_header(tmp_path / "e.h5")
    assert "Expected guide: /observations/images (T, H, W, 3) and /action (T, 4)" in str(error.value)
    assert "Found /pictures (2, 3)" in str(error.value)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(write: Make, keep: float) -> None:
    path = write(frames=40)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(EpisodeFormatError, match=r"HDF5 cannot read it .*cut short, damaged or no HDF5 file"):
        read_episode(path)


def test_damaged_pixels_are_refused_not_returned(write: Make) -> None:
    path = write(frames=40, size=(32, 32))
    with h5py.File(path) as file:
        chunk = file["observations/images"].id.get_chunk_info(20)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(content)
    assert read_header(path).frames == 40
    with pytest.raises(EpisodeFormatError, match="HDF5 cannot read it"):
        read_episode(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EpisodeFormatError, match="no such file"):
        read_header(tmp_path / "none.h5")


def test_episodes_are_found_sorted_without_hidden_or_half_ones(tmp_path: Path, write: Make) -> None:
    later, earlier = write("b.h5"), write("a.h5")
    (tmp_path / ".c.h5").touch()
    (tmp_path / ".d.h5.1.partial").touch()
    assert find_episodes(tmp_path) == [earlier, later]


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_no_episodes_gives_the_guides_words(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as error:
        find_episodes(tmp_path / folder)
    assert str(error.value).startswith("No .h5 files found in dataset")
    assert str((tmp_path / folder).resolve()) in str(error.value)
    assert "set data_dir to an absolute path" in str(error.value)
