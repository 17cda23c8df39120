"""The observation: what a policy gets to see at one moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem
from mobile_vla.task.state import STATE_DIM


@dataclass(frozen=True)
class Observation:
    """One moment as a policy sees it.

    Attributes:
        image: `(H, W, 3)` uint8, RGB.
        instruction: natural language, English or Korean; may be empty.
        state: `(15,)` float32 (see `task.state`), or None when the robot has none.
        stamp_s: monotonic time at which the image was taken, seconds.
    """

    image: NDArray[np.uint8]
    instruction: str
    state: NDArray[np.float32] | None = None
    stamp_s: float = 0.0


def check_image(image: object, where: str = "image") -> None:
    """Check that `image` is `(H, W, 3)` uint8. Raises DataError naming what it is instead and how to convert it."""
    if not isinstance(image, np.ndarray):
        raise DataError(problem(where, type(image).__name__, "an image is a numpy array (H, W, 3) uint8 RGB"))
    if image.dtype != np.uint8:
        remedy = "Scale [0, 1] floats with (image * 255).astype(np.uint8)"
        raise DataError(problem(f"{where}.dtype", str(image.dtype), "images are uint8", remedy))
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        remedy = "Channels come last: use image.transpose(1, 2, 0) for (3, H, W)"
        raise DataError(problem(f"{where}.shape", image.shape, "an image is (H, W, 3), RGB", remedy))


def check_observation(observation: Observation) -> None:
    """Check every field of `observation`. Raises DataError naming field, value, rule and remedy."""
    check_image(observation.image)
    if not isinstance(observation.instruction, str):
        raise DataError(problem("instruction", observation.instruction, "an instruction is a str"))
    if observation.state is not None:
        state = np.asarray(observation.state)
        if state.shape != (STATE_DIM,):
            raise DataError(problem("state.shape", state.shape, f"a state is ({STATE_DIM},)", "Pass None without one"))
        if not np.isfinite(state).all():
            raise DataError(problem("state", state.tolist(), "a state is finite", "Pass None while it is not known"))
    if not np.isfinite(observation.stamp_s):
        raise DataError(problem("stamp_s", observation.stamp_s, "a stamp is a finite monotonic time in seconds"))
