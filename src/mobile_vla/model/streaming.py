"""Streaming inference: only the newest frame goes through the backbone; the features of older ones are kept.

Legend: `n` live streams, `T` window frames, `K` chunk steps, `D` feature width. The result equals recomputing the whole window,
because the backbone sees every frame on its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mobile_vla.core.errors import MobileVLAError, problem
from mobile_vla.model.policy import VLAPolicy
from mobile_vla.task.observation import Observation
from mobile_vla.task.state import STATE_DIM


class FeatureWindow:
    """The features of the newest `window_size` frames of one live stream, oldest first."""

    def __init__(self, window_size: int) -> None:
        self._features: deque[Tensor] = deque(maxlen=window_size)

    def __len__(self) -> int:
        """Return how many frames are in the window."""
        return len(self._features)

    def reset(self) -> None:
        """Forget everything (a new episode or a new instruction begins)."""
        self._features.clear()

    def push(self, feature: Tensor) -> None:
        """Add the newest frame's feature `(D,)`; beyond `window_size` the oldest one leaves."""
        self._features.append(feature)

    def padded(self, length: int) -> tuple[Tensor, Tensor]:
        """Return features `(length, D)`, valid ones first and zeros behind, and the mask `(length,)`."""
        stacked = torch.stack(list(self._features))
        padding = stacked.new_zeros(length - len(stacked), stacked.shape[1])
        mask = torch.arange(length, device=stacked.device) < len(stacked)
        return torch.cat([stacked, padding]), mask


@torch.inference_mode()
def predict_chunks(
    policy: VLAPolicy, windows: Sequence[FeatureWindow], observations: Sequence[Observation]
) -> NDArray[np.float32]:
    """Push each observation into its window and return one action chunk per stream.

    Returns:
        `(n, K, 4)` float32 in physical units: m/s, m/s, rad/s and the type 0..3 (see `task.actions`).

    Args:
        policy: in evaluation mode.
        windows: one per stream, of the policy's `window_size`; changed in place.
        observations: the newest of each stream, already checked (see `task.observation`). Their cameras may differ in size.

    Raises:
        MobileVLAError: the policy is in training mode, or the counts differ.
        DataError: an image or instruction breaks its rule.
    """
    if policy.training:
        raise MobileVLAError(problem("policy.training", True, "inference needs evaluation mode", "Call policy.eval()"))
    if len(windows) != len(observations) or not observations:
        rule = "one window per observation, at least one"
        raise MobileVLAError(problem("windows", f"{len(windows)} windows, {len(observations)} observations", rule))
    for window, feature in zip(windows, _encode_newest(policy, observations), strict=True):
        window.push(feature)
    padded = [window.padded(policy.config.window_size) for window in windows]
    features, mask = torch.stack([pair[0] for pair in padded]), torch.stack([pair[1] for pair in padded])
    actions = policy.head.decode(policy.head(features, mask))  # (n, T, K, 4)
    streams = torch.arange(len(windows), device=actions.device)
    newest = actions[streams, mask.sum(dim=1) - 1]
    return policy.normaliser.denormalise(newest.float().cpu().numpy())


def _encode_newest(policy: VLAPolicy, observations: Sequence[Observation]) -> Tensor:
    """Return the features `(n, D)` of one frame per stream."""
    preprocessor = policy.preprocessor
    device = next(policy.parameters()).device
    images = np.concatenate([preprocessor.resize(observation.image[None]) for observation in observations])
    texts = [preprocessor.encode(observation.instruction) for observation in observations]
    tokens, token_mask = np.stack([text[0] for text in texts]), np.stack([text[1] for text in texts])
    states = np.zeros((len(observations), 1, STATE_DIM), dtype=np.float32)
    for row, observation in enumerate(observations):
        if observation.state is not None:
            states[row, 0] = observation.state
    state_mask = np.array([[observation.state is not None] for observation in observations])
    arrays = (images[:, None], tokens, token_mask, states, state_mask)
    features = policy.encode(*(torch.from_numpy(array).to(device) for array in arrays))
    return features[:, 0]
