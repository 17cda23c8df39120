"""`mobile-vla infer`: one prediction of a trained policy, with the lines that the guide promises.

Standard output holds the guide's lines alone; everything else that is worth knowing goes to standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobile_vla.task.instructions import NEUTRAL

if TYPE_CHECKING:
    from mobile_vla.deploy.inference import ImageLike, MobileVLAInference

_TEST_IMAGE_SHAPE = (480, 640, 3)


def infer(
    checkpoint: Annotated[
        Path | None, typer.Option(help="The policy. Default: the newest one below runs/.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A training configuration to compare with the checkpoint's own.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "auto",
    image: Annotated[Path | None, typer.Option(help="A picture. Default: random pixels.", show_default=False)] = None,
    instruction: Annotated[str, typer.Option(help="What the robot is told, in English or Korean.")] = NEUTRAL,
    ros2: Annotated[bool, typer.Option("--ros2", help="Drive a robot through ROS 2 (not part of this version).")] = False,
) -> None:
    """Run a trained policy on one picture, without ROS 2."""
    from mobile_vla.core.errors import ConfigError

    if ros2:
        raise ConfigError("--ros2: the ROS 2 node is not part of this version of Mobile VLA.")
    inference = _load(checkpoint, config, device)
    print("Mobile VLA Inference initialized")
    print(f"Device: {inference.device}")
    print(f"Window size: {inference.window_size}")
    print("Running in test mode (no ROS2)")
    _predict(inference, _picture(image), instruction)


def _load(checkpoint: Path | None, config: Path | None, device: str) -> MobileVLAInference:
    from mobile_vla.deploy.inference import MobileVLAInference
    from mobile_vla.deploy.inference_config import config_warning
    from mobile_vla.deploy.newest_checkpoint import newest_checkpoint

    if checkpoint is None:
        checkpoint = newest_checkpoint()
        _note(f"Checkpoint: {checkpoint} (the newest; --checkpoint takes another)")
    inference = MobileVLAInference(checkpoint, device=device)
    warning = None if config is None else config_warning(config, inference.config)
    if warning is not None:
        _note(f"Warning: {warning}")
    return inference


def _picture(image: Path | None) -> ImageLike:
    if image is not None:
        return image
    import numpy as np

    _note("Image: random pixels, so the action only shows that everything works. --image takes a picture.")
    return np.random.default_rng(0).integers(0, 256, _TEST_IMAGE_SHAPE, dtype=np.uint8)


def _predict(inference: MobileVLAInference, image: ImageLike, instruction: str) -> None:
    inference.warm_up()
    result = inference.predict(image, instruction)
    print(f"Predicted action: {[round(value, 4) + 0.0 for value in result['action']]}")  # + 0.0: no -0.0
    print(f"Action chunk shape: {result['chunk'].shape}")
    parts = ", ".join(f"{name.removesuffix('_ms')} {value:.1f}" for name, value in result["latency"].items())
    _note(f"Latency: {result['latency_ms']:.1f} ms ({parts}), after one prediction to warm up")


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
