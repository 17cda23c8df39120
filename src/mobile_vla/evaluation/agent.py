"""Agents: who drives in an evaluation. `agents` is the registry of all of them, the policy and its baselines.

An agent drives several robots at once, one per slot, so that a policy can decide for all of them in one forward pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.registry import Registry
from mobile_vla.sim.navigation import Navigation
from mobile_vla.task.observation import Observation


@dataclass(frozen=True)
class AgentOptions:
    """What agents are built from; each takes what it needs.

    Attributes:
        checkpoint: path of the policy's checkpoint, for the agents that run one.
        clock_actions: `(S, 4)` nested lists: the training set's mean action at each step, for `clock_only`.
    """

    checkpoint: str = ""
    clock_actions: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Situation:
    """What an agent may use at one step of one robot.

    Attributes:
        observation: what a policy sees; its image is a black pixel for agents that need no camera.
        step: control steps since the drive began.
        navigation: the privileged truth, for the expert.
        rng: this drive's own random numbers.
    """

    observation: Observation
    step: int
    navigation: Navigation
    rng: np.random.Generator


class Agent(ABC):
    """Drives robots, one per slot. Built once per process from `AgentOptions`."""

    needs_camera: bool = False
    """Whether the observation's image must be rendered."""

    def __init__(self, options: AgentOptions) -> None:
        self.options = options

    def begin(self, slots: int) -> None:  # noqa: B027  (most agents keep no state)
        """Prepare for `slots` new drives."""

    @abstractmethod
    def act(self, slots: Sequence[int], situations: Sequence[Situation]) -> NDArray[np.float32]:
        """Return the actions `(len(slots), 4)` of the robots in `slots`."""


agents: Final[Registry[type[Agent]]] = Registry("agent", "mobile_vla.evaluation.agents")
