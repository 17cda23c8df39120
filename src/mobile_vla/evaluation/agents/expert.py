"""`expert`: the privileged expert. Upper bound: what can be reached in this world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mobile_vla.evaluation.agent import Agent, Situation, agents


@agents.register("expert")
class Expert(Agent):
    """Sees the true scene."""

    def act(self, slots: Sequence[int], situations: Sequence[Situation]) -> NDArray[np.float32]:
        """See `Agent`."""
        return np.stack([situation.navigation.expert() for situation in situations])
