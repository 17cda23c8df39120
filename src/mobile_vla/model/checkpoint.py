"""Checkpoints: one file that holds everything a robot needs.

A checkpoint is a Lightning `.ckpt`: a dictionary with `state_dict` (the policy's tensors under `policy.`) and `mobile_vla`, a
JSON string with the policy's config, preprocessor, backbone blueprint, action normaliser and provenance. Files are read with
`weights_only=True`, so loading one never runs code from it; every mismatch is an error, never a silent re-initialisation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from mobile_vla.core.atomic import atomic_path
from mobile_vla.core.config import build
from mobile_vla.core.errors import CheckpointError, ConfigError, MobileVLAError, problem
from mobile_vla.model.policy import PolicyConfig, VLAPolicy
from mobile_vla.model.preprocess import Preprocessor
from mobile_vla.task.normalisation import ActionNormaliser

FORMAT_VERSION: Final = 1
PAYLOAD_KEY: Final = "mobile_vla"
STATE_PREFIX: Final = "policy."

_PAYLOAD_KEYS: Final = {"format_version", "policy_config", "preprocessor", "backbone", "normaliser", "provenance"}
_SHOWN_MISMATCHES: Final = 8
_WROTE_IT: Final = "Use the version of mobile-vla that wrote it"


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy read from a file.

    Attributes:
        policy: in evaluation mode, on the device asked for.
        provenance: where it comes from: git commit, data and split hashes, task_name, metrics.
        path: the file.
    """

    policy: VLAPolicy
    provenance: dict[str, Any]
    path: Path


def policy_payload(policy: VLAPolicy, provenance: Mapping[str, Any]) -> str:
    """Return the JSON string that a checkpoint stores under `mobile_vla`.

    Raises:
        CheckpointError: `provenance` holds something that JSON cannot.
    """
    tree = {
        "format_version": FORMAT_VERSION,
        "policy_config": policy.config.model_dump(mode="json"),
        "preprocessor": json.loads(policy.preprocessor.to_json()),
        "backbone": policy.blueprint,
        "normaliser": policy.normaliser.to_dict(),
        "provenance": dict(provenance),
    }
    try:
        return json.dumps(tree, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckpointError(problem("provenance", dict(provenance), f"provenance is plain JSON ({error})")) from error


def save_policy(policy: VLAPolicy, path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Write `policy` without optimiser state to `path`, atomically. Raises OSError when the disk refuses."""
    tensors = {STATE_PREFIX + name: tensor for name, tensor in policy.state_dict().items()}
    checkpoint = {"state_dict": tensors, PAYLOAD_KEY: policy_payload(policy, provenance)}
    write_checkpoint(checkpoint, path)


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path | str) -> None:
    """Write a dictionary of tensors and plain values to `path`: whole, or not at all.

    Raises:
        OSError: the disk refuses; the older file then stays.
    """
    with atomic_path(path) as partial, partial.open("wb") as file:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:  # torch covers what the system said with a remark on its own positions
            reason = error.__context__
            raise reason if isinstance(reason, OSError) else error from None


def load_policy(path: Path | str, device: str | torch.device = "cpu") -> LoadedPolicy:
    """Return the policy in `path`, in evaluation mode on `device`.

    Raises:
        CheckpointError: the file is missing, truncated, no checkpoint of ours, or does not fit the policy of its own config.
        ConfigError: `device` does not exist here.
    """
    path = Path(path)
    target = checked_device(device)
    checkpoint = _read(path)
    tree = _payload(checkpoint, path)
    policy = _rebuild(tree, path)
    _load_tensors(policy, checkpoint["state_dict"], path)
    return LoadedPolicy(policy.to(target).eval(), dict(tree["provenance"]), path)


def read_payload(path: Path | str) -> dict[str, Any]:
    """Return what the checkpoint in `path` says about itself, without building its policy.

    The keys: `format_version`, `policy_config`, `preprocessor`, `backbone`, `normaliser`, `provenance`. Raises CheckpointError.
    """
    path = Path(path)
    return _payload(_read(path), path)


def checked_device(device: str | torch.device) -> torch.device:
    """Return `device` once it is known to work. Raises ConfigError naming it and the remedy."""
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]  # torch goes on for pages
        raise ConfigError(problem("device", str(device), f"not usable here ({reason})", "Use 'cpu'")) from error
    return target


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        near = sorted(str(found) for found in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
        remedy = f"Found there: {', '.join(near)}" if near else "Train one first, or correct the path"
        raise CheckpointError(problem("checkpoint", str(path), f"no such file (looked at {path.resolve()})", remedy))
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except PermissionError:
        raise
    except Exception as error:  # damaged bytes can fail anywhere in the unpickler
        rule = f"not a readable checkpoint; the file may be truncated or something else ({type(error).__name__})"
        raise CheckpointError(problem("checkpoint", str(path), rule, "Copy it again, or use mobile_vla-last.ckpt")) from error
    if not isinstance(checkpoint, dict) or PAYLOAD_KEY not in checkpoint or not isinstance(checkpoint.get("state_dict"), dict):
        rule = f"a checkpoint of Mobile VLA holds {PAYLOAD_KEY!r} and 'state_dict'"
        raise CheckpointError(problem("checkpoint", str(path), rule, "Was it written by another program?"))
    return checkpoint


def _payload(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(checkpoint[PAYLOAD_KEY])
    except (json.JSONDecodeError, TypeError) as error:
        raise CheckpointError(problem("checkpoint", str(path), f"its {PAYLOAD_KEY!r} is not JSON")) from error
    version = tree.get("format_version") if isinstance(tree, dict) else None
    if version != FORMAT_VERSION:
        rule = f"its format_version is {version!r}, this program reads {FORMAT_VERSION}"
        raise CheckpointError(problem("checkpoint", str(path), rule, _WROTE_IT))
    if set(tree) != _PAYLOAD_KEYS:
        rule = f"its {PAYLOAD_KEY!r} holds {sorted(tree)}, expected {sorted(_PAYLOAD_KEYS)}"
        raise CheckpointError(problem("checkpoint", str(path), rule))
    for key in sorted(_PAYLOAD_KEYS - {"format_version", "backbone"}):
        if not isinstance(tree[key], dict):
            raise CheckpointError(problem(f"checkpoint {str(path)!r}: {key}", tree[key], "an object", _WROTE_IT))
    return dict(tree)


def _rebuild(tree: Mapping[str, Any], path: Path) -> VLAPolicy:
    try:
        config = build(PolicyConfig, tree["policy_config"], str(path))
        preprocessor = Preprocessor.from_json(json.dumps(tree["preprocessor"]))
        return VLAPolicy(config, preprocessor, ActionNormaliser.from_dict(tree["normaliser"]), tree["backbone"])
    except MobileVLAError as error:
        raise CheckpointError(f"checkpoint = {str(path)!r}: its policy cannot be built here. {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        rule = f"its policy cannot be built here ({type(error).__name__}: {error})"
        raise CheckpointError(problem("checkpoint", str(path), rule, _WROTE_IT)) from error


def _load_tensors(policy: VLAPolicy, stored: Mapping[str, Tensor], path: Path) -> None:
    found = {name.removeprefix(STATE_PREFIX): tensor for name, tensor in stored.items() if name.startswith(STATE_PREFIX)}
    wanted = policy.state_dict()
    mistakes = [
        f"{name}: the checkpoint has {_shape(found, name)}, the policy needs {_shape(wanted, name)}"
        for name in sorted(found.keys() | wanted.keys())
        if _shape(found, name) != _shape(wanted, name)
    ]
    if mistakes:
        more = f"; and {len(mistakes) - _SHOWN_MISMATCHES} more" if len(mistakes) > _SHOWN_MISMATCHES else ""
        listed = "; ".join(mistakes[:_SHOWN_MISMATCHES])
        raise CheckpointError(f"checkpoint = {str(path)!r}: its parameters do not fit its config: {listed}{more}.")
    policy.load_state_dict(found, strict=True)


def _shape(tensors: Mapping[str, Tensor], name: str) -> str:
    return str(tuple(tensors[name].shape)) if name in tensors else "none"
