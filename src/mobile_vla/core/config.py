"""Configuration: JSON with `//` comments, parsed once into frozen typed objects.

Unknown keys are refused with "did you mean"; a wrong value is named together with its rule. No key is ever read with a silent
default below this point. This module does no device probing and knows nothing of robots.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mobile_vla.core.errors import ConfigError, did_you_mean, problem

ConfigT = TypeVar("ConfigT", bound="Config")

# A string literal (kept), or a // comment to the end of its line, or a /* */ comment (both dropped).
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


class Config(BaseModel):
    """Base of every configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def parse_json(text: str, source: str) -> dict[str, Any]:
    """Parse a JSON object that may hold `//` and `/* */` comments and trailing commas.

    Raises:
        ConfigError: naming `source`, line, column and the JSON error, or a key that occurs twice in one object.
    """
    bare = _COMMENT.sub(lambda found: found.group(1) or re.sub(r"[^\n]", " ", found.group(0)), text)
    bare = _TRAILING_COMMA.sub(lambda found: found.group(1) or " ", bare)
    try:
        parsed = json.loads(bare, object_pairs_hook=_without_duplicates)
    except _DuplicateKeyError as error:
        raise ConfigError(f"{source}: the key {error.args[0]!r} occurs twice in one object. Keep one of them.") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}.") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: objects and lists are nested too deeply for a configuration.") from error
    if not isinstance(parsed, dict):
        raise ConfigError(f"{source}: a configuration is a JSON object {{...}}, found {type(parsed).__name__}.")
    return parsed


def load_json(path: Path | str) -> dict[str, Any]:
    """Read the JSON object in `path` (see `parse_json`). Raises ConfigError when it is missing or malformed."""
    path = Path(path)
    if path.is_dir():
        raise ConfigError(problem("config", str(path), "this is a folder", "Name a .json file in it"))
    if not path.is_file():
        near = sorted(str(found) for found in path.parent.glob("*.json")) if path.parent.is_dir() else []
        there = f" Found there: {', '.join(near)}." if near else ""
        raise ConfigError(f"config = {str(path)!r}: no such file (looked at {path.resolve()}).{there}")
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows put a mark in front
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}). Save the file as UTF-8.") from error
    return parse_json(text, str(path))


def apply_overrides(tree: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return `tree` with dotted `key=value` overrides applied; values are JSON where they parse, else strings.

    Raises:
        ConfigError: an override has no `=`, or its path goes through a value that is not an object.
    """
    result: dict[str, Any] = json.loads(json.dumps(tree))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(problem("--set", override, "overrides are written key=value", "For example --set batch_size=2"))
        *parents, leaf = key.split(".")
        node = result
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(problem("--set", override, f"{parent!r} holds a plain value, not an object"))
        try:
            node[leaf] = json.loads(text)
        except json.JSONDecodeError:
            node[leaf] = text
    return result


def build(config_class: type[ConfigT], tree: Mapping[str, Any], source: str) -> ConfigT:
    """Validate `tree` into `config_class`.

    Raises:
        ConfigError: one line per mistake: dotted key, value, rule and, for an unknown key, the closest known one.
    """
    try:
        return config_class.model_validate(dict(tree))
    except ValidationError as error:
        lines = [_explain(config_class, detail) for detail in error.errors()]
        raise ConfigError("\n".join(f"{source}: {line}" for line in lines)) from error


class _DuplicateKeyError(Exception):
    """A key occurs twice in one object: JSON would silently take the last."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _DuplicateKeyError(key)
        result[key] = value
    return result


def _explain(config_class: type[BaseModel], detail: Any) -> str:
    path = [str(part) for part in detail["loc"]]
    key = ".".join(path) or "(whole config)"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(config_class, path[:-1])
        return f"{key} = {detail['input']!r}: unknown key.{did_you_mean(path[-1], known)} Known: {', '.join(known)}."
    if detail["type"] == "missing":
        return f"{key}: this key is required."
    message = str(detail["msg"]).removeprefix("Value error, ")
    return problem(key, detail.get("input"), message[:1].lower() + message[1:])


def _known_keys(config_class: type[BaseModel], path: Sequence[str]) -> list[str]:
    current: type[BaseModel] = config_class
    for part in path:
        field = current.model_fields.get(part)
        annotation = field.annotation if field is not None else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        current = annotation
    return sorted(current.model_fields)
