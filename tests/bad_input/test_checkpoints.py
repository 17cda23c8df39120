"""Checkpoints that are cut short, of something else, of another shape or of a newer format, or that would run code."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobile_vla.core.errors import CheckpointError
from mobile_vla.model.checkpoint import load_policy

Cli = Callable[..., Any]

UNREADABLE = "not a readable checkpoint; the file may be truncated or something else"


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Path:
    """A copy of a good checkpoint, to be spoiled."""
    return Path(shutil.copy(trained, tmp_path / "policy.ckpt"))


@pytest.fixture(params=["infer", "inspect", "evaluate", "open-loop", "resume", "init-from"])
def use(request: pytest.FixtureRequest, cli: Cli, config: Path, tmp_path: Path) -> Callable[[Path], Any]:
    """Every way to use a checkpoint, as a function of its path."""
    if request.param == "inspect":
        return lambda path: cli("inspect", path)
    if request.param in ("resume", "init-from"):
        return lambda path: cli("train", "--config", config, f"--{request.param}", path)
    if request.param == "evaluate":
        return lambda path: cli("evaluate", "--checkpoint", path, "-n", 1, "--workers", 0, "--out", tmp_path / "report")
    return lambda path: cli(request.param, "--checkpoint", path)


def _cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


BROKEN: dict[str, Callable[[Path], Any]] = {
    "cut in half": lambda path: _cut(path, 0.5),
    "cut at the end": lambda path: _cut(path, 0.99),
    "empty": lambda path: _cut(path, 0),
    "text": lambda path: path.write_text("this is not a checkpoint\n"),
    "json": lambda path: path.write_text("{}"),
    "a zip archive": lambda path: zipfile.ZipFile(path, "w").close(),
    "a bare pickle": lambda path: path.write_bytes(pickle.dumps({"state_dict": {}})),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_no_checkpoint_is_told(use: Callable[[Path], Any], checkpoint: Path, tmp_path: Path, what: str) -> None:
    BROKEN[what](checkpoint)
    message = use(checkpoint).error()
    assert f"checkpoint = {str(checkpoint)!r}: " in message
    assert UNREADABLE in message or "a checkpoint of Mobile VLA holds" in message
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "report").exists()


def test_a_missing_file_is_told_with_those_that_are_there(use: Callable[[Path], Any], checkpoint: Path) -> None:
    gone = checkpoint.with_name("gone.ckpt")
    message = use(gone).error()
    assert f"= {str(gone)!r}: no such file (looked at {gone}). Found there: {checkpoint}." in message


def test_another_programs_checkpoint_is_told(use: Callable[[Path], Any], checkpoint: Path) -> None:
    torch.save({"state_dict": {"weight": torch.zeros(2)}, "epoch": 3}, checkpoint)
    message = use(checkpoint).error()
    assert "a checkpoint of Mobile VLA holds 'mobile_vla' and 'state_dict'. Was it written by another program?" in message


def test_a_newer_format_is_told(use: Callable[[Path], Any], checkpoint: Path) -> None:
    _edit(checkpoint, lambda payload: payload.update(format_version=99))
    message = use(checkpoint).error()
    assert "its format_version is 99, this program reads 1. Use the version of mobile-vla that wrote it." in message


def test_tensors_of_another_shape_are_named_with_both_shapes(cli: Cli, checkpoint: Path) -> None:
    stored = torch.load(checkpoint, weights_only=True)
    name = next(name for name in stored["state_dict"] if stored["state_dict"][name].ndim == 2)
    rows, columns = stored["state_dict"][name].shape
    stored["state_dict"][name] = torch.zeros(rows + 1, columns)
    torch.save(stored, checkpoint)
    message = cli("infer", "--checkpoint", checkpoint).error()
    short = name.removeprefix("policy.")
    assert "its parameters do not fit its config: " in message
    assert f"{short}: the checkpoint has {(rows + 1, columns)}, the policy needs {(rows, columns)}" in message


def test_a_missing_tensor_is_never_made_up(cli: Cli, checkpoint: Path) -> None:
    stored = torch.load(checkpoint, weights_only=True)
    name = next(name for name in stored["state_dict"] if ".head." in name)
    del stored["state_dict"][name]
    torch.save(stored, checkpoint)
    message = cli("infer", "--checkpoint", checkpoint).error()
    assert f"{name.removeprefix('policy.')}: the checkpoint has none, the policy needs " in message


def test_another_number_of_outputs_is_refused(cli: Cli, config: Path, checkpoint: Path, tmp_path: Path) -> None:
    """Nine classes are never silently cut to six."""
    for option in ("--init-from", "--resume"):
        message = cli("train", "--config", config, "--set", "fwd_pred_next_n=3", option, checkpoint).error()
        assert "its policy differs from the config in fwd_pred_next_n (checkpoint 1, config 3)" in message
        assert message.endswith("Make the config agree, or train from the start.")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key", ["policy_config", "preprocessor", "normaliser", "provenance"])
def test_a_payload_without_one_of_its_parts_is_told(cli: Cli, checkpoint: Path, key: str) -> None:
    _edit(checkpoint, lambda payload: payload.pop(key))
    assert f"checkpoint = {str(checkpoint)!r}: its 'mobile_vla' holds [" in cli("infer", "--checkpoint", checkpoint).error()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(["policy_config", "preprocessor", "normaliser"], [None, 3, "text", [], {}, {"unknown": 1}]),
        *itertools.product(["provenance"], [None, 3, "text", []]),
    ],
)
def test_a_part_of_the_payload_that_is_something_else_is_told(cli: Cli, checkpoint: Path, key: str, value: Any) -> None:
    _edit(checkpoint, lambda payload: payload.update({key: value}))
    for use in (("infer", "--checkpoint"), ("inspect",)):
        result = cli(*use, checkpoint)
        if use[0] == "infer" or result.code:
            assert str(checkpoint) in result.error()


class _Bomb:
    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._target),)


@pytest.mark.parametrize("where", ["bare", "archive", "tensors"])
def test_a_malicious_pickle_never_runs(use: Callable[[Path], Any], checkpoint: Path, tmp_path: Path, where: str) -> None:
    mark = tmp_path / "it_ran"
    bomb = _Bomb(mark)
    if where == "bare":
        checkpoint.write_bytes(pickle.dumps({"state_dict": {}, "mobile_vla": bomb}))
    elif where == "archive":
        torch.save({"state_dict": {}, "mobile_vla": bomb}, checkpoint)
    else:
        stored = torch.load(checkpoint, weights_only=True)
        torch.save({**stored, "callbacks": {"x": bomb}}, checkpoint)
    assert not mark.exists()
    assert UNREADABLE in use(checkpoint).error()
    assert not mark.exists()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.lists(st.tuples(st.integers(0, 4095) | st.integers(-9000, 1_000_000), st.integers(0, 255)), max_size=8),
    cut=st.floats(0, 1) | st.none(),
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damage_anywhere_gives_a_policy_or_our_error(
    trained: Path, tmp_path: Path, damage: list[tuple[int, int]], cut: float | None
) -> None:
    content = bytearray(trained.read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(content if cut is None else content[: int(cut * len(content))])
    assert _loads_or_is_named(path)


def _loads_or_is_named(path: Path) -> bool:
    try:
        return load_policy(path).path == path
    except CheckpointError as error:
        return str(path) in str(error)


def _edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    stored = torch.load(path, weights_only=True)
    payload = json.loads(stored["mobile_vla"])
    change(payload)
    torch.save({**stored, "mobile_vla": json.dumps(payload)}, path)
