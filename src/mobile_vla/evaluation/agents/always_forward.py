"""`always_forward`: the majority class of most recordings. A policy that collapsed to its mean looks like this."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mobile_vla.evaluation.agent import Agent, Situation, agents
from mobile_vla.task.actions import ActionType, make_action


@agents.register("always_forward")
class AlwaysForward(Agent):
    """Drives straight on at 0.5 m/s."""

    def act(self, slots: Sequence[int], situations: Sequence[Situation]) -> NDArray[np.float32]:
        """See `Agent`."""
        return np.stack([make_action(0.5, 0.0, 0.0, ActionType.MOVE)] * len(situations))
