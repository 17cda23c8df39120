"""Datasets and episode files that are missing, damaged or break a rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobile_vla.core.errors import DataError
from mobile_vla.data.reader import read_episode

Cli = Callable[..., Any]
Spoil = Callable[[Path], None]

DAMAGED = "It is cut short, damaged or no HDF5 file: copy it again or leave it out."
MEND = "Mend the file, or move it out of the dataset."


@pytest.fixture(params=["train", "stats"])
def look_at(request: pytest.FixtureRequest, cli: Cli, config: Path) -> Callable[[Path], Any]:
    """Both commands that read a dataset, each as a function of the folder."""
    if request.param == "train":
        return lambda folder: cli("train", "--config", config, "--data-dir", folder)
    return lambda folder: cli("data", "stats", folder)


def test_a_missing_folder_is_named_in_full(
    look_at: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = look_at(Path("gone")).error()
    assert message.startswith(
        f"No .h5 files found in dataset: looked in {tmp_path / 'gone'}, and there is no such folder. "
        "Check the path, or set data_dir to an absolute path."
    )


def test_an_empty_dataset_is_named_in_full(look_at: Callable[[Path], Any], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("nothing here")
    (empty / ".hidden.h5.12.partial").write_text("half a file")
    assert f"No .h5 files found in dataset: looked in {empty}, and it has none." in look_at(empty).error()


def test_training_without_data_says_how_to_get_some(cli: Cli, config: Path, tmp_path: Path) -> None:
    message = cli("train", "--config", config, "--data-dir", tmp_path / "gone").error()
    assert f"mobile-vla record --sim --out {tmp_path / 'gone'}" in message
    assert not (tmp_path / "run").exists()


def test_one_episode_cannot_both_train_and_validate(cli: Cli, config: Path, episode: Path) -> None:
    for other in episode.parent.iterdir():
        if other != episode:
            other.unlink()
    message = cli("train", "--config", config).error()
    assert message == f"data_dir = {str(episode.parent)!r}: one episode cannot both train and validate. Record more."


def _set_action(frame: int, column: int, value: float) -> Spoil:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file["action"][frame, column] = value

    return spoil


def _replace(key: str, change: Callable[[Any], Any]) -> Spoil:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            new = change(file[key][()])
            del file[key]
            file[key] = new

    return spoil


def _attribute(key: str, value: Any) -> Spoil:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            where, _, name = key.rpartition("/")
            file[where or "/"].attrs[name] = value

    return spoil


def _bytes(change: Callable[[bytes], bytes]) -> Spoil:
    return lambda path: path.write_bytes(change(path.read_bytes())) and None


def _flipped(data: bytes, start: int, stop: int) -> bytes:
    return data[:start] + bytes(byte ^ 0xFF for byte in data[start:stop]) + data[stop:]


WRONG: dict[str, tuple[Spoil, str]] = {
    "truncated": (_bytes(lambda data: data[: len(data) // 2]), DAMAGED),
    "zero bytes": (_bytes(lambda data: b""), f"HDF5 cannot read it (0 bytes): {{}}{DAMAGED}"),
    "text": (_bytes(lambda data: b"linear_x,linear_y\n"), DAMAGED),
    "checksum": (_bytes(lambda data: _flipped(data, 60, 61)), DAMAGED),
    "object headers": (_bytes(lambda data: data.replace(b"OHDR", b"RDHO")), DAMAGED),
    "nan": (_set_action(2, 0, np.nan), f"{{path}}: action[2].linear_x = nan: actions are finite numbers. {MEND}"),
    "infinite": (_set_action(3, 2, -np.inf), f"{{path}}: action[3].angular_z = -inf: actions are finite numbers. {MEND}"),
    "too fast": (_set_action(1, 1, 7.5), f"{{path}}: action[1].linear_y = 7.5: velocities lie in [-1.15, 1.15]. {MEND}"),
    "type": (
        _set_action(0, 3, 9),
        f"{{path}}: action[0].action_type = 9.0: action_type is 0 move, 1 rotate, 2 stop or 3 special. {MEND}",
    ),
    "lengths": (
        _replace("action", lambda old: old[:-2]),
        "{path}: lengths = {{'images': 8, 'actions': 6}}: every array has one row per image. "
        "The recording was cut short: leave the file out.",
    ),
    "three columns": (
        _replace("action", lambda old: old[:, :3]),
        f"{{path}}: /action = 'float32 (8, 3)': actions are numbers (T, 4): linear_x, linear_y, angular_z, action_type. {MEND}",
    ),
    "words": (_replace("action", lambda old: np.array([b"left"])), "{path}: /action = '|S4 (1,)': actions are numbers (T, 4)"),
    "grey": (
        _replace("observations/images", lambda old: old[..., 0]),
        "{path}: /observations/images = 'uint8 (8, 20, 24)': images are uint8 (T, H, W, 3), with at least one frame.",
    ),
    "time": (_replace("timestamps", lambda old: old[::-1].copy()), "{path}.timestamps[1] = "),
    "rate": (
        _attribute("episode_metadata/rate_hz", "fast"),
        "{path}: episode_metadata.rate_hz = 'fast': a finite number above 0.",
    ),
    "newer": (
        _attribute("format_version", "2.0"),
        "{path}: format_version = '2.0': this program reads episodes of format 1.0. "
        "Use the version of mobile-vla that wrote it.",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_bad_episode_is_named_with_the_rule(look_at: Callable[[Path], Any], episode: Path, tmp_path: Path, what: str) -> None:
    spoil, expected = WRONG[what]
    spoil(episode)
    message = look_at(episode.parent).error()
    assert str(episode) in message
    for part in expected.split("{}"):
        assert part.format(path=episode) in message
    assert "\n" not in message
    assert not (tmp_path / "run").exists()


def test_an_episode_without_actions_shows_what_it_has(look_at: Callable[[Path], Any], episode: Path) -> None:
    with h5py.File(episode, "r+") as file:
        file.move("action", "steering")
    message = look_at(episode.parent).error()
    assert f"episode = {str(episode)!r}: its keys fit no known layout. Expected " in message
    assert "/steering (8, 4)" in message


def test_a_link_to_nowhere_is_not_passed_over(look_at: Callable[[Path], Any], episode: Path) -> None:
    episode.unlink()
    episode.symlink_to("nowhere.h5")
    assert f"episode = {str(episode)!r}: no such file" in look_at(episode.parent).error()


def test_a_damaged_picture_is_found_when_it_is_read(cli: Cli, config: Path, episode: Path, tmp_path: Path) -> None:
    with h5py.File(episode) as file:
        chunk = file["observations/images"].id.get_chunk_info(3)
    data = episode.read_bytes()
    episode.write_bytes(_flipped(data, chunk.byte_offset + 2, chunk.byte_offset + chunk.size))
    message = cli("train", "--config", config).error()
    assert f"episode = {str(episode)!r}: HDF5 cannot read it" in message
    assert DAMAGED in message
    assert not (tmp_path / "run").exists()


PLACES = st.one_of(st.integers(0, 4095), st.integers(0, 1_000_000))
"""Where a byte is damaged, modulo the file's length: in the structures at its beginning as often as anywhere."""


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.lists(st.tuples(PLACES, st.integers(0, 255)), max_size=16), cut=st.floats(0, 1) | st.none())
def test_damage_anywhere_gives_an_episode_or_our_error(
    good_dataset: Path, tmp_path: Path, damage: list[tuple[int, int]], cut: float | None
) -> None:
    content = bytearray(min(good_dataset.glob("*.h5")).read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    path = tmp_path / "damaged.h5"
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    assert _read_or_name(path)


def _read_or_name(path: Path) -> bool:
    try:
        found = read_episode(path)
    except DataError as error:
        return str(path) in str(error)
    return len(found.images) == len(found.actions) == len(found.timestamps)
