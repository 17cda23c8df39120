"""`mobile-vla inspect`: what a checkpoint says about itself, or how large a configured model is, without its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def inspect(
    checkpoint: Annotated[Path | None, typer.Argument(help="A checkpoint.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="A training configuration instead.", show_default=False)] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the configuration.")
    ] = None,
) -> None:
    """Print where a checkpoint comes from and what it expects; or, with --config, the size of the model that it describes."""
    from mobile_vla.core.errors import ConfigError

    if (checkpoint is None) == (config is None):
        raise ConfigError("mobile-vla inspect: name either a checkpoint or --config FILE.")
    lines = checkpoint_lines(checkpoint) if checkpoint is not None else model_lines(Path(str(config)), overrides or [])
    print("\n".join(lines))


def checkpoint_lines(path: Path) -> list[str]:
    """Return what the checkpoint in `path` says, for people. Raises CheckpointError when it is none."""
    from mobile_vla.core.errors import CheckpointError, problem
    from mobile_vla.model.checkpoint import read_payload

    tree = read_payload(path)
    try:
        return _checkpoint_lines(path, tree)
    except (LookupError, TypeError, AttributeError) as error:
        rule = f"it does not say what a checkpoint says ({type(error).__name__}: {error})"
        raise CheckpointError(problem("checkpoint", str(path), rule, "Use the version of mobile-vla that wrote it")) from error


def _checkpoint_lines(path: Path, tree: dict[str, Any]) -> list[str]:
    preprocess = {**tree["preprocessor"]["config"], **_tokenizer(tree["preprocessor"]["tokenizer"])}
    lines = [f"Checkpoint: {path} ({path.stat().st_size / 1e6:.1f} MB, format {tree['format_version']})"]
    lines += _section("Provenance", {key: value for key, value in tree["provenance"].items() if key != "config"})
    lines += _section("Policy", {key: value for key, value in tree["policy_config"].items() if key != "preprocess"})
    if tree["backbone"]:
        lines += _section("Backbone", {"model_type": tree["backbone"].get("hf_config", {}).get("model_type")})
    lines += _section("Preprocessing", preprocess)
    lines += _section("Action space", _action_space(tree))
    return lines


def model_lines(path: Path, overrides: list[str]) -> list[str]:
    """Return the guide's three lines about the model that the configuration in `path` describes. Raises ConfigError."""
    from mobile_vla.model.policy import outline_policy
    from mobile_vla.training.config import load_train_config

    config = load_train_config(path, overrides)
    policy = outline_policy(config.policy_config())
    policy.freeze(config.train_setup.freeze_backbone, config.train_setup.train_vision)
    return policy.description()


def _action_space(tree: dict[str, Any]) -> dict[str, Any]:
    from mobile_vla.task.actions import ACTION_NAMES, ActionType

    low, high = tree["normaliser"]["low"], tree["normaliser"]["high"]
    units = ("m/s", "m/s", "rad/s")
    axes = {
        name: f"[{one:g}, {other:g}] {unit}" for name, one, other, unit in zip(ACTION_NAMES, low, high, units, strict=False)
    }
    chunk = tree["policy_config"]["fwd_pred_next_n"]
    kinds = ", ".join(f"{kind.value} {kind.name.lower()}" for kind in ActionType)
    return {**axes, "action_type": kinds, "chunk": f"{chunk} x 4 at {tree['policy_config']['rate_hz']:g} Hz"}


def _tokenizer(tree: dict[str, Any]) -> dict[str, Any]:
    inner = tree.get("pretrained", tree)
    origin = "pretrained" if "pretrained" in tree else "built-in"
    return {"tokenizer": f"{origin} {inner['model']['type']}, {len(inner['model']['vocab'])} pieces"}


def _section(title: str, values: dict[str, Any]) -> list[str]:
    return ["", f"{title}:", *(f"  {key}: {_plain(value)}" for key, value in values.items())]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
