"""The omni-directional base: what becomes of a commanded twist.

A pure model of the base's own controller: it clips the command, ramps towards it within the acceleration limits and falls to
zero when no command has come for `COMMAND_TIMEOUT_S`. It knows neither MuJoCo nor a policy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mobile_vla.task.actions import VELOCITY_LIMIT

ROBOT_RADIUS_M: Final = 0.18
LINEAR_ACCELERATION: Final = 2.0
"""m/s^2, of the velocity vector in the floor plane."""
ANGULAR_ACCELERATION: Final = 5.0
"""rad/s^2."""
COMMAND_TIMEOUT_S: Final = 0.6
"""The base stops when the last command is older than this; longer than two periods of the slowest usual policy (5 Hz)."""

Twist = tuple[float, float, float]
"""linear_x m/s, linear_y m/s, angular_z rad/s, body frame."""


@dataclass
class BaseController:
    """Ramps the base's velocity towards the newest command.

    Attributes:
        velocity: the velocity set-point now, body frame.
    """

    velocity: Twist = (0.0, 0.0, 0.0)
    _command: Twist = (0.0, 0.0, 0.0)
    _age_s: float = math.inf

    def command(self, twist: Twist) -> None:
        """Take a new command (clipped to the velocity limits). A command that is not finite counts as zero."""
        finite = all(math.isfinite(part) for part in twist)
        self._command = (_clip(twist[0]), _clip(twist[1]), _clip(twist[2])) if finite else (0.0, 0.0, 0.0)
        self._age_s = 0.0

    def step(self, dt_s: float) -> Twist:
        """Advance by `dt_s` seconds and return the velocity set-point."""
        self._age_s += dt_s
        target = self._command if self._age_s <= COMMAND_TIMEOUT_S + 1e-9 else (0.0, 0.0, 0.0)
        vx, vy, wz = self.velocity
        dx, dy = target[0] - vx, target[1] - vy
        change = math.hypot(dx, dy)
        share = min(1.0, LINEAR_ACCELERATION * dt_s / change) if change > 0 else 0.0
        turn = ANGULAR_ACCELERATION * dt_s
        self.velocity = (vx + dx * share, vy + dy * share, wz + max(-turn, min(turn, target[2] - wz)))
        return self.velocity


def _clip(value: float) -> float:
    return max(-VELOCITY_LIMIT, min(VELOCITY_LIMIT, value))
