"""The Donkeycar importer, on a tub made here and, where it is to be had, on a real one."""

from __future__ import annotations

import json
import os
import tarfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobile_vla.core.errors import DataError
from mobile_vla.data.formats.donkeycar import DonkeycarImporter, DonkeycarOptions, judge_clock, to_action
from mobile_vla.data.importers import ImportReport, importers
from mobile_vla.data.reader import find_episodes, read_episode, read_header

REAL_TUB = Path(
    os.environ.get("MOBILE_VLA_TUB", Path(__file__).parents[3].parent / "shared" / "data" / "donkeycar_tub" / "tub.tar.gz")
)


def make_tub(
    folder: Path, frames: int = 10, deleted: tuple[int, ...] = (), period_ms: int = 50, **changes: dict[str, Any]
) -> Path:
    """Write a tub; `changes` maps `r<index>` to keys of that record to replace (None removes the key)."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for index in range(frames):
        name = f"{index}_cam_image_array_.jpg"
        Image.fromarray(np.full((12, 16, 3), (index * 20, 0, 0), dtype=np.uint8)).save(folder / "images" / name, quality=95)
        record = {
            "_index": index,
            "_session_id": "a",
            "_timestamp_ms": 1_600_000_000_000 + index * period_ms,
            "cam/image_array": name,
            "user/angle": 0.5,
            "user/throttle": 0.25,
            "user/mode": "user",
            **changes.get(f"r{index}", {}),
        }
        lines.append(json.dumps({key: value for key, value in record.items() if value is not None}))
    half = frames // 2
    (folder / "catalog_0.catalog").write_text("\n".join(lines[:half]) + "\n")
    (folder / "catalog_1.catalog").write_text("\n".join(lines[half:]) + "\n")
    (folder / "._catalog_0.catalog").write_bytes(b"\x00\x05\x16\x07")
    catalogs = {"paths": ["catalog_0.catalog", "catalog_1.catalog"], "current_index": frames, "deleted_indexes": list(deleted)}
    rows = [["cam/image_array"], ["image_array"], {}, {"created_at": 1_600_000_000.0}, catalogs]
    (folder / "manifest.json").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def run(source: Path, out: Path, **options: Any) -> ImportReport:
    """Import without gaps, unless `options` asks for them."""
    return DonkeycarImporter().convert(source, out, DonkeycarOptions(**{"gap_frames": 0, **options}))


def indexes(report: ImportReport) -> list[tuple[int, int]]:
    headers = [read_header(path) for path in report.episodes]
    return [(header.metadata["source_first_index"], header.metadata["source_last_index"]) for header in headers]


def test_it_is_registered_with_help() -> None:
    assert isinstance(importers.get("donkeycar"), DonkeycarImporter)
    assert all(field.description for field in DonkeycarOptions.model_fields.values())


def test_a_tub_becomes_episodes(tmp_path: Path) -> None:
    report = run(make_tub(tmp_path / "tub"), tmp_path / "out", max_speed_mps=1.0, max_yaw_rate_rps=0.8, episode_frames=6)
    assert indexes(report) == [(0, 5), (6, 9)]
    assert (report.frames, report.skipped, report.warnings) == (10, (), ())
    assert find_episodes(tmp_path / "out") == list(report.episodes)
    assert report.episodes[0].name == "episode_20200913_122640_donkeycar.h5"
    first = read_episode(report.episodes[0])
    np.testing.assert_allclose(first.actions, np.tile([[0.25, 0.0, -0.4, 0.0]], (6, 1)), atol=1e-6)
    np.testing.assert_allclose(first.images[:, 6, 8, 0], np.arange(6) * 20, atol=3)
    np.testing.assert_allclose(first.timestamps, np.arange(6) * 0.05, atol=1e-6)
    assert (first.rate_hz, first.instruction, first.scenario) == (pytest.approx(20.0), "Follow the track", "donkeycar")
    assert first.metadata["timestamps_trusted"] is True
    assert "inferred" not in first.metadata


def test_steering_right_turns_clockwise() -> None:
    options = DonkeycarOptions()
    assert to_action(1.0, 0.5, options)[2] == pytest.approx(-1.15)
    assert to_action(-1.0, 0.5, options)[2] == pytest.approx(1.15)
    assert to_action(0.0, -1.0, options)[0] == pytest.approx(-1.15)


def test_only_still_sticks_are_a_stop() -> None:
    options = DonkeycarOptions()
    assert to_action(0.01, -0.01, options).tolist() == [0, 0, 0, 2]
    assert to_action(0.5, 0.0, options)[3] == 0
    assert to_action(0.0, 0.03, options)[3] == 0


def test_an_archive_is_imported_like_a_folder(tmp_path: Path) -> None:
    make_tub(tmp_path / "tub")
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "tub", "tub")
    from_folder, from_archive = run(tmp_path / "tub", tmp_path / "a"), run(tmp_path / "t.tar.gz", tmp_path / "b")
    assert (tmp_path / "a" / from_folder.episodes[0].name).exists()
    first, second = read_episode(from_folder.episodes[0]), read_episode(from_archive.episodes[0])
    np.testing.assert_array_equal(first.images, second.images)
    assert first.metadata["source_sha256"] == second.metadata["source_sha256"]


def test_deleted_records_are_left_out_and_cut_the_episode(tmp_path: Path) -> None:
    assert indexes(run(make_tub(tmp_path / "tub", deleted=(3, 4)), tmp_path / "out")) == [(0, 2), (5, 9)]


def test_frames_are_left_out_between_episodes(tmp_path: Path) -> None:
    report = run(make_tub(tmp_path / "cut"), tmp_path / "a", episode_frames=3, gap_frames=2)
    assert indexes(report) == [(0, 2), (5, 7)]
    assert report.warnings == (
        "4 frames were left out between episodes, so that they do not share nearly equal pictures (option gap_frames).",
    )
    with_hole = make_tub(tmp_path / "hole", deleted=(3, 4))
    assert indexes(run(with_hole, tmp_path / "b", gap_frames=1)) == [(0, 2), (5, 9)]  # what is missing anyway counts
    assert indexes(run(with_hole, tmp_path / "c", gap_frames=3)) == [(0, 2), (6, 9)]
    assert DonkeycarOptions().gap_frames == 20


def test_a_pause_and_a_new_session_cut_the_episode(tmp_path: Path) -> None:
    late = {f"r{index}": {"_timestamp_ms": 1_600_000_010_000 + index * 50} for index in range(4, 10)}
    late["r7"]["_session_id"] = late["r8"]["_session_id"] = late["r9"]["_session_id"] = "b"
    assert indexes(run(make_tub(tmp_path / "tub", **late), tmp_path / "out")) == [(0, 3), (4, 6), (7, 9)]


def test_implausible_times_are_replaced_and_flagged(tmp_path: Path) -> None:
    report = run(make_tub(tmp_path / "tub", period_ms=3), tmp_path / "out", rate_hz=10.0)
    assert report.warnings == (
        "The tub's times are implausible (10 frames in 0.0 s, 333 Hz): they are replaced by 10 Hz (option rate_hz).",
    )
    episode = read_episode(report.episodes[0])
    np.testing.assert_allclose(episode.timestamps, np.arange(10) / 10)
    assert episode.rate_hz == 10.0
    assert episode.metadata["timestamps_trusted"] is False
    assert episode.metadata["inferred"]["timestamps"] == report.warnings[0]


@pytest.mark.parametrize(
    ("stamps", "reason"),
    [([0.0, 0.05, 0.04], "1 times do not increase"), ([0.0, None, 0.1], "records without a time"), ([1.0], "without a time")],
)
def test_times_that_cannot_be_believed(stamps: list[float | None], reason: str) -> None:
    clock = judge_clock(stamps, 20.0)
    assert not clock.trusted
    assert clock.rate_hz == 20.0
    assert reason in clock.warning


BAD_RECORDS = [
    ({"user/angle": None}, "catalog_0.catalog:4: not a record with"),
    ({"user/angle": 1.5}, "user/angle = 1.5: lies in [-1, 1]"),
    ({"user/throttle": float("nan")}, "user/throttle = nan"),
    ({"user/mode": "local"}, "the autopilot drove"),
    ({"cam/image_array": "../../secret.jpg"}, "a plain file name in the tub's images folder"),
    ({"cam/image_array": "missing.jpg"}, "record 3: missing.jpg: no such picture"),
]


@pytest.mark.parametrize(("change", "message"), BAD_RECORDS)
def test_a_bad_record_is_named_and_skipped_or_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    tub = make_tub(tmp_path / "tub", r3=change)
    report = run(tub, tmp_path / "out")
    assert indexes(report) == [(0, 2), (4, 9)]
    assert len(report.skipped) == 1
    assert message in report.skipped[0]
    with pytest.raises(DataError) as error:
        run(tub, tmp_path / "refused", on_bad_record="refuse")
    assert message in str(error.value)
    assert "Set on_bad_record to 'skip'" in str(error.value)


def test_a_damaged_picture_is_named_and_a_refused_import_leaves_nothing(tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub")
    picture = tub / "images" / "7_cam_image_array_.jpg"
    picture.write_bytes(picture.read_bytes()[:200])
    report = run(tub, tmp_path / "out", episode_frames=3)
    assert "record 7: 7_cam_image_array_.jpg: the picture is damaged" in report.skipped[0]
    assert report.frames == 9
    with pytest.raises(DataError, match="record 7"):
        run(tub, tmp_path / "refused", episode_frames=3, on_bad_record="refuse")
    assert list((tmp_path / "refused").iterdir()) == []


def test_a_second_import_is_refused(tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub")
    run(tub, tmp_path / "out")
    with pytest.raises(DataError, match="this tub was imported already"):
        run(tub, tmp_path / "out")
    assert len(find_episodes(tmp_path / "out")) == 1


def test_what_is_no_tub_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.json in it or below, so it is no Donkeycar v2 tub"):
        run(tmp_path, tmp_path / "out")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="not the five lines of a Donkeycar v2 manifest"):
        run(tmp_path, tmp_path / "out")


def test_a_catalog_outside_the_tub_is_refused(tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub")
    manifest = tub / "manifest.json"
    manifest.write_text(manifest.read_text().replace("catalog_0.catalog", "../catalog_0.catalog"))
    with pytest.raises(DataError, match="catalogs are plain files in the tub's folder"):
        run(tub, tmp_path / "out")


def test_a_tub_with_nothing_usable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable record"):
        run(make_tub(tmp_path / "tub", frames=2, deleted=(0, 1)), tmp_path / "out")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    if not REAL_TUB.exists():
        pytest.skip(f"no real Donkeycar tub at {REAL_TUB}; set MOBILE_VLA_TUB to one (folder or .tar.gz)")
    return run(REAL_TUB, tmp_path_factory.mktemp("real"))


def test_a_real_tub_is_imported(real: ImportReport) -> None:
    headers = [read_header(path) for path in real.episodes]
    assert real.frames == sum(header.frames for header in headers) > 0
    assert all(header.frames <= 100 for header in headers)
    assert all(header.metadata["timestamps_trusted"] == (not real.warnings) for header in headers)


def test_on_a_real_tub_a_left_turn_moves_the_picture_right(real: ImportReport) -> None:
    """The sign of angular_z, from the pictures alone: turning left, what is seen drifts to the right."""
    drifts, turns = [], []
    for path in real.episodes:
        episode = read_episode(path)
        profiles = episode.images[:, : episode.images.shape[1] // 3].mean(axis=(1, 3))
        drifts.append([drift(now, then) for now, then in pairwise(profiles)])
        turns.append(episode.actions[:-1, 2])
    assert np.corrcoef(np.concatenate(turns), np.concatenate(drifts))[0, 1] > 0.5


def drift(now: np.ndarray, then: np.ndarray, reach: int = 15) -> int:
    """How many columns the brightness profile moved to the right."""
    inner = now[reach:-reach]
    errors = [np.abs(then[reach + shift : len(then) - reach + shift] - inner).mean() for shift in range(-reach, reach + 1)]
    return int(np.argmin(errors)) - reach
