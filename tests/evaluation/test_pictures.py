"""GIFs, montages, captions, and paths from above."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from mobile_vla.core.errors import DataError
from mobile_vla.evaluation import pictures_text
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.pictures import (
    BUDGET_BYTES,
    PAUSE_MS,
    drive_gif,
    drive_picture,
    encode_gif,
    last_frame_png,
    montage_gif,
)
from mobile_vla.evaluation.pictures_floor import floor_svg
from mobile_vla.evaluation.pictures_story import BAD, GOAL, SIDE, Size, camera_picture, side_by_side, story

MakeDrive = Callable[..., Drive]
SMALL = Size(height=96, map_width=64, caption=30, text=10)


def _frames(data: bytes) -> list[tuple[Image.Image, int]]:
    gif = Image.open(io.BytesIO(data))
    found = []
    for index in range(gif.n_frames):
        gif.seek(index)
        found.append((gif.convert("RGB"), int(gif.info["duration"])))
    return found


def _close_to(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.abs(np.asarray(picture, dtype=int) - colour).max(axis=-1) < 12).sum())


def test_gif_has_a_picture_per_frame_and_pauses_at_the_end(make_drive: MakeDrive) -> None:
    drive = make_drive(frame_px=32, steps=12)
    data = drive_gif(drive, speed=2.0, size=SMALL)
    frames = _frames(data)
    assert len(frames) == len(drive.frames) == 12
    assert [duration for _, duration in frames] == [100] * 11 + [PAUSE_MS]  # 0.2 s per step at double speed
    assert Image.open(io.BytesIO(data)).info["loop"] == 0


def test_the_path_grows_in_the_colour_of_the_side(make_drive: MakeDrive) -> None:
    for scenario, side in (("1box_vert_left", "left"), ("1box_vert_right", "right")):
        pictures = story(make_drive(scenario, frame_px=16, steps=8), SMALL)
        maps = [picture.crop((96, 0, 160, 96)) for picture in pictures]
        drawn = [_close_to(picture, SIDE[side]) for picture in maps]
        assert drawn[-1] > drawn[0] > 0


def test_left_is_on_the_left_of_the_map(make_drive: MakeDrive) -> None:
    picture = story(make_drive("1box_vert_left", frame_px=16, steps=9), SMALL)[4]
    columns = np.argwhere(np.abs(np.asarray(picture.crop((96, 0, 160, 96)), dtype=int) - SIDE["left"]).max(axis=-1) < 12)[:, 1]
    assert columns.mean() < 32


def test_only_the_last_picture_tells_the_end(make_drive: MakeDrive) -> None:
    good = story(make_drive(frame_px=16, steps=6), SMALL)
    bad = story(make_drive(frame_px=16, steps=6, end="hit_box"), SMALL)
    corner = (96, 76, 160, 96)
    assert _close_to(good[-1].crop(corner), GOAL) > 20 > _close_to(good[-2].crop(corner), GOAL)
    assert _close_to(bad[-1].crop(corner), BAD) > 20 > _close_to(bad[-2].crop(corner), BAD)


def test_camera_pictures_are_those_of_the_drive(make_drive: MakeDrive) -> None:
    drive = make_drive(frame_px=96, steps=5)
    for picture, frame in zip(story(drive, SMALL), drive.frames, strict=True):
        assert np.array_equal(np.asarray(picture)[:96, :96], frame)
    assert camera_picture(np.zeros((720, 1280, 3), np.uint8), 90).size == (160, 90)


def test_montage_places_all_drives_and_waits_for_the_longest(make_drive: MakeDrive) -> None:
    short, long = make_drive(frame_px=16, steps=4), make_drive("1box_vert_right", frame_px=16, steps=9, seed=2)
    stories = [story(drive, SMALL) for drive in (short, long, short)]
    montage = side_by_side(stories, columns=2, gap_px=0)
    assert len(montage) == 9
    assert montage[0].size == (2 * stories[0][0].width, 2 * stories[0][0].height)
    width, height = stories[0][0].size
    assert np.array_equal(np.asarray(montage[8])[:height, :width], np.asarray(stories[0][-1]))
    assert np.array_equal(np.asarray(montage[8])[:height, width:], np.asarray(stories[1][8]))
    assert len(_frames(montage_gif([short, long], size=SMALL))) == 9


def test_gifs_keep_to_their_budget() -> None:
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)) for _ in range(12)]
    generous, tight = encode_gif(noise, 50), encode_gif(noise, 50, budget_bytes=60_000)
    assert len(tight) <= 60_000 < len(generous) <= BUDGET_BYTES
    assert len(_frames(tight)) == 12


def test_without_frames_there_is_no_gif(make_drive: MakeDrive) -> None:
    with pytest.raises(DataError, match=r"drive\.frames = \(\): a GIF needs camera frames"):
        drive_gif(make_drive())
    with pytest.raises(DataError, match=r"pictures = \(\): a GIF has at least one picture"):
        encode_gif([], 50)
    with pytest.raises(DataError, match=r"speed = 0: a GIF's speed is a factor greater than 0"):
        drive_gif(make_drive(frame_px=16, steps=3), speed=0)


def test_words_beside_the_picture_say_what_happens(make_drive: MakeDrive) -> None:
    picture = drive_picture(make_drive("2box_hori_right", frame_px=16, steps=3, end="wrong_side", instruction="오른쪽으로"))
    assert picture.caption == "오른쪽으로"
    assert "2box_hori_right, asked to pass on the right" in picture.alt
    assert picture.alt.endswith("It ends with: wrong side.")
    assert Image.open(io.BytesIO(last_frame_png(make_drive(frame_px=16, steps=3), 80))).size == (80, 80)


def test_korean_is_drawn_where_a_font_is_and_told_in_english_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures_text, "hangul_font", lambda size_px: None)
    assert pictures_text.drawable("가장 왼쪽 외곽으로 돌아 컵까지 가세요", 12)[0] == "(in Korean) pass on the left"
    assert pictures_text.drawable("장애물을 피해 도착해라", 12)[0] == "(in Korean) reach the goal"
    font = pictures_text.latin_font(12)
    monkeypatch.setattr(pictures_text, "hangul_font", lambda size_px: font)
    assert pictures_text.drawable("왼쪽", 12) == ("왼쪽", font)
    assert pictures_text.drawable("go left", 12)[0] == "go left"


def test_captions_wrap_at_words() -> None:
    font = pictures_text.latin_font(12)
    text = "Find your way past two box obstacles"
    lines = pictures_text.wrapped(text, font, 90)
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(font.getlength(line) <= 90 for line in lines)


def test_svg_is_well_formed_and_draws_everything_once(make_drive: MakeDrive) -> None:
    drives = [make_drive("2box_hori_left", seed=seed, end=end) for seed, end in enumerate(("success", "wrong_side", "hit_box"))]
    root = ElementTree.fromstring(floor_svg(drives, "three <drives>"))
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert root[0].text == "three <drives>"
    assert root.get("aria-labelledby") == root[0].get("id")
    assert tags.count("polygon") == 6
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 3
    assert [bool(line.get("stroke-dasharray")) for line in lines].count(True) == 2
    assert ["--left" in line.get("style", "") for line in lines].count(True) == 1
    assert ["--right" in line.get("style", "") for line in lines].count(True) == 1


def test_svg_has_left_on_the_left_and_ahead_up(make_drive: MakeDrive) -> None:
    for scenario, sign in (("1box_vert_left", -1), ("1box_vert_right", 1)):
        svg = floor_svg([make_drive(scenario)], scenario)
        points = re.search(r'polyline class="path" points="([^"]+)"', svg)
        assert points is not None
        places = np.array([[float(number) for number in pair.split(",")] for pair in points[1].split()])
        assert np.sign(places[len(places) // 2, 0]) == sign
        assert places[-1, 1] < places[0, 1]


def test_svg_needs_a_drive() -> None:
    with pytest.raises(ValueError, match=r"drives = \(\)"):
        floor_svg([], "nothing")
