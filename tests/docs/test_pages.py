"""What readers trip over: dead links, commands in one language only, numbers that differ between the two."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_relative_link_leads_somewhere(page: Any) -> None:
    dead = [link for link in page.links if not _leads_somewhere(page, link)]
    if page.unfinished and all("media/" in link for link in dead):
        dead = []  # pictures come with the numbers
    assert not dead


def _leads_somewhere(page: Any, link: str) -> bool:
    target, _, anchor = link.partition("#")
    if re.match(r"[a-z]+:", target):
        return True
    path = page.path if not target else (page.path.parent / target).resolve()
    if not path.exists() or ROOT not in path.parents:
        return False
    return not anchor or anchor in type(page)(str(path.relative_to(ROOT))).anchors


def test_a_dead_link_and_a_dead_anchor_are_found(page: Any) -> None:
    assert not _leads_somewhere(page, "no_such_page.md")
    assert not _leads_somewhere(page, "#no-such-heading")
    assert _leads_somewhere(page, "https://example.org")


def test_both_languages_run_the_same_commands(english: Any, korean: Any) -> None:
    assert [(block.language, block.bare) for block in korean.blocks] == [
        (block.language, block.bare) for block in english.blocks
    ]


def test_both_languages_leave_out_the_same_blocks(english: Any, korean: Any) -> None:
    assert [bool(block.not_run) for block in korean.blocks] == [bool(block.not_run) for block in english.blocks]


def test_both_languages_have_the_same_sections(english: Any, korean: Any) -> None:
    assert [level for level, _ in korean.headings] == [level for level, _ in english.headings]


def test_both_languages_have_the_same_tables(english: Any, korean: Any) -> None:
    assert [_values(table) for table in korean.tables] == [_values(table) for table in english.tables]


def _values(table: list[list[str]]) -> list[list[str]]:
    """The cells that are not prose: code, numbers, placeholders; the others as an empty text, so that their number counts."""
    return [[cell if re.fullmatch(r"`[^`]+`|[-\d. %@A-Zto]+", cell) else "" for cell in row] for row in table[1:]]


def test_both_languages_have_the_same_links(english: Any, korean: Any) -> None:
    assert [_target(link) for link in korean.links] == [_target(link) for link in english.links]


def _target(link: str) -> str:
    """The link without its anchor (a heading's name is translated) and without the language."""
    return link.partition("#")[0].replace(".ko.md", ".md")


@pytest.mark.parametrize("what", ["spans", "percentages"])
def test_both_languages_name_the_same_things_and_numbers(english: Any, korean: Any, what: str) -> None:
    assert sorted(getattr(korean, what)) == sorted(getattr(english, what))


def test_placeholders_stand_on_lines_of_their_own(english: Any, korean: Any) -> None:
    found = [re.findall(r"@@\w+@@", page.text) for page in (english, korean)]
    assert found[0] == found[1]
    assert all(re.search(rf"^{mark}$", korean.text, re.MULTILINE) for mark in found[1])
