"""`random`: a twist drawn anew at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mobile_vla.evaluation.agent import Agent, Situation, agents
from mobile_vla.task.actions import VELOCITY_LIMIT, ActionType, make_action


@agents.register("random")
class Random(Agent):
    """Uniform twists; one step in twenty is a stop."""

    def act(self, slots: Sequence[int], situations: Sequence[Situation]) -> NDArray[np.float32]:
        """See `Agent`."""
        return np.stack([_draw(situation.rng) for situation in situations])


def _draw(rng: np.random.Generator) -> NDArray[np.float32]:
    kind = ActionType.STOP if rng.random() < 0.05 else ActionType.MOVE
    x, y, z = rng.uniform(-VELOCITY_LIMIT, VELOCITY_LIMIT, size=3)
    return make_action(x, y, z, kind)
