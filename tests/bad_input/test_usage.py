"""Wrong usage is exit status 2 with Typer's words, and every command explains itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from mobile_vla.cli.app import build_app

Cli = Callable[..., Any]


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if hasattr(found, "list_commands"):
            yield from _commands(found, (*path, name))
        else:
            yield (*path, name), found


COMMANDS = dict(_commands(typer.main.get_command(build_app())))


def test_there_are_commands() -> None:
    assert {("train",), ("record",), ("data", "stats"), ("data", "import", "donkeycar")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_is_complete(cli: Cli, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]) -> None:
    """The command, and each of its options and arguments, say what they are."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    shown = cli(*path, "--help")
    assert (shown.code, shown.err) == (0, "")
    command = COMMANDS[path]
    assert (command.help or "").strip().endswith(".")
    for parameter in command.params:
        assert (parameter.help or "").strip(), parameter.name
        if parameter.param_type_name == "option":
            assert max(parameter.opts, key=len) in shown.out
    assert "Traceback" not in shown.out


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_wrong_usage(cli: Cli, path: tuple[str, ...]) -> None:
    result = cli(*path, "--nonsense")
    assert result.code == 2
    assert "No such option: --nonsense" in result.err
    assert f"Usage: mobile-vla {' '.join(path)}" in result.err
    assert f"Try 'mobile-vla {' '.join(path)} --help' for help." in result.err


@pytest.mark.parametrize(
    "path",
    [path for path, command in COMMANDS.items() if any(parameter.required for parameter in command.params)],
    ids=" ".join,
)
def test_what_is_missing_is_wrong_usage(cli: Cli, path: tuple[str, ...]) -> None:
    result = cli(*path)
    assert result.code == 2
    assert "Missing " in result.err
    assert f"Usage: mobile-vla {' '.join(path)}" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trian",), "No such command 'trian'"),
        (("data", "stat"), "No such command 'stat'"),
        (("record", "--out", "x", "--sim", "--episodes", "many"), "Invalid value for '--episodes'"),
        (("record", "--out", "x", "--sim", "--episodes", "0"), "Invalid value for '--episodes'"),
        (("record", "--out", "x", "--sim", "--level", "3"), "Invalid value for '--level'"),
        (("record", "--out", "x"), "--sim"),
        (("record", "--out", "x", "--sim", "--image-size", "big"), "'big' is not HEIGHTxWIDTH in pixels"),
        (("demo", "--without", "smell"), "Invalid value for '--without'"),
        (("data", "stats", "a", "b"), "unexpected extra argument"),
        (("train", "--config"), "Option '--config' requires an argument"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_word_is_wrong_usage(cli: Cli, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    result = cli(*arguments)
    assert result.code == 2
    assert words in result.err
    assert "Traceback" not in result.err


def test_an_unknown_import_format_is_answered_with_the_closest(cli: Cli) -> None:
    message = cli("data", "import", "donkycar", "a", "--out", "b").error()
    assert "import format = 'donkycar': choose one of 'donkeycar'" in message
    assert "Did you mean 'donkeycar'?" in message
