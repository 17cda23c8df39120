"""Small policies and batches for the tests of the model room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from mobile_vla.core.config import build
from mobile_vla.model.batch import Batch
from mobile_vla.model.policy import PolicyConfig, VLAPolicy, build_policy

INSTRUCTIONS = ("Pass the box on the left side", "가장 오른쪽 외곽으로 돌아 컵까지 가세요", "", "stop")


def small_config(**changes: Any) -> PolicyConfig:
    tree: dict[str, Any] = {
        "rate_hz": 2.5,
        "window_size": 4,
        "fwd_pred_next_n": 2,
        "act_head": {"type": "LSTMDecoder", "hidden_size": 32, "num_layers": 1},
        "preprocess": {"image_size": [32, 32], "max_tokens": 24},
    }
    return build(PolicyConfig, {**tree, **changes}, "test")


@pytest.fixture
def make_policy() -> Callable[..., VLAPolicy]:
    def make(seed: int = 0, **changes: Any) -> VLAPolicy:
        torch.manual_seed(seed)
        return build_policy(small_config(**changes)).eval()

    return make


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    def make(policy: VLAPolicy, size: int = 3, seed: int = 0) -> Batch:
        random = torch.Generator().manual_seed(seed)
        frames, chunk = policy.config.window_size, policy.config.fwd_pred_next_n
        height, width = policy.config.preprocess.image_size
        texts = [policy.preprocessor.encode(INSTRUCTIONS[row % len(INSTRUCTIONS)]) for row in range(size)]
        velocities = torch.rand(size, frames, chunk, 3, generator=random) * 2 - 1
        kinds = torch.randint(0, 4, (size, frames, chunk, 1), generator=random).float()
        return Batch(
            images=torch.randint(0, 256, (size, frames, height, width, 3), dtype=torch.uint8, generator=random),
            frame_mask=torch.ones(size, frames, dtype=torch.bool),
            tokens=torch.tensor([text[0].tolist() for text in texts]),
            token_mask=torch.tensor([text[1].tolist() for text in texts]),
            states=torch.randn(size, frames, 15, generator=random),
            state_mask=torch.ones(size, frames, dtype=torch.bool),
            targets=torch.cat([velocities, kinds], dim=-1),
            target_mask=torch.ones(size, frames, chunk, dtype=torch.bool),
        )

    return make
