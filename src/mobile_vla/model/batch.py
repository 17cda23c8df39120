"""What crosses from the data loader to the policy.

Legend: `B` batch, `T` window frames (window_size), `K` chunk steps (fwd_pred_next_n), `L` tokens.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """One batch of windows. A window's valid frames come first; padding follows and repeats a valid frame.

    Attributes:
        images: `(B, T, H, W, 3)` uint8 RGB, or float in [0, 1] after augmentation, at the policy's input size.
        frame_mask: `(B, T)` bool, True for real frames.
        tokens: `(B, L)` int64.
        token_mask: `(B, L)` bool, True for real tokens.
        states: `(B, T, 15)` float32 (see `task.state`); zeros where absent.
        state_mask: `(B, T)` bool, True where the state is known.
        targets: `(B, T, K, 4)` float32: velocities normalised to [-1, 1], column 3 the action type 0..3.
        target_mask: `(B, T, K)` bool, True where a target exists; masked values are never read.
    """

    images: Tensor
    frame_mask: Tensor
    tokens: Tensor
    token_mask: Tensor
    states: Tensor
    state_mask: Tensor
    targets: Tensor
    target_mask: Tensor
