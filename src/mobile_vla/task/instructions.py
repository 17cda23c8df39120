"""Instructions in English and Korean: one table, with training and held-out paraphrases kept apart.

`{side}` and `{boxes}` are the only slots. Training draws from `train` rows alone; `held_out` rows exist to measure whether a
policy listens to the meaning or remembers the wording, so no training code may ask for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from mobile_vla.task.scenarios import Scenario, Side

Language = Literal["en", "ko"]
Split = Literal["train", "held_out"]

NEUTRAL: Final = "Navigate around obstacles"
"""The guide's own instruction. It names no side, so no policy can know which one is meant."""


@dataclass(frozen=True)
class Template:
    """One way to say it.

    Attributes:
        language: `en` or `ko`.
        split: `train` or `held_out`.
        text: the sentence with `{side}` and, optionally, `{boxes}`.
    """

    language: Language
    split: Split
    text: str


TEMPLATES: Final = (
    Template("en", "train", "Navigate around {boxes} by going {side}"),
    Template("en", "train", "Navigate around the obstacle on the {side} side and reach the goal"),
    Template("en", "train", "Go around {boxes} on the {side} and stop in front of the goal"),
    Template("en", "train", "Pass {boxes} on the {side} side"),
    Template("en", "train", "Keep {side} of the boxes and drive to the goal"),
    Template("en", "train", "Take the {side} route to the goal"),
    Template("en", "train", "Drive {side} around the obstacles, then stop at the goal"),
    Template("en", "train", "Avoid {boxes} by passing on the {side}"),
    Template("ko", "train", "{boxes} {side}으로 돌아 목표까지 가세요"),
    Template("ko", "train", "가장 {side} 외곽으로 돌아 컵까지 가세요"),
    Template("ko", "train", "장애물의 {side}으로 지나서 목표 앞에 멈추세요"),
    Template("ko", "train", "{side}으로 상자를 피해 목표로 가"),
    Template("ko", "train", "{boxes} 피해 {side} 길로 가서 목표에 도착하세요"),
    Template("en", "held_out", "Please steer to the {side} of the boxes on your way to the goal"),
    Template("en", "held_out", "Find your way past {boxes}, staying {side}, and halt by the goal"),
    Template("en", "held_out", "The {side} side is free, use it to get to the goal"),
    Template("en", "held_out", "I want you to bypass {boxes} via the {side}"),
    Template("ko", "held_out", "{side} 방향으로 장애물을 우회해서 목표 지점까지 이동해 주세요"),
    Template("ko", "held_out", "{boxes} 만나면 {side}으로 비켜서 가 주세요"),
    Template("ko", "held_out", "목표까지 갈 때 {side} 통로를 이용해라"),
)

SIDE_WORDS: Final[dict[Language, dict[Side, str]]] = {
    "en": {"left": "left", "right": "right"},
    "ko": {"left": "왼쪽", "right": "오른쪽"},
}

_SIDE_PATTERN: Final = re.compile(
    "|".join(rf"\b{word}\b" if word.isascii() else word for words in SIDE_WORDS.values() for word in words.values()),
    re.IGNORECASE,
)
_MEANING: Final = {word: side for words in SIDE_WORDS.values() for side, word in words.items()}
_OPPOSITE: Final = {
    words[side]: words["right" if side == "left" else "left"] for words in SIDE_WORDS.values() for side in words
}


def templates(split: Split, language: Language | None = None) -> tuple[Template, ...]:
    """Return the rows of `split`, of one language or (None) of both."""
    return tuple(row for row in TEMPLATES if row.split == split and language in (None, row.language))


def fill(template: Template, scenario: Scenario) -> str:
    """Return the sentence that `template` makes of `scenario`."""
    side = SIDE_WORDS[template.language][scenario.side]
    return template.text.format(side=side, boxes=_boxes(template.language, scenario.num_boxes))


def all_instructions(scenario: Scenario, split: Split, language: Language | None = None) -> tuple[str, ...]:
    """Return every sentence of `split` for `scenario`, in the table's order."""
    return tuple(fill(row, scenario) for row in templates(split, language))


def draw_instruction(
    scenario: Scenario, rng: np.random.Generator, split: Split = "train", language: Language | None = None
) -> str:
    """Return one sentence of `split` for `scenario`, drawn uniformly with `rng`."""
    choices = all_instructions(scenario, split, language)
    return choices[int(rng.integers(len(choices)))]


def swap_sides(instruction: str) -> str:
    """Return `instruction` with left and right exchanged, in English and Korean. A text that names no side is unchanged."""
    return _SIDE_PATTERN.sub(lambda found: _with_case_of(found[0], _OPPOSITE[found[0].lower()]), instruction)


def named_side(instruction: str) -> Side | None:
    """Return the side that `instruction` names, or None when it names none or both."""
    sides = {_MEANING[word.lower()] for word in _SIDE_PATTERN.findall(instruction)}
    return sides.pop() if len(sides) == 1 else None


def _with_case_of(pattern: str, word: str) -> str:
    if pattern.isupper():
        return word.upper()
    return word.capitalize() if pattern[:1].isupper() else word


def _boxes(language: Language, count: int) -> str:
    if language == "ko":
        return {1: "상자 하나를", 2: "상자 두 개를"}.get(count, f"상자 {count}개를")
    return {1: "the single box obstacle", 2: "two box obstacles"}.get(count, f"{count} box obstacles")
