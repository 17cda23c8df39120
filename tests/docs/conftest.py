"""The pages that a user reads, taken apart: code blocks, commands, headings, tables, links, numbers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN_PAGES = ("README.md", "README.ko.md", "docs/guide.md", "docs/guide.ko.md")
"""Pages whose blocks are run."""
TWINS = {"README.md": "README.ko.md", "docs/guide.md": "docs/guide.ko.md"}
"""English page -> the Korean page that says the same."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\n\Z")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, line, language, text, and why it is not run (empty: it is)."""

    page: str
    line: int
    language: str
    text: str
    not_run: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def bare(self) -> str:
        """The text without comments and without the spaces in front of them."""
        return "\n".join(re.sub(r"(^|\s+)(#|//) .*$", "", line) for line in self.text.splitlines())


class Page:
    """A Markdown file and what it is made of."""

    def __init__(self, name: str) -> None:
        self.name, self.path = name, ROOT / name
        self.text = self.path.read_text(encoding="utf-8")

    @property
    def blocks(self) -> list[Block]:
        found = []
        for match in _FENCE.finditer(self.text):
            before = self.text[: match.start()]
            reason = _NOT_RUN.search(before)
            found.append(Block(self.name, before.count("\n") + 1, match[1], match[2], reason[1] if reason else ""))
        return found

    @property
    def prose(self) -> str:
        """The text without its blocks."""
        return _FENCE.sub("", self.text)

    @property
    def headings(self) -> list[tuple[int, str]]:
        return [(len(marks), title) for marks, title in re.findall(r"^(#+) (.+)$", self.prose, re.MULTILINE)]

    @property
    def anchors(self) -> set[str]:
        """The names by which GitHub lets one link to a heading."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in self.headings}

    @property
    def tables(self) -> list[list[list[str]]]:
        """Each table as rows of cells, the ruler left out."""
        found = re.findall(r"(?:^\|.*\n)+", self.prose + "\n", re.MULTILINE)
        return [[_cells(row) for row in table.splitlines() if not re.fullmatch(r"[|\-: ]+", row)] for table in found]

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def spans(self) -> list[str]:
        """What stands in backticks."""
        return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", self.prose)]

    @property
    def unfinished(self) -> bool:
        """Whether numbers are still to be filled in."""
        return "@@" in self.text

    @property
    def percentages(self) -> list[str]:
        return re.findall(r"\d+(?:\.\d+)?(?= ?%)", self.prose)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def commands(script: str) -> Iterator[list[str]]:
    """Yield the words of every command line in a shell script; what stands inside quotes over several lines is one word."""
    pending = ""
    for line in script.splitlines():
        pending += line.removesuffix("\\") + (" " if line.endswith("\\") else "\n")
        if line.endswith("\\"):
            continue
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quote is still open
            continue
        pending = ""
        if words:
            yield words


@pytest.fixture
def guides() -> list[Page]:
    """The guide in both languages."""
    return [Page("docs/guide.md"), Page("docs/guide.ko.md")]


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`page`: every Markdown page of the repository; `english`, `korean`: twins; `unrun`: what is never run, and why."""
    if "page" in metafunc.fixturenames:
        every = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
        metafunc.parametrize("page", every, indirect=True)
    if "english" in metafunc.fixturenames:
        pairs = [(Page(english), Page(korean)) for english, korean in TWINS.items()]
        metafunc.parametrize(("english", "korean"), pairs, ids=list(TWINS))
    if "run_page" in metafunc.fixturenames:
        slow = pytest.mark.slow
        params = [pytest.param(Page(name), id=name, marks=[] if name == "README.md" else [slow]) for name in RUN_PAGES]
        metafunc.parametrize("run_page", params)
    if "line" in metafunc.fixturenames:
        lines = [(block, words) for name in RUN_PAGES for block in Page(name).blocks for words in _shell(block) if _ours(words)]
        ids = [f"{block.where} {' '.join(words)[:60]}" for block, words in lines]
        metafunc.parametrize("line", [words for _, words in lines], ids=ids)
    if "unrun" in metafunc.fixturenames:
        left = list(_unrun())
        metafunc.parametrize("unrun", [f"{where}: {why}" for where, why in left], ids=[where for where, _ in left])


def _ours(words: list[str]) -> bool:
    return words[0] == "mobile-vla" or words[0].startswith("./scripts/")


def _shell(block: Block) -> list[list[str]]:
    return list(commands(block.text)) if block.language == "bash" else []


STUBBED = {
    "demo": "takes minutes; tests/jobs runs it small",
    "make": "installs or runs everything; CI calls the targets themselves",
    "pip": "would change the environment that runs the tests",
    "tensorboard": "serves until it is stopped",
}
"""Programs, and one command of ours, that a stand-in takes the place of, and why."""


def _unrun() -> Iterator[tuple[str, str]]:
    for name in RUN_PAGES:
        for block in Page(name).blocks:
            if block.not_run:
                yield f"{block.where} {block.text.splitlines()[0][:60]}", block.not_run
                continue
            for words in _shell(block):
                program = "demo" if words[:2] == ["mobile-vla", "demo"] else words[0]
                if program in STUBBED:
                    yield f"{block.where} {' '.join(words)[:60]}", STUBBED[program]


@pytest.fixture
def stubbed() -> dict[str, str]:
    return STUBBED
