"""The inference session: windows follow the instruction and the policy's clock, and nothing but finite numbers comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.core.config import build
from mobile_vla.core.errors import CheckpointError, ConfigError, DataError
from mobile_vla.deploy.session import InferenceSession
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.policy import PolicyConfig, VLAPolicy, build_policy
from mobile_vla.task.observation import Observation

FRAMES = np.random.default_rng(0).integers(0, 256, (12, 40, 48, 3), dtype=np.uint8)


@pytest.fixture
def policy() -> VLAPolicy:
    torch.manual_seed(0)
    tree = {
        "rate_hz": 2.0,
        "window_size": 3,
        "fwd_pred_next_n": 2,
        "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
        "preprocess": {"image_size": [32, 32]},
    }
    return build_policy(build(PolicyConfig, tree, "test"))


def look(frame: int, stamp_s: float = 0.0, instruction: str = "go left") -> Observation:
    return Observation(image=FRAMES[frame], instruction=instruction, stamp_s=stamp_s)


def chunks_of(policy: VLAPolicy, frames: list[int], instruction: str = "go left") -> np.ndarray:
    """The last chunk of a new session that sees `frames`."""
    session = InferenceSession(policy)
    return [session.predict_action_chunk(look(frame, instruction=instruction)) for frame in frames][-1]


def test_shapes_and_the_first_action(policy) -> None:
    session = InferenceSession(policy)
    chunk = session.predict_action_chunk(look(0))
    assert chunk.shape == (2, 4)
    assert chunk.dtype == np.float32
    session.reset()
    assert np.array_equal(session.select_action(look(0)), chunk[0])


def test_frames_without_a_clock_all_enter(policy) -> None:
    assert not np.array_equal(chunks_of(policy, [0, 1]), chunks_of(policy, [1]))


def test_reset_forgets(policy) -> None:
    session = InferenceSession(policy)
    session.predict_action_chunk(look(0))
    session.reset()
    assert np.array_equal(session.predict_action_chunk(look(1)), chunks_of(policy, [1]))


def test_a_changed_instruction_starts_a_new_window(policy) -> None:
    session = InferenceSession(policy)
    session.predict_action_chunk(look(0))
    changed = session.predict_action_chunk(look(1, instruction="go right"))
    assert np.array_equal(changed, chunks_of(policy, [1], "go right"))
    assert not np.array_equal(changed, chunks_of(policy, [1], "go left"))


def test_a_fast_camera_does_not_fill_the_window(policy) -> None:
    session = InferenceSession(policy)  # 2 Hz; the camera runs at 10 Hz
    chunks = [session.predict_action_chunk(look(frame, 100.0 + 0.1 * frame)) for frame in range(11)]
    assert all(np.array_equal(chunks[frame], chunks[0]) for frame in range(5))
    assert np.array_equal(chunks[5], chunks_of(policy, [0, 5]))
    assert np.array_equal(chunks[10], chunks_of(policy, [0, 5, 10]))


def test_a_new_instruction_is_obeyed_at_once_even_between_ticks(policy) -> None:
    session = InferenceSession(policy)
    session.predict_action_chunk(look(0, 1.0))
    changed = session.predict_action_chunk(look(1, 1.05, "go right"))
    assert np.array_equal(changed, chunks_of(policy, [1], "go right"))
    assert np.array_equal(session.predict_action_chunk(look(2, 1.2, "go right")), changed)


def test_a_clock_that_runs_backwards_is_refused(policy) -> None:
    session = InferenceSession(policy)
    session.predict_action_chunk(look(0, 5.0))
    with pytest.raises(DataError, match=r"stamp_s = 4\.0: stamps are monotonic, and the last one was 5\.0\. Call reset\(\)"):
        session.predict_action_chunk(look(1, 4.0))
    session.reset()
    session.predict_action_chunk(look(1, 4.0))


def test_a_caller_cannot_spoil_the_current_chunk(policy) -> None:
    session = InferenceSession(policy)
    first = session.predict_action_chunk(look(0, 1.0))
    kept = first.copy()
    first[:] = 99
    assert np.array_equal(session.predict_action_chunk(look(1, 1.1)), kept)


def test_bad_observations_are_refused_and_leave_the_stream_alone(policy) -> None:
    session = InferenceSession(policy)
    session.predict_action_chunk(look(0))
    bad = Observation(image=FRAMES[1].astype(np.float32), instruction="go left")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"image\.dtype = 'float32': images are uint8"):
        session.predict_action_chunk(bad)
    assert np.array_equal(session.predict_action_chunk(look(1)), chunks_of(policy, [0, 1]))


def test_nan_never_leaves_and_does_not_stay(policy) -> None:
    session = InferenceSession(policy)
    session.predict_action_chunk(look(0))
    bias = policy.head.mlp[-1].bias
    healthy = bias.detach().clone()
    with torch.no_grad():
        bias.fill_(torch.nan)
    with pytest.raises(CheckpointError, match=r"action_chunk = .*nan.*the policy computed a number that is not finite"):
        session.predict_action_chunk(look(1))
    with torch.no_grad():
        bias.copy_(healthy)
    assert np.array_equal(session.predict_action_chunk(look(2)), chunks_of(policy, [2]))


def test_a_session_from_a_file_equals_one_from_memory(policy, tmp_path: Path) -> None:
    save_policy(policy, tmp_path / "a.ckpt", {})
    session = InferenceSession.load(tmp_path / "a.ckpt", device="cpu")
    assert session.config == policy.config
    assert np.array_equal(session.predict_action_chunk(look(0)), chunks_of(policy, [0]))


def test_unusable_devices_are_refused(policy) -> None:
    with pytest.raises(ConfigError, match="device = 'nonsense'"):
        InferenceSession(policy, "nonsense")
