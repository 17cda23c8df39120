"""Configuration: comments, overrides, and messages that name key, value, rule and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, field_validator

from mobile_vla.core.config import Config, apply_overrides, build, load_json, parse_json
from mobile_vla.core.errors import ConfigError


class Inner(Config):
    num_layers: int = Field(4, ge=1)


class Outer(Config):
    task_name: str
    window_size: int = Field(8, ge=1)
    act_head: Inner = Inner()
    scale: float = 1.0

    @field_validator("task_name")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if "/" in value:
            raise ValueError("The name is part of a path: no slash")
        return value


def failure(tree: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        build(Outer, tree, "my.json")
    return str(caught.value)


def test_comments_and_trailing_commas_are_accepted() -> None:
    text = """{
        // Reduce when memory is short
        "batch_size": 2,  // was 4
        /* over
           lines */ "trainer": {"accumulate_grad_batches": 2,},
        "list": [1, 2, ],
    }"""
    assert parse_json(text, "x") == {"batch_size": 2, "trainer": {"accumulate_grad_batches": 2}, "list": [1, 2]}


def test_what_looks_like_a_comment_inside_a_string_stays() -> None:
    text = '{"url": "http://host/*x*/", "quoted": "a \\" // b", "comma": "1,]"}'
    assert parse_json(text, "x") == {"url": "http://host/*x*/", "quoted": 'a " // b', "comma": "1,]"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values))
def test_plain_json_is_read_as_it_is(tree: dict[str, Any]) -> None:
    assert parse_json(json.dumps(tree), "x") == tree
    assert parse_json(json.dumps(tree, ensure_ascii=False, indent=1), "x") == tree


@given(st.dictionaries(st.text(), json_values), st.text().filter(lambda text: "\n" not in text))
def test_a_comment_changes_nothing(tree: dict[str, Any], comment: str) -> None:
    lines = json.dumps(tree, indent=1).split("\n")
    assert parse_json("\n".join(f"{line} // {comment}" for line in lines), "x") == tree


def test_malformed_json_names_file_line_and_column_of_the_original() -> None:
    with pytest.raises(ConfigError, match=r"^train\.json, line 4, column 3: not valid JSON: Expecting ',' delimiter\.$"):
        parse_json('{"a": 1 /* two\nlines */\n\n  "b": 2}', "train.json")


def test_a_key_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^x: the key 'lr' occurs twice in one object\. Keep one of them\.$"):
        parse_json('{"lr": 1, "inner": {"lr": 2, "lr": 3}}', "x")


def test_a_list_is_not_a_configuration() -> None:
    with pytest.raises(ConfigError, match=r"x: a configuration is a JSON object \{\.\.\.\}, found list\."):
        parse_json("[1]", "x")


def test_a_missing_file_is_named_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "train_tiny.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        load_json(tmp_path / "train.json")
    assert "no such file" in str(caught.value)
    assert f"Found there: {tmp_path / 'train_tiny.json'}." in str(caught.value)


def test_a_missing_folder_is_no_crash(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_json(tmp_path / "nowhere" / "train.json")


def test_korean_in_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "ko.json").write_text('{"instruction": "왼쪽으로"}', encoding="utf-8")
    assert load_json(tmp_path / "ko.json") == {"instruction": "왼쪽으로"}


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "bom.json").write_text('{"a": 1}', encoding="utf-8-sig")
    assert load_json(tmp_path / "bom.json") == {"a": 1}


def test_a_file_that_is_not_utf8_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "cp949.json").write_bytes('{"instruction": "왼쪽"}'.encode("cp949"))
    with pytest.raises(ConfigError, match=r"cp949\.json.*UTF-8"):
        load_json(tmp_path / "cp949.json")


def test_an_unknown_key_is_refused_with_the_closest_known_one() -> None:
    message = failure({"task_name": "t", "windw_size": 4})
    assert message.startswith("my.json: windw_size = 4: unknown key. Did you mean 'window_size'?")
    assert "Known: act_head, scale, task_name, window_size." in message


def test_an_unknown_nested_key_is_named_with_its_path() -> None:
    message = failure({"task_name": "t", "act_head": {"num_layer": 4}})
    assert message == "my.json: act_head.num_layer = 4: unknown key. Did you mean 'num_layers'? Known: num_layers."


def test_a_missing_key_a_wrong_type_and_a_broken_rule_are_one_line_each() -> None:
    lines = failure({"window_size": 0, "act_head": {"num_layers": "many"}}).split("\n")
    assert lines[0] == "my.json: task_name: this key is required."
    assert lines[1] == "my.json: window_size = 0: input should be greater than or equal to 1."
    assert lines[2].startswith("my.json: act_head.num_layers = 'many': input should be a valid integer")


def test_our_own_rule_reads_like_the_others() -> None:
    assert failure({"task_name": "a/b"}) == "my.json: task_name = 'a/b': the name is part of a path: no slash."


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_may_be_nan_or_infinite(value: float) -> None:
    assert "scale" in failure({"task_name": "t", "scale": value})


def test_a_configuration_cannot_be_changed() -> None:
    config = build(Outer, {"task_name": "t"}, "x")
    with pytest.raises(ValidationError, match="frozen"):
        config.window_size = 3  # type: ignore[misc]


def test_overrides_reach_nested_keys_and_make_the_missing_ones() -> None:
    tree = {"a": {"b": 1}}
    assert apply_overrides(tree, ["a.b=2", "a.c=true", "d.e.f=x", 'g="1"', "h=[1,2]", "i=a=b", "j="]) == {
        "a": {"b": 2, "c": True},
        "d": {"e": {"f": "x"}},
        "g": "1",
        "h": [1, 2],
        "i": "a=b",
        "j": "",
    }
    assert tree == {"a": {"b": 1}}, "the original is left alone"


@pytest.mark.parametrize("override", ["batch_size", "=3", ""])
def test_an_override_without_key_or_value_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match=r"overrides are written key=value\. For example --set batch_size=2\."):
        apply_overrides({}, [override])


def test_an_override_through_a_plain_value_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--set = 'a\.b\.c=1': 'b' holds a plain value, not an object\."):
        apply_overrides({"a": {"b": 3}}, ["a.b.c=1"])


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: "." not in key and "=" not in key), json_values, max_size=4))
def test_overriding_an_empty_tree_with_every_value_builds_the_tree(tree: dict[str, Any]) -> None:
    assert apply_overrides({}, [f"{key}={json.dumps(value)}" for key, value in tree.items()]) == tree
