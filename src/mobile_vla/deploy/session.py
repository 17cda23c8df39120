"""The inference session: one live stream of observations in, action chunks in physical units out.

Pure of robots and networks: whoever drives decides how much of a chunk to execute, and a safety controller stands behind it.
Time comes only from the observations' stamps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mobile_vla.core.errors import CheckpointError, DataError, problem
from mobile_vla.model.checkpoint import checked_device, load_policy
from mobile_vla.model.policy import PolicyConfig, VLAPolicy
from mobile_vla.model.streaming import FeatureWindow, predict_chunks
from mobile_vla.task.cadence import FrameGate
from mobile_vla.task.observation import Observation, check_observation


class InferenceSession:
    """A policy with the memory of one live stream. `K` is the policy's chunk length.

    A frame enters the window at the policy's rate, whatever the camera's: one that comes sooner gets the current chunk again.
    An observation with `stamp_s = 0` (the default) carries no clock, and every such frame enters.
    """

    def __init__(self, policy: VLAPolicy, device: str | torch.device = "cpu") -> None:
        """Take over `policy`: it is moved to `device` and set to evaluation mode. Raises ConfigError for an unusable device."""
        self.device = checked_device(device)
        self.policy = policy.to(self.device).eval()
        self._window = FeatureWindow(policy.config.window_size)
        self._gate = FrameGate(policy.config.rate_hz)
        self.reset()

    @classmethod
    def load(cls, checkpoint: Path | str, device: str | torch.device = "cpu") -> InferenceSession:
        """Return a session of the policy in `checkpoint`. Raises CheckpointError or ConfigError (see `load_policy`)."""
        return cls(load_policy(checkpoint, device).policy, device)

    @property
    def config(self) -> PolicyConfig:
        """The policy's configuration."""
        return self.policy.config

    def reset(self) -> None:
        """Forget the stream: a new episode begins."""
        self._window.reset()
        self._gate.reset()
        self._chunk: NDArray[np.float32] | None = None
        self._instruction: str | None = None
        self._last_stamp_s = 0.0

    def predict_action_chunk(self, observation: Observation) -> NDArray[np.float32]:
        """Return the action chunk `(K, 4)` for `observation`: m/s, m/s, rad/s and type 0..3; always finite.

        A changed instruction starts a new window.

        Raises:
            DataError: the observation breaks a rule, or its stamp lies before the last one.
            CheckpointError: the policy computed NaN or infinity; the session has been reset.
        """
        check_observation(observation)
        if observation.instruction != self._instruction:
            self.reset()
            self._instruction = observation.instruction
        enters = self._enters(observation.stamp_s)
        if enters or self._chunk is None:
            self._chunk = self._predict(observation)
        return np.array(self._chunk)

    def select_action(self, observation: Observation) -> NDArray[np.float32]:
        """Return the first action `(4,)` of the newest chunk. Raises as `predict_action_chunk` does."""
        return np.array(self.predict_action_chunk(observation)[0])

    def _enters(self, stamp_s: float) -> bool:
        if stamp_s == 0.0:
            return True
        if stamp_s < self._last_stamp_s:
            rule = f"stamps are monotonic, and the last one was {self._last_stamp_s}"
            raise DataError(problem("stamp_s", stamp_s, rule, "Call reset() when the clock starts again"))
        self._last_stamp_s = stamp_s
        return self._gate.accepts(stamp_s)

    def _predict(self, observation: Observation) -> NDArray[np.float32]:
        chunk: NDArray[np.float32] = predict_chunks(self.policy, [self._window], [observation])[0]
        if not np.isfinite(chunk).all():
            self.reset()
            rule = "the policy computed a number that is not finite, and none may reach a robot"
            raise CheckpointError(problem("action_chunk", chunk.tolist(), rule, "Use another checkpoint"))
        return chunk
