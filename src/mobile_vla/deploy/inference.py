"""The guide's Python interface: a checkpoint, a picture and an instruction in, an action out.

One `MobileVLAInference` is one live stream: it remembers the last frames, as the policy was trained to. It knows nothing of
robots; what is safe to drive is decided by whoever drives.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from mobile_vla.core.errors import CheckpointError, ConfigError, DataError, problem
from mobile_vla.deploy.inference_config import config_warning
from mobile_vla.deploy.inference_image import rgb_image
from mobile_vla.deploy.session import InferenceSession
from mobile_vla.model.checkpoint import checked_device
from mobile_vla.model.policy import PolicyConfig
from mobile_vla.task.actions import VELOCITY_DIM, ActionType
from mobile_vla.task.observation import Observation, check_observation

ImageLike = NDArray[np.uint8] | Image.Image | Path | str


class Latency(TypedDict):
    """Where the time of one prediction went, in milliseconds.

    Attributes:
        preprocess_ms: decoding, checking and resizing the picture, tokenising the instruction.
        model_ms: to the device, through the network, and back as an action in physical units.
        postprocess_ms: putting the result together.
    """

    preprocess_ms: float
    model_ms: float
    postprocess_ms: float


class Prediction(TypedDict):
    """What `predict` returns. `K` is the policy's chunk length (`fwd_pred_next_n`).

    Attributes:
        action: linear_x m/s, linear_y m/s, angular_z rad/s, action_type 0..3: the first step of the chunk, exactly.
        action_type: `move`, `rotate`, `stop` or `special`.
        chunk: `(K, 4)` float32, columns as in `action`.
        latency_ms: wall time of the whole call.
        latency: its parts; they add up to `latency_ms`.
        window_full: whether `window_size` frames have been seen since the stream began; before that the policy knows less
            than it could.
    """

    action: list[float]
    action_type: str
    chunk: NDArray[np.float32]
    latency_ms: float
    latency: Latency
    window_full: bool


class MobileVLAInference:
    """A trained policy, ready to be asked.

    Args:
        checkpoint_path: a checkpoint of Mobile VLA; it carries its own configuration.
        config_path: optional. Nothing is taken from it; where it disagrees with the checkpoint in a policy key, a UserWarning
            names both values (see `inference_config`).
        device: `cpu`, `cuda` (or `cuda:1`, ...), or `auto`: a GPU where there is one. A device that is asked for by name is
            never replaced by another.

    Raises:
        CheckpointError: the checkpoint is missing, unreadable or does not fit.
        ConfigError: the device is not usable here, or the configuration is missing or not JSON.
    """

    def __init__(self, checkpoint_path: Path | str, config_path: Path | str | None = None, device: str = "auto") -> None:
        self._session = InferenceSession.load(checkpoint_path, resolve_device(device))
        self._instruction: str | None = None
        self._frames = 0
        warning = None if config_path is None else config_warning(config_path, self.config)
        if warning is not None:
            warnings.warn(warning, UserWarning, stacklevel=2)

    @property
    def config(self) -> PolicyConfig:
        """The policy's configuration, from the checkpoint."""
        return self._session.config

    @property
    def device(self) -> str:
        """The device in use, for example `cpu` or `cuda`."""
        return str(self._session.device)

    @property
    def window_size(self) -> int:
        """How many frames the policy remembers."""
        return self.config.window_size

    def reset(self) -> None:
        """Forget the frames seen so far: a new drive begins."""
        self._session.reset()
        self._instruction = None
        self._frames = 0

    def warm_up(self) -> None:
        """Predict once on a grey picture and forget it, so that the first real prediction is as fast as the others."""
        self.predict(np.full((*self.config.preprocess.image_size, 3), 128, dtype=np.uint8), "")
        self.reset()

    def predict(self, image: ImageLike, instruction: str, state: ArrayLike | None = None, *, bgr: bool = False) -> Prediction:
        """Return the action for the newest `image` of the stream.

        Every call adds its image to the window, so call it at the policy's rate (`config.rate_hz`). A changed instruction
        starts a new window.

        Args:
            image: `(H, W, 3)` uint8 RGB array of any size, a Pillow image, or the path of an image file.
            instruction: English or Korean; may be empty.
            state: `(15,)` (see `task.state`), or None; a policy that was trained without states does not look at it.
            bgr: the array's channels are blue, green, red, as OpenCV reads them.

        Raises:
            DataError: an argument breaks its rule; the stream is as it was.
            CheckpointError: the policy computed NaN or infinity; the stream has been reset.
        """
        began = time.perf_counter()
        observation = self._observe(image, instruction, state, bgr)
        prepared = time.perf_counter()
        chunk = self._advance(observation)
        predicted = time.perf_counter()
        action, kind = _plain(chunk[0]), ActionType(int(chunk[0, VELOCITY_DIM])).name.lower()
        done = time.perf_counter()
        return Prediction(
            action=action,
            action_type=kind,
            chunk=chunk,
            latency_ms=1e3 * (done - began),
            latency=Latency(
                preprocess_ms=1e3 * (prepared - began),
                model_ms=1e3 * (predicted - prepared),
                postprocess_ms=1e3 * (done - predicted),
            ),
            window_full=self._frames >= self.window_size,
        )

    def _observe(self, image: ImageLike, instruction: str, state: ArrayLike | None, bgr: bool) -> Observation:
        """Return the checked observation; its image has the policy's size, so that the session does not resize it again."""
        preprocessor = self._session.policy.preprocessor
        rgb = rgb_image(image, bgr)
        preprocessor.encode(instruction)  # the session finds the tokens in its cache
        observation = Observation(preprocessor.resize(rgb[None])[0], instruction, _state_array(state))
        check_observation(observation)
        return observation

    def _advance(self, observation: Observation) -> NDArray[np.float32]:
        if observation.instruction != self._instruction:
            self.reset()
            self._instruction = observation.instruction
        try:
            chunk = self._session.predict_action_chunk(observation)
        except CheckpointError:  # the session has forgotten the stream
            self.reset()
            raise
        self._frames += 1
        return chunk


def resolve_device(device: str) -> torch.device:
    """Return the device called `device`; `auto` is a GPU where there is one, else the CPU.

    Raises:
        ConfigError: naming the device, why it is not usable, and the remedy.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return checked_device(device)
    except ConfigError as error:
        reason = str(error.__cause__).splitlines()[0].partition(". ")[0].rstrip(".")
        remedy = "Use device 'cpu', or 'auto', which takes a GPU where there is one"
        raise ConfigError(problem("device", device, f"not usable here ({reason})", remedy)) from error


def _plain(action: NDArray[np.float32]) -> list[float]:
    """Return `action` as floats that print short (0.1, not 0.10000000149) and are the same float32 numbers."""
    return [float(str(value)) for value in action]


def _state_array(state: ArrayLike | None) -> NDArray[np.float32] | None:
    if state is None:
        return None
    try:
        return np.asarray(state, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(problem("state", state, "a state is 15 numbers", "Pass None without one")) from error
