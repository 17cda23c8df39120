"""Where a pretrained model's files come from: a local folder, the hub's local cache, or the hub.

Everything is read from one folder in the layout of `save_pretrained`. A hub that cannot be reached is told at once, with the
remedy.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any, Final

from mobile_vla.core.errors import ConfigError, MissingExtraError, problem

DESCRIPTION: Final = ("*.json", "*.txt", "*.model")
WEIGHTS: Final = ("*.json", "*.safetensors")

_HUB_TIMEOUT_S: Final = 5.0
_NO_HUB: Final = (
    "Download the model where there is a network, and name its folder: --set backbone.path=/folder . "
    "Or train the small policy, which needs none: --config configs/mobile_vla/train_tiny_cpu.json"
)


def transformers() -> Any:
    """Return the package, imported here because it is slow to load. Raises MissingExtraError."""
    try:
        package: Any = importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        raise MissingExtraError("transformers", "hf") from error
    if not sys.stderr.isatty():
        package.utils.logging.disable_progress_bar()  # in a log file, bars are noise
    return package


def model_folder(path: str, patterns: tuple[str, ...]) -> Path:
    """Return the folder that holds the files of `path`, a local folder or a name on the hub, that match `patterns`.

    Raises:
        ConfigError: it is neither, the hub does not answer, or there is no `config.json`.
        MissingExtraError: transformers is not installed.
    """
    transformers()
    folder = Path(path)
    if not folder.is_dir():
        folder = _from_hub(path, patterns)
    if not (folder / "config.json").is_file():
        rule = f"a model's folder holds config.json (looked in {folder.resolve()})"
        raise ConfigError(problem("backbone.path", path, rule, "Name the folder that save_pretrained wrote"))
    return folder


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in `folder / name`. Raises ConfigError when it is missing or malformed."""
    try:
        tree = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(problem("backbone.path", str(folder), f"{name} cannot be read there ({error})")) from error
    return dict(tree)


def _from_hub(path: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        silence = _why_the_hub_is_silent(path)
        only_cache = silence is not None
        return Path(snapshot_download(path, allow_patterns=list(patterns), local_files_only=only_cache))
    except HFValidationError as error:
        rule = f"there is no such folder (looked at {Path(path).resolve()}), and a name on the hub reads owner/name"
        raise ConfigError(problem("backbone.path", path, rule, _NO_HUB)) from error
    except OSError as error:  # of which the hub's own errors are subclasses
        reason = silence or _first_line(error)
        rule = f"no such folder here, not in the hub's cache, and the hub did not give it ({reason})"
        raise ConfigError(problem("backbone.path", path, rule, _NO_HUB)) from error


def _why_the_hub_is_silent(path: str) -> str | None:
    """Return why the hub says nothing about `path`, or None when it answers. The download itself would wait without an end."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        HfApi().model_info(path, timeout=_HUB_TIMEOUT_S)
    except HFValidationError:
        raise
    except Exception as error:  # the HTTP library below, and with it the exceptions, changes between releases
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
