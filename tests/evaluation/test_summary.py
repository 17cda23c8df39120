"""Summaries: counting, the JSON's shape, the terminal's tables, the hardware."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from mobile_vla.core.errors import DataError
from mobile_vla.evaluation.hardware import hardware
from mobile_vla.evaluation.outcome import Drive
from mobile_vla.evaluation.statistics import wilson
from mobile_vla.evaluation.summary import AGENTS, RunSummary, summarise, summarise_agents, to_json
from mobile_vla.evaluation.summary_table import tables

MakeDrive = Callable[..., Drive]


def test_successes_sides_and_ends_are_counted(make_drive: MakeDrive) -> None:
    ends = ["success", "success", "success", "wrong_side", "hit_box"]
    found = summarise([make_drive(end=end, seed=seed) for seed, end in enumerate(ends)])
    assert (found.overall.success.count, found.overall.success.n) == (3, 5)
    assert (found.overall.side.count, found.overall.side.n) == (3, 4)  # the one that hit the box passed nothing
    assert found.overall.ends == {"success": 3, "wrong_side": 1, "hit_box": 1}
    assert found.seeds == (0, 1, 2, 3, 4)


def test_means_are_over_all_drives(make_drive: MakeDrive) -> None:
    drives = [replace(make_drive(), gap_m=gap, path_length_m=gap * 10, duration_s=5.0) for gap in (0.1, 0.2, 0.9)]
    overall = summarise(drives).overall
    assert overall.mean_gap_m == pytest.approx(0.4)
    assert overall.median_gap_m == pytest.approx(0.2)
    assert overall.mean_path_length_m == pytest.approx(4.0)
    assert overall.mean_duration_s == pytest.approx(5.0)


def test_scenarios_add_up_to_the_whole(many_drives: list[Drive]) -> None:
    for summary in summarise_agents(many_drives).values():
        assert sum(tally.success.n for tally in summary.scenarios.values()) == summary.overall.success.n
        assert sum(tally.success.count for tally in summary.scenarios.values()) == summary.overall.success.count
        assert sum(summary.overall.ends.values()) == summary.overall.success.n


def test_agents_come_in_the_tables_order_and_strangers_last(make_drive: MakeDrive) -> None:
    drives = [make_drive(agent=agent) for agent in ("stranger", "deaf", "expert", "policy")]
    assert list(summarise_agents(drives)) == ["policy", "expert", "deaf", "stranger"]


def test_json_has_the_demo_shape(many_drives: list[Drive]) -> None:
    wall_s = {"collect": 1.0, "train": 2.0, "evaluate": 3.0, "total": 6.0}
    tree = json.loads(json.dumps(to_json(summarise_agents(many_drives), wall_s, {"cpu": "x"}, level=1), allow_nan=False))
    policy = tree["agents"]["policy"]
    assert policy["n"] == 40
    assert policy["success"] == 34 / 40
    assert policy["ci95"] == pytest.approx(wilson(34, 40))
    assert len(policy["scenarios"]) == 8
    assert {"success", "n", "ci95", "side_followed"} <= set(policy["scenarios"]["1box_vert_left"])
    assert tree["agents"]["random"]["side_followed"] is None
    assert (tree["wall_s"], tree["hardware"], tree["level"]) == (wall_s, {"cpu": "x"}, 1)


def test_a_summary_is_of_one_agent(make_drive: MakeDrive) -> None:
    with pytest.raises(DataError, match=r"drives = \['deaf', 'policy'\]: a summary is of the drives of exactly one agent"):
        summarise([make_drive(agent="policy"), make_drive(agent="deaf")])
    with pytest.raises(DataError, match=r"drives = \[\]: a summary needs at least one drive"):
        summarise_agents([])


def test_headline_is_the_policy_or_else_the_first(make_drive: MakeDrive) -> None:
    both = RunSummary(summarise_agents([make_drive(agent="expert"), make_drive(agent="policy")]))
    assert both.headline.agent == "policy"
    assert RunSummary(summarise_agents([make_drive(agent="expert")])).headline.agent == "expert"


def test_terminal_tables_show_the_numbers_of_every_row(many_drives: list[Drive]) -> None:
    summary = RunSummary(summarise_agents(many_drives))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(tables(summary))
    lines = console.export_text().splitlines()
    policy = next(line for line in lines if "│ policy " in line)
    assert all(text in policy for text in ("85.0 %", " 40 ", "70.9 to 92.9 %", "97.3 %", " 37 "))
    assert all(any(name in line for line in lines) for name in summary.headline.scenarios)
    random = next(line for line in lines if "│ random " in line)
    assert "0.0 to 8.8 %" in random


def test_every_registered_agent_is_explained() -> None:
    from mobile_vla.evaluation.agent import agents

    assert set(agents.names()) <= set(AGENTS)


def test_hardware_names_the_machine_but_not_its_host() -> None:
    found = hardware()
    assert found["cores"]
    assert found["cpu"]
    assert found["python"] == platform.python_version()
    assert found["numpy"] == __import__("numpy").__version__
    assert not any(platform.node() and platform.node() in str(value) for value in found.values())
    json.dumps(found, allow_nan=False)
