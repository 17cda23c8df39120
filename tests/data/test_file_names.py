from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core.errors import DataError
from mobile_vla.data.file_names import EpisodeName, format_name, free_path, parse_name
from mobile_vla.task.scenarios import SCENARIOS

GUIDE_NAMES = [
    "episode_20250101_120000_1box_vert_left_50cm.h5",
    "episode_20250101_120100_1box_vert_right_50cm.h5",
    "episode_20250101_120200_2box_hori_left_100cm.h5",
]
NAMES = st.builds(
    EpisodeName,
    st.datetimes(min_value=datetime(1, 1, 1)).map(lambda at: at.replace(microsecond=0)),
    st.sampled_from([scenario.name for scenario in SCENARIOS]) | st.just("donkeycar"),
    st.none() | st.integers(0, 10_000),
)


@given(NAMES)
def test_parsing_a_formatted_name_gives_the_name(name: EpisodeName) -> None:
    assert parse_name(format_name(name)) == name


@pytest.mark.parametrize("file_name", GUIDE_NAMES)
def test_the_guides_names_are_names(file_name: str) -> None:
    assert format_name(parse_name(file_name)) == file_name


def test_what_a_name_says() -> None:
    assert parse_name(GUIDE_NAMES[2]) == EpisodeName(datetime(2025, 1, 1, 12, 2), "2box_hori_left", 100)
    assert parse_name(GUIDE_NAMES[2]).distance == "100cm"


@pytest.mark.parametrize("file_name", ["x.h5", "episode_2025011_120000_a_50cm.h5", "episode_20250101_120000_50cm.h5", "a/b.h5"])
def test_other_names_are_refused(file_name: str) -> None:
    with pytest.raises(DataError):
        parse_name(file_name)


def test_the_error_shows_the_grammar_and_an_example() -> None:
    with pytest.raises(DataError, match=r"For example episode_20250101_120000_1box_vert_left_50cm\.h5"):
        parse_name("drive.h5")
    with pytest.raises(DataError, match="no such date and time"):
        parse_name("episode_20251301_120000_1box_vert_left_50cm.h5")


@pytest.mark.parametrize("scenario", ["", "a b", "../x", "a_50cm", "_a"])
def test_a_scenario_that_a_name_cannot_hold_is_refused(scenario: str) -> None:
    with pytest.raises(DataError, match="scenario = "):
        EpisodeName(datetime(2025, 1, 1), scenario, 50)


def test_a_taken_second_gives_the_next_free_one(tmp_path: Path) -> None:
    name = EpisodeName(datetime(2025, 1, 1, 23, 59, 59), "1box_vert_left", 50)
    first = free_path(tmp_path, name)
    first.write_text("drive")
    (tmp_path / ".episode_20250102_000000_1box_vert_left_50cm.h5.12.partial").write_text("being written")
    assert first.name == "episode_20250101_235959_1box_vert_left_50cm.h5"
    assert free_path(tmp_path, name).name == "episode_20250102_000001_1box_vert_left_50cm.h5"
