"""The shape of messages: field, value, rule, remedy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core import errors


def test_problem_names_field_value_rule_and_remedy() -> None:
    assert errors.problem("batch_size", 0, "at least 1", "Set it to 4") == "batch_size = 0: at least 1. Set it to 4."


def test_problem_without_remedy_ends_after_the_rule() -> None:
    assert errors.problem("language", "fr", "one of en, ko.") == "language = 'fr': one of en, ko."


def test_problem_cuts_an_array_that_would_flood_the_terminal() -> None:
    message = errors.problem("actions", np.arange(5000).tolist(), "a rule")
    assert len(message) < 250
    assert "...: a rule." in message


@given(st.integers(0, 400))
def test_problem_shows_at_most_200_characters_of_a_value(length: int) -> None:
    shown = errors.problem("f", "x" * length, "r").removeprefix("f = ").removesuffix(": r.")
    assert len(shown) == min(length + 2, 200)


def test_unknown_name_lists_sorted_choices_and_the_closest() -> None:
    error = errors.unknown_name("act_head.type", "LSTMDecodr", ["LSTMDecoder", "FCDecoder"])
    assert str(error) == "act_head.type = 'LSTMDecodr': choose one of 'FCDecoder', 'LSTMDecoder'. Did you mean 'LSTMDecoder'?"


def test_unknown_name_among_none() -> None:
    assert str(errors.unknown_name("probe", "x", [])) == "probe = 'x': choose one of (none registered)."


def test_nothing_is_suggested_for_a_name_that_is_close_to_none() -> None:
    assert errors.did_you_mean("zzz", ["window_size"]) == ""


def test_missing_extra_gives_the_command_that_installs_it() -> None:
    message = str(errors.MissingExtraError("mujoco", "sim"))
    assert message == "mujoco is not installed. Install it with: pip install 'mobile-vla[sim]'"


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error")])
def test_every_error_is_a_value_error_and_stands_in_the_drawn_tree(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.MobileVLAError)
    assert issubclass(getattr(errors, name), ValueError)
    assert name in (errors.__doc__ or "")
