"""Action normalisation: velocities to [-1, 1] and back; it travels inside the checkpoint, so the robot never needs a gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import CheckpointError, ConfigError, problem
from mobile_vla.task.actions import ACTION_NAMES, VELOCITY_DIM, VELOCITY_LIMIT


@dataclass(frozen=True)
class ActionNormaliser:
    """Maps velocity columns linearly: `low -> -1`, `high -> +1`. The `action_type` column passes unchanged.

    Attributes:
        low, high: 3 numbers each, m/s, m/s, rad/s; `low < high`.
    """

    low: tuple[float, float, float] = (-VELOCITY_LIMIT,) * 3
    high: tuple[float, float, float] = (VELOCITY_LIMIT,) * 3

    def __post_init__(self) -> None:
        if len(self.low) != VELOCITY_DIM or len(self.high) != VELOCITY_DIM:
            raise ConfigError(problem("normaliser", asdict(self), f"low and high hold {VELOCITY_DIM} numbers each"))
        for name, low, high in zip(ACTION_NAMES, self.low, self.high, strict=False):
            if not (np.isfinite([low, high]).all() and low < high):
                raise ConfigError(problem(f"normaliser.{name}", (low, high), "low < high, both finite"))

    @classmethod
    def symmetric(cls, limits: Sequence[float]) -> ActionNormaliser:
        """Return the normaliser whose zero is zero velocity, with the given largest magnitudes (m/s, m/s, rad/s)."""
        high = (float(limits[0]), float(limits[1]), float(limits[2]))
        return cls(low=(-high[0], -high[1], -high[2]), high=high)

    def normalise(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return `actions` `(..., 4)` with velocities mapped to [-1, 1] (values outside low..high are clipped)."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        result = np.array(actions, dtype=np.float32)
        result[..., :VELOCITY_DIM] = np.clip(2.0 * (result[..., :VELOCITY_DIM] - low) / (high - low) - 1.0, -1.0, 1.0)
        return result

    def denormalise(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the inverse of `normalise` for `actions` `(..., 4)`."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        result = np.array(actions, dtype=np.float32)
        result[..., :VELOCITY_DIM] = (result[..., :VELOCITY_DIM] + 1.0) * 0.5 * (high - low) + low
        return result

    def to_dict(self) -> dict[str, list[float]]:
        """Return plain lists for JSON."""
        return {"low": list(self.low), "high": list(self.high)}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> ActionNormaliser:
        """Return the inverse of `to_dict`. Raises CheckpointError when a key is missing or extra."""
        if set(tree) != {"low", "high"}:
            raise CheckpointError(problem("normaliser", sorted(tree), "the keys are 'low' and 'high'"))
        return cls(low=tuple(tree["low"]), high=tuple(tree["high"]))
