"""Scenario names: the guide's eight, their grammar, and their mirror images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core.errors import DataError
from mobile_vla.task.scenarios import SCENARIOS, Scenario, parse_scenario

any_scenario = st.builds(Scenario, st.integers(0, 99), st.sampled_from(["vert", "hori"]), st.sampled_from(["left", "right"]))


def test_the_eight_of_the_guide() -> None:
    assert {scenario.name for scenario in SCENARIOS} == {
        f"{boxes}box_{layout}_{side}" for boxes in (1, 2) for layout in ("vert", "hori") for side in ("left", "right")
    }
    assert len(SCENARIOS) == 8


@given(any_scenario)
def test_a_name_is_parsed_back(scenario: Scenario) -> None:
    assert parse_scenario(scenario.name) == scenario


@given(any_scenario)
def test_mirroring_twice_changes_nothing_and_once_only_the_side(scenario: Scenario) -> None:
    assert scenario.mirrored.mirrored == scenario
    assert scenario.mirrored.side != scenario.side
    assert (scenario.mirrored.num_boxes, scenario.mirrored.layout) == (scenario.num_boxes, scenario.layout)


@pytest.mark.parametrize(
    "name", ["", "box_vert_left", "1box_diag_left", "1box_vert_center", "x1box_vert_left", "1box_vert_left\n"]
)
def test_a_name_outside_the_grammar_is_refused(name: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_scenario(name)
    rule = "a scenario is {N}box_{vert|hori}_{left|right}. For example 1box_vert_left."
    assert str(caught.value) == f"scenario = {name!r}: {rule}"
