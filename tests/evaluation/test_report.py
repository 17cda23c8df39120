"""The report page: its numbers, and that it stands alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.pictures import Picture
from mobile_vla.evaluation.report import spans, write_report
from mobile_vla.evaluation.report_html import Section, interval, share
from mobile_vla.evaluation.summary import AGENTS, RunSummary, summarise_agents

MakeDrive = Callable[..., Drive]
GIF = Picture(b"GIF89a", "image/gif", "A drive <left>", "가장 왼쪽으로 <b>")
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects attributes by tag, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every `tag`."""
        return [attrs for name, attrs in self.seen if name == tag]


@pytest.fixture(scope="module")
def written(many_drives: list[Drive], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, object]]:
    """The page and the JSON of a run with five agents."""
    summary = RunSummary(
        summarise_agents(many_drives),
        {"collect": 30.25, "train": 61.0, "evaluate": 12.0, "total": 103.25},
        {"cpu": "A <cpu>", "gpu": None},
    )
    files = write_report(
        tmp_path_factory.mktemp("report"), summary, many_drives, [GIF], [Section("Probe", "<p>extra words</p>")]
    )
    return files.html.read_text(encoding="utf-8"), json.loads(files.json.read_text(encoding="utf-8"))


def test_the_json_is_that_of_the_summary(written: tuple[str, dict], many_drives: list[Drive]) -> None:
    expected = RunSummary(summarise_agents(many_drives), written[1]["wall_s"], written[1]["hardware"]).to_json()
    assert written[1] == json.loads(json.dumps(expected))


def test_every_row_of_the_page_has_the_numbers_of_the_json(written: tuple[str, dict]) -> None:
    page, tree = written
    rows = {cells[0]: cells for cells in Page(page).rows if cells}
    expected = {name.replace("_", " "): row for name, row in tree["agents"].items()} | tree["agents"]["policy"]["scenarios"]
    assert len(expected) == 13
    for name, row in expected.items():
        cells = rows[name]
        assert cells[1] == f"{row['success'] * 100:.1f} %"
        assert cells[2] == str(row["n"])
        assert cells[3] == f"{row['ci95'][0] * 100:.1f} to {row['ci95'][1] * 100:.1f} %"
        assert cells[4] == ("none" if row["side_followed"] is None else f"{row['side_followed'] * 100:.1f} %")
        assert cells[6] == f"{row['mean_gap_m']:.2f} m"


def test_the_headline_has_share_n_and_interval(written: tuple[str, dict]) -> None:
    found = re.search(r'<p class="headline">(.*?)</p>', written[0])
    assert found is not None
    text = re.sub("<[^>]+>", "", found[1])
    assert text == "The policy reached the goal on the instructed side in 85.0 % of 40 drives (95 % interval 70.9 to 92.9 %)."


def test_the_page_needs_nothing_from_elsewhere(written: tuple[str, dict]) -> None:
    page = Page(written[0])
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    urls = [value for _, attrs in page.seen for name, value in attrs.items() if name in ("src", "href", "srcset", "poster")]
    assert urls
    assert all(value is not None and value.startswith("data:") for value in urls)
    outside = re.sub(r'xmlns="http://www\.w3\.org/2000/svg"', "", written[0])
    assert "http:" not in outside
    assert "https:" not in outside
    assert "url(" not in outside
    assert "@import" not in outside


def test_pictures_and_tables_can_be_read_aloud(written: tuple[str, dict]) -> None:
    page = Page(written[0])
    assert not page.open
    assert page.all("img")
    assert all(attrs.get("alt") for attrs in page.all("img"))
    for attrs in page.all("svg"):
        assert attrs.get("aria-hidden") == "true" or attrs.get("role") == "img"
    ids = [attrs["id"] for _, attrs in page.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["aria-labelledby"] for attrs in page.all("svg") if "aria-labelledby" in attrs} <= set(ids)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"
    assert any(attrs.get("name") == "viewport" for attrs in page.all("meta"))


def test_failures_are_listed_by_kind_with_their_pictures(written: tuple[str, dict]) -> None:
    page = written[0]
    for kind in ("Hit box", "Hit goal", "Wrong side", "Stopped early", "Timeout"):
        assert f"<h3>{kind}</h3>" in page
    for seed in (1003, 1011, 1017, 1025, 1031, 1038):
        assert f"seed {seed}<br>" in page
    assert "seed 1004<br>" not in page
    assert "가장 왼쪽 외곽으로 돌아 컵까지 가세요" in page
    assert page.count("Last camera picture of") == 1


def test_text_from_outside_is_escaped(written: tuple[str, dict]) -> None:
    page = written[0]
    assert "A &lt;cpu&gt;" in page
    assert "A <cpu>" not in page
    assert "가장 왼쪽으로 &lt;b&gt;" in page
    assert 'alt="A drive &lt;left&gt;"' in page


def test_times_hardware_seeds_words_and_extra_sections_are_there(written: tuple[str, dict]) -> None:
    page = written[0]
    assert "<dt>Training</dt><dd>61.0 s</dd>" in page
    assert "<dt>gpu</dt><dd>none</dd>" in page
    assert "<dt>policy</dt><dd>1000 to 1039</dd>" in page
    assert "All agents drove the same seeds." in page
    assert "<p>extra words</p>" in page
    for agent in ("policy", "expert", "random", "always_forward", "deaf"):
        assert AGENTS[agent] in page


def test_each_scenario_has_its_picture_from_above(written: tuple[str, dict]) -> None:
    for name, row in written[1]["agents"]["policy"]["scenarios"].items():
        succeeded = round(row["success"] * row["n"])
        assert f"{name} from above: {succeeded} of {row['n']} drives succeeded" in written[0]


def test_a_report_of_one_perfect_agent(make_drive: MakeDrive, tmp_path: Path) -> None:
    drives = [make_drive(agent="expert", seed=seed) for seed in range(3)]
    files = write_report(tmp_path / "new" / "folder", RunSummary(summarise_agents(drives)), drives)
    page = files.html.read_text(encoding="utf-8")
    assert "The expert reached the goal" in page
    assert "<p>None.</p>" in page
    assert "What the camera saw" not in page
    assert sorted(path.name for path in files.html.parent.iterdir()) == ["report.html", "report.json"]


def test_small_pieces() -> None:
    assert spans([1, 2, 3, 7, 9, 10]) == "1 to 3, 7, 9 to 10"
    assert share(0.98333) == '<data value="0.98333">98.3 %</data>'
    assert "none" in share(None)
    assert "none" in interval(None)
