"""`mobile-vla train`: parse, call `training.run.train`, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("configs/mobile_vla/train_mobile_vla_full_ft.json")


def train(
    config: Annotated[Path, typer.Option(help="The training configuration, JSON (comments allowed).")] = DEFAULT_CONFIG,
    test: Annotated[bool, typer.Option("--test", help="10 batches only, in a folder of their own.")] = False,
    resume: Annotated[Path | None, typer.Option(help="Continue this checkpoint exactly where it stood.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="The folder with the .h5 episodes.")] = None,
    init_from: Annotated[Path | None, typer.Option(help="Start from this checkpoint's weights, with a new schedule.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, for example batch_size=2.")
    ] = None,
) -> None:
    """Train a policy on recorded episodes."""
    from mobile_vla.training.config import load_train_config
    from mobile_vla.training.run import train as run_training

    loaded = load_train_config(config, overrides or (), data_dir)
    run_training(loaded, resume=resume, init_from=init_from, test_mode=test)
