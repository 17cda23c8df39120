"""`clock_only`: sees and hears nothing, knows the time and the scenario's training drives. What a memorised clock can do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import ConfigError
from mobile_vla.evaluation.agent import Agent, AgentOptions, Situation, agents


@agents.register("clock_only")
class ClockOnly(Agent):
    """Plays the mean action of the training set at each step, and its last one from there on."""

    def __init__(self, options: AgentOptions) -> None:
        super().__init__(options)
        if not options.clock_actions:
            raise ConfigError("agent 'clock_only' needs the training set's mean action at each step; none was given.")
        self._actions = np.array(options.clock_actions, dtype=np.float32)

    def act(self, slots: Sequence[int], situations: Sequence[Situation]) -> NDArray[np.float32]:
        """See `Agent`."""
        return np.stack([self._actions[min(situation.step, len(self._actions) - 1)] for situation in situations])
