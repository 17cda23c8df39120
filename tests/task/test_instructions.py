"""Instructions: every row names its side, in both languages, and swapping sides swaps the meaning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.task.instructions import (
    NEUTRAL,
    TEMPLATES,
    Template,
    all_instructions,
    draw_instruction,
    fill,
    named_side,
    swap_sides,
    templates,
)
from mobile_vla.task.scenarios import SCENARIOS, Scenario, other_side

scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
rows = pytest.mark.parametrize("row", TEMPLATES, ids=lambda row: row.text)
words = st.sampled_from(["left", "Right", "LEFT", "왼쪽", "오른쪽", "가장", "box", "upright", "leftover", " ", ",", "으로"])


@scenarios
@rows
def test_every_row_names_the_side_of_its_scenario(row: Template, scenario: Scenario) -> None:
    text = fill(row, scenario)
    assert "{" not in text
    assert named_side(text) == scenario.side


@scenarios
@rows
def test_swapping_sides_tells_the_mirrored_drive(row: Template, scenario: Scenario) -> None:
    swapped = swap_sides(fill(row, scenario))
    assert swapped == fill(row, scenario.mirrored)
    assert named_side(swapped) == other_side(scenario.side)


@given(st.lists(words).map("".join) | st.lists(words).map(" ".join) | st.text())
def test_swapping_twice_changes_nothing(text: str) -> None:
    if text == text.lower() or text == text.upper() or text == text.title():
        assert swap_sides(swap_sides(text)) == text
    assert swap_sides(swap_sides(text)).lower() == text.lower()


@given(st.lists(words).map(" ".join))
def test_swapping_sides_swaps_the_side_that_is_named(text: str) -> None:
    side = named_side(text)
    assert named_side(swap_sides(text)) == (None if side is None else other_side(side))


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("Keep LEFT of it", "Keep RIGHT of it"),
        ("Left, please", "Right, please"),
        ("left of the first, right of the second", "right of the first, left of the second"),
        ("가장 왼쪽 외곽으로 돌아 컵까지 가세요", "가장 오른쪽 외곽으로 돌아 컵까지 가세요"),
        ("왼쪽으로, then right", "오른쪽으로, then left"),
        (NEUTRAL, NEUTRAL),
        ("Bright leftovers stand upright", "Bright leftovers stand upright"),
    ],
)
def test_swapped_sentences(text: str, swapped: str) -> None:
    assert swap_sides(text) == swapped


@pytest.mark.parametrize("text", [NEUTRAL, "", "left of one, right of the other", "Stand upright", "왼쪽 말고 오른쪽"])
def test_a_sentence_without_one_side_names_none(text: str) -> None:
    assert named_side(text) is None


@pytest.mark.parametrize("language", ["en", "ko"])
def test_held_out_wordings_are_not_trained_on(language: str) -> None:
    train = {row.text for row in templates("train", language)}  # type: ignore[arg-type]
    held_out = {row.text for row in templates("held_out", language)}  # type: ignore[arg-type]
    assert len(train) >= 4
    assert len(held_out) >= 3
    assert not train & held_out


def test_no_row_stands_twice() -> None:
    assert len({row.text for row in TEMPLATES}) == len(TEMPLATES)
    assert len(templates("train")) + len(templates("held_out")) == len(TEMPLATES)


def test_the_number_of_boxes_is_said() -> None:
    row = Template("en", "train", "Navigate around {boxes} by going {side}")
    assert fill(row, Scenario(1, "vert", "left")) == "Navigate around the single box obstacle by going left"
    assert fill(row, Scenario(2, "vert", "right")) == "Navigate around two box obstacles by going right"
    assert fill(row, Scenario(5, "hori", "right")) == "Navigate around 5 box obstacles by going right"
    assert fill(Template("ko", "train", "{boxes} {side}"), Scenario(3, "hori", "left")) == "상자 3개를 왼쪽"


@scenarios
def test_sentences_are_drawn_uniformly_from_their_split(scenario: Scenario) -> None:
    rng = np.random.default_rng(0)
    choices = all_instructions(scenario, "train", "en")
    counts = {choice: 0 for choice in choices}
    for _ in range(100 * len(choices)):
        counts[draw_instruction(scenario, rng, "train", "en")] += 1
    assert min(counts.values()) > 60
    assert max(counts.values()) < 150


def test_the_same_seed_draws_the_same_sentence() -> None:
    drawn = {draw_instruction(SCENARIOS[0], np.random.default_rng(7)) for _ in range(5)}
    assert len(drawn) == 1
