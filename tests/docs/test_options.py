"""Every command, option and configuration key that a page names exists, and the guide's own commands all stand in ours."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from typing import Any

import click
import typer

from mobile_vla.cli.app import build_app
from mobile_vla.core.config import Config
from mobile_vla.training.config import TrainConfig

SCRIPTS = {"./scripts/run_mobile_vla_train.sh": "train", "./scripts/run_mobile_vla_inference.sh": "infer"}
PIP_AND_APT = {"--extra-index-url"}

GUIDES = (
    "pip install -r requirements.txt",
    "pip install -e .",
    "./scripts/run_mobile_vla_train.sh --test",
    "./scripts/run_mobile_vla_train.sh",
    "tensorboard --logdir runs/mobile_vla/logs",
    "./scripts/run_mobile_vla_train.sh --resume runs/mobile_vla/checkpoints/mobile_vla-epoch=10-val_loss=0.1234.ckpt",
    "ls -lh runs/mobile_vla/checkpoints/",
    "./scripts/run_mobile_vla_inference.sh --checkpoint runs/mobile_vla/checkpoints/mobile_vla-best.ckpt --device cuda",
)
"""What readers of the guide paste."""

GUIDES_PYTHON = """\
inference = MobileVLAInference(
    checkpoint_path='runs/mobile_vla/checkpoints/mobile_vla-best.ckpt',
    config_path='configs/mobile_vla/train_mobile_vla_full_ft.json',
    device='cuda'
)
image = np.random.randint(0, 255, (480, 640, 3), dtype=np.uint8)
instruction = "Navigate around obstacles"
result = inference.predict(image, instruction)
print(f"Action: {result['action']}")
"""

ROOT_COMMAND = typer.main.get_command(build_app())


def test_each_option_of_a_command_exists(line: list[str]) -> None:
    words = _as_ours(line)
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in _options(_command(words))]
    assert not unknown


def test_each_key_that_a_command_sets_exists(line: list[str]) -> None:
    keys = [value.partition("=")[0] for flag, value in pairwise(line) if flag == "--set"]
    assert all(_is_key(key) for key in keys), keys


def test_commands_and_options_in_the_text_exist(page: Any) -> None:
    known = _all_options(ROOT_COMMAND) | PIP_AND_APT
    for span in page.spans:
        if span.startswith("mobile-vla "):
            words = _as_ours(shlex.split(span))
            unknown = [word for word in words if word.startswith("--") and word not in _options(_command(words))]
            assert not unknown, span
        elif span.startswith("--set ") and span != "--set key=value":
            assert _is_key(span.removeprefix("--set ").partition("=")[0]), span
        elif re.fullmatch(r"--[\w-]+.*", span):
            assert span.split()[0] in known, span


def test_the_guides_commands_all_stand_in_ours(guides: list[Any]) -> None:
    for page in guides:
        lines = {line for block in page.blocks if block.language == "bash" for line in block.text.splitlines()}
        assert not set(GUIDES) - lines
        assert any(GUIDES_PYTHON in block.text for block in page.blocks if block.language == "python")


def test_an_option_that_does_not_exist_is_found() -> None:
    assert "--no-such-option" not in _options(_command(["train"]))
    assert "--init-from" in _options(_command(["train"]))
    assert not _is_key("trainer.no_such_key")
    assert _is_key("backbone.path")


def _as_ours(line: list[str]) -> list[str]:
    """The words after `mobile-vla`, of which a script is only another spelling."""
    return line[1:] if line[0] == "mobile-vla" else [SCRIPTS[line[0]], *line[1:]]


def _command(words: list[str]) -> Any:
    """The innermost command that `words` name."""
    command: Any = ROOT_COMMAND
    for word in words:
        if not hasattr(command, "get_command"):
            break
        command = command.get_command(click.Context(command), word)
        assert command is not None, f"mobile-vla {' '.join(words)}: there is no command {word!r}"
    return command


def _options(command: Any) -> set[str]:
    return {"--help", *(flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts))}


def _all_options(command: Any) -> set[str]:
    inner = command.commands.values() if hasattr(command, "commands") else ()
    return _options(command).union(*map(_all_options, inner))


def _is_key(key: str) -> bool:
    current: Any = TrainConfig
    for part in key.split("."):
        if current is dict:
            return True  # options of a backbone or a head; what they are is tested where the tables are
        if part not in current.model_fields:
            return False
        annotation = current.model_fields[part].annotation
        current = annotation if isinstance(annotation, type) and issubclass(annotation, Config) else dict
    return True
