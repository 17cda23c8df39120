"""Compares a configuration file with the policy that a checkpoint holds.

A checkpoint carries its own configuration, and that one always wins: a file cannot change what a trained network is. So a file
that disagrees is named with both values, not refused; the guide passes the same file beside every checkpoint. Only the policy's
keys are looked at: those of training have no effect here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mobile_vla.core.config import load_json
from mobile_vla.model.policy import PolicyConfig

_CHOOSERS: Final = {"backbone": "model", "act_head": "act_head.type"}
"""Options that mean something only for one choice: where the choice differs, theirs are not worth a word."""


def config_warning(config_path: Path | str, policy: PolicyConfig) -> str | None:
    """Return one line that names each policy key in which `config_path` disagrees with `policy`, with both values, or None.

    Raises:
        ConfigError: the file is missing or not JSON.
    """
    given = dict(_leaves(load_json(config_path)))
    actual = dict(_leaves(_resolved(policy)))
    different = {key: value for key, value in given.items() if key in actual and value != actual[key]}
    shown = [key for key in different if not _follows_from_another(key, different)]
    if not shown:
        return None
    listed = "; ".join(f"{key} is {different[key]!r} there and {actual[key]!r} in the checkpoint" for key in shown)
    return f"{config_path} differs from the checkpoint, whose values are used: {listed}."


def _resolved(policy: PolicyConfig) -> dict[str, Any]:
    """Return all of the policy's values as JSON would hold them, its parts' defaults included."""
    parts = {"backbone": policy.backbone_config(), "act_head": policy.head_config()}
    return {**policy.model_dump(mode="json"), **{name: part.model_dump(mode="json") for name, part in parts.items()}}


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(dotted key, value)` of every value that is not an object."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _follows_from_another(key: str, different: Mapping[str, Any]) -> bool:
    chooser = _CHOOSERS.get(key.partition(".")[0])
    return chooser is not None and chooser != key and chooser in different
