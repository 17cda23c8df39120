"""Streaming inference equals recomputing the whole window, alone and in a batch of streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mobile_vla.core.errors import MobileVLAError
from mobile_vla.model.batch import Batch
from mobile_vla.model.policy import VLAPolicy
from mobile_vla.model.streaming import FeatureWindow, predict_chunks
from mobile_vla.task.normalisation import ActionNormaliser
from mobile_vla.task.observation import Observation

TOLERANCE = 1e-5


def drive(seed: int, steps: int, instruction: str, size: tuple[int, int] = (48, 40)) -> list[Observation]:
    """One stream; every third frame has no state."""
    random = np.random.default_rng(seed)
    return [
        Observation(
            image=random.integers(0, 256, (*size, 3), dtype=np.uint8),
            instruction=instruction,
            state=None if step % 3 == 2 else random.normal(size=15).astype(np.float32),
        )
        for step in range(steps)
    ]


def recomputed(policy: VLAPolicy, seen: list[Observation]) -> np.ndarray:
    """The chunk `(K, 4)` at the newest of `seen`, from the full window through `policy.forward`."""
    frames = policy.config.window_size
    window = seen[-frames:]
    padding = [window[-1]] * (frames - len(window))
    images = np.concatenate([policy.preprocessor.resize(one.image[None]) for one in window + padding])
    states = np.stack([np.zeros(15, np.float32) if one.state is None else one.state for one in window + padding])
    tokens, token_mask = policy.preprocessor.encode(window[-1].instruction)
    chunk = policy.config.fwd_pred_next_n
    batch = Batch(
        images=torch.from_numpy(images)[None],
        frame_mask=(torch.arange(frames) < len(window))[None],
        tokens=torch.tensor(tokens.tolist())[None],
        token_mask=torch.tensor(token_mask.tolist())[None],
        states=torch.from_numpy(states)[None],
        state_mask=torch.tensor([[one.state is not None for one in window + padding]]),
        targets=torch.zeros(1, frames, chunk, 4),
        target_mask=torch.zeros(1, frames, chunk, dtype=torch.bool),
    )
    with torch.no_grad():
        decoded = policy.head.decode(policy(batch))
    return policy.normaliser.denormalise(decoded[0, len(window) - 1].numpy())


@pytest.fixture
def policy(make_policy) -> VLAPolicy:
    policy: VLAPolicy = make_policy(use_state=True)
    policy.normaliser = ActionNormaliser.symmetric((0.5, 0.3, 1.1))
    return policy


def test_every_step_equals_the_full_window_also_past_its_length_and_after_a_reset(policy) -> None:
    window = FeatureWindow(policy.config.window_size)
    for seed, instruction in ((0, "Pass the box on the left side"), (1, "오른쪽으로 상자를 피해 목표로 가")):
        window.reset()
        stream = drive(seed, 3 * policy.config.window_size, instruction)
        for step, observation in enumerate(stream):
            chunk = predict_chunks(policy, [window], [observation])[0]
            assert chunk.dtype == np.float32
            np.testing.assert_allclose(chunk, recomputed(policy, stream[: step + 1]), atol=TOLERANCE, rtol=0)


def test_the_window_forgets_what_is_older_than_its_length(policy) -> None:
    stream = drive(0, 10, "go left")
    chunks = []
    for start in (0, 10 - policy.config.window_size):
        window = FeatureWindow(policy.config.window_size)
        for observation in stream[start:]:
            newest = predict_chunks(policy, [window], [observation])[0]
        chunks.append(newest)
    np.testing.assert_allclose(chunks[0], chunks[1], atol=TOLERANCE, rtol=0)


def test_the_past_matters(policy) -> None:
    stream = drive(0, 2, "go left")
    fresh, used = FeatureWindow(4), FeatureWindow(4)
    predict_chunks(policy, [used], stream[:1])
    assert not np.allclose(predict_chunks(policy, [fresh], stream[1:]), predict_chunks(policy, [used], stream[1:]))


def test_a_batch_of_streams_equals_each_alone(policy) -> None:
    streams = [drive(1, 7, "go left"), drive(2, 7, "오른쪽", (32, 32)), drive(3, 7, "", (64, 96))]
    starts = (0, 2, 5)  # streams of different age share a batch
    together = [FeatureWindow(4) for _ in streams]
    alone = [FeatureWindow(4) for _ in streams]
    for step in range(7):
        live = [row for row, start in enumerate(starts) if step >= start]
        batched = predict_chunks(policy, [together[row] for row in live], [streams[row][step] for row in live])
        for chunk, row in zip(batched, live, strict=True):
            single = predict_chunks(policy, [alone[row]], [streams[row][step]])[0]
            np.testing.assert_allclose(chunk, single, atol=TOLERANCE, rtol=0)


def test_chunks_are_physical(policy) -> None:
    with torch.no_grad():
        policy.head.mlp[-1].bias.copy_(torch.tensor([50.0, -50.0, 50.0, 0.0, 0.0, 90.0, 0.0] * 2))
    chunk = predict_chunks(policy, [FeatureWindow(4)], drive(0, 1, "stop"))[0]
    np.testing.assert_allclose(chunk, [[0.5, -0.3, 1.1, 2.0]] * 2, atol=1e-6)


def test_one_step_policies_stream_too(make_policy) -> None:
    policy = make_policy(history="one_step", window_size=1, act_head={"type": "FCDecoder", "hidden_size": 16})
    window, stream = FeatureWindow(1), drive(0, 3, "go")
    for observation in stream:
        chunk = predict_chunks(policy, [window], [observation])[0]
        np.testing.assert_allclose(chunk, recomputed(policy, [observation]), atol=TOLERANCE, rtol=0)
    assert len(window) == 1


def test_training_mode_and_unequal_counts_are_refused(policy) -> None:
    stream = drive(0, 2, "go")
    with pytest.raises(MobileVLAError, match=r"1 windows, 2 observations.*one window per observation"):
        predict_chunks(policy, [FeatureWindow(4)], stream)
    with pytest.raises(
        MobileVLAError, match=r"policy\.training = True: inference needs evaluation mode\. Call policy\.eval\(\)\."
    ):
        predict_chunks(policy.train(), [FeatureWindow(4)], stream[:1])
