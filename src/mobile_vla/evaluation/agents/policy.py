"""`policy`: the checkpoint under test. `blind` and `deaf`: the same checkpoint with its image, or its instruction, blanked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import CheckpointError, problem
from mobile_vla.evaluation.agent import Agent, AgentOptions, Situation, agents
from mobile_vla.model.checkpoint import load_policy
from mobile_vla.model.streaming import FeatureWindow, predict_chunks
from mobile_vla.task.observation import Observation

_BLANK_SHAPE = (32, 32, 3)


@agents.register("policy")
class Policy(Agent):
    """Drives by the first action of the newest chunk."""

    needs_camera = True

    def __init__(self, options: AgentOptions) -> None:
        super().__init__(options)
        self._policy = load_policy(options.checkpoint).policy.eval()
        self._windows: list[FeatureWindow] = []

    def begin(self, slots: int) -> None:
        """See `Agent`."""
        self._windows = [FeatureWindow(self._policy.config.window_size) for _ in range(slots)]

    def act(self, slots: Sequence[int], situations: Sequence[Situation]) -> NDArray[np.float32]:
        """See `Agent`."""
        observations = [self.seen(situation.observation) for situation in situations]
        actions: NDArray[np.float32] = predict_chunks(self._policy, [self._windows[slot] for slot in slots], observations)[:, 0]
        if not np.isfinite(actions).all():
            rule = "the policy computed a number that is not finite"
            raise CheckpointError(
                problem("action", actions.tolist(), rule, f"Use another checkpoint than {self.options.checkpoint}")
            )
        return actions

    def seen(self, observation: Observation) -> Observation:
        """Return what the policy gets of `observation`."""
        return observation


@agents.register("blind")
class Blind(Policy):
    """The policy with a grey image in place of the camera's: what it knows without seeing."""

    needs_camera = False

    def seen(self, observation: Observation) -> Observation:
        """See `Policy`."""
        return replace(observation, image=np.full(_BLANK_SHAPE, 128, dtype=np.uint8))


@agents.register("deaf")
class Deaf(Policy):
    """The policy with an empty instruction: its side must be chance, else the scene gives the side away."""

    def seen(self, observation: Observation) -> Observation:
        """See `Policy`."""
        return replace(observation, instruction="")
