"""Configurations that are missing, malformed or wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_a_wrong_type_names_key_value_and_rule(cli: Cli, config: Path) -> None:
    message = cli("train", "--config", config, "--set", "batch_size=two").error()
    assert message == f"{config}: batch_size = 'two': input should be a valid integer, unable to parse string as an integer."


def test_a_value_out_of_range_and_a_nested_one_are_both_named(cli: Cli, config: Path) -> None:
    wrong = ["--set", "trainer.log_every_n_steps=0", "--set", "learning_rate=-1"]
    message = cli("train", "--config", config, *wrong).error()
    assert f"{config}: learning_rate = -1: input should be greater than 0." in message.splitlines()
    assert f"{config}: trainer.log_every_n_steps = 0: input should be greater than or equal to 1." in message.splitlines()


def test_an_unknown_key_is_answered_with_the_closest_one(cli: Cli, config: Path) -> None:
    message = cli("train", "--config", config, "--set", "lerning_rate=1").error()
    assert message.startswith(f"{config}: lerning_rate = 1: unknown key. Did you mean 'learning_rate'? Known: act_head, ")
    nested = cli("train", "--config", config, "--set", "train_setup.freeze_backbon=true").error()
    assert "train_setup.freeze_backbon = True: unknown key. Did you mean 'freeze_backbone'?" in nested


def test_an_unknown_component_is_answered_with_the_choices(cli: Cli, config: Path) -> None:
    message = cli("train", "--config", config, "--set", "act_head.type=LSTMDecodr").error()
    assert "act_head.type = 'LSTMDecodr': choose one of " in message
    assert "Did you mean 'LSTMDecoder'?" in message


def test_a_missing_file_is_told_with_those_that_are_there(cli: Cli, config: Path) -> None:
    gone = config.with_name("gone.json")
    message = cli("train", "--config", gone).error()
    assert message == f"config = {str(gone)!r}: no such file (looked at {gone}). Found there: {config}."


def test_a_folder_is_no_configuration(cli: Cli, tmp_path: Path) -> None:
    assert cli("train", "--config", tmp_path).error() == (
        f"config = {str(tmp_path)!r}: this is a folder. Name a .json file in it."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{path}, line 1, column 1: not valid JSON: Expecting value."),
        (b"batch_size: 4", "{path}, line 1, column 1: not valid JSON: Expecting value."),
        (b'{"a": 1,\n "b" 2}', "{path}, line 2, column 6: not valid JSON: Expecting ':' delimiter."),
        (b'{"a": 1, "a": 2}', "{path}: the key 'a' occurs twice in one object. Keep one of them."),
        (b"[1, 2]", "{path}: a configuration is a JSON object {{...}}, found list."),
        (b"\xff\xfe{\x00}\x00", "{path}: not UTF-8 (invalid start byte at byte 0). Save the file as UTF-8."),
        (b'{"a":' + b"[" * 100_000, "{path}: objects and lists are nested too deeply for a configuration."),
    ],
    ids=["empty", "yaml", "colon", "twice", "list", "utf-16", "deep"],
)
def test_a_file_that_is_no_json_object_says_where(cli: Cli, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    assert cli("train", "--config", path).error() == message.format(path=path)


def test_nothing_is_written_for_a_wrong_configuration(cli: Cli, config: Path, tmp_path: Path) -> None:
    cli("train", "--config", config, "--set", "window_size=0").error()
    assert not (tmp_path / "run").exists()


def test_debug_shows_where_it_comes_from(cli: Cli, config: Path) -> None:
    shown = cli("--debug", "train", "--config", config, "--set", "batch_size=two")
    assert shown.code == 1
    assert "Traceback (most recent call last)" in shown.err
    assert shown.err.rstrip().endswith("unable to parse string as an integer.")
