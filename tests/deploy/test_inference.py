"""The guide's Python interface: what `predict` returns, the stream behind it, and what it says to wrong arguments."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mobile_vla.core.config import build
from mobile_vla.core.errors import CheckpointError, ConfigError, DataError
from mobile_vla.deploy.inference import MobileVLAInference, resolve_device
from mobile_vla.deploy.session import InferenceSession
from mobile_vla.model.checkpoint import load_policy, save_policy
from mobile_vla.model.policy import PolicyConfig, build_policy
from mobile_vla.task.observation import Observation

ROOT = Path(__file__).resolve().parents[2]
FRAMES = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)

GUIDE = """
from eval.mobile_vla.inference_wrapper import MobileVLAInference
import numpy as np

inference = MobileVLAInference(
    checkpoint_path='runs/mobile_vla/checkpoints/mobile_vla-best.ckpt',
    config_path='configs/mobile_vla/train_mobile_vla_full_ft.json',
    device='cuda'
)
image = np.random.randint(0, 255, (480, 640, 3), dtype=np.uint8)
instruction = "Navigate around obstacles"
result = inference.predict(image, instruction)
print(f"Action: {result['action']}")
# Action: [0.5, -0.2, 0.1, 1.0]
"""

GUIDES_CONFIG = "configs/mobile_vla/train_mobile_vla_full_ft.json"
GUIDES_JSON = """{
  "task_name": "mobile_vla_full_finetune",
  "model": "kosmos",
  "window_size": 8,
  "fwd_pred_next_n": 1,
  "batch_size": 4,
  "learning_rate": 1e-5,
  "max_epochs": 50,
  "train_setup": {"freeze_backbone": false, "train_vision": true, "lora_enable": false, "gradient_checkpointing": true},
  "act_head": {"type": "LSTMDecoder", "num_layers": 4, "action_dim": 4, "action_space": "continuous"}
}"""

Checkpoint = Callable[..., Path]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """`checkpoint(**policy_keys)`: a small untrained policy in `runs/mobile_vla/checkpoints/mobile_vla-best.ckpt`."""

    def make(**changes: Any) -> Path:
        tree = {
            "rate_hz": 5.0,
            "window_size": 3,
            "fwd_pred_next_n": 2,
            "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
            "preprocess": {"image_size": [32, 32]},
        }
        torch.manual_seed(0)
        path = tmp_path / "runs" / "mobile_vla" / "checkpoints" / "mobile_vla-best.ckpt"
        save_policy(build_policy(build(PolicyConfig, {**tree, **changes}, "test")), path, {})
        return path

    return make


@pytest.fixture
def inference(checkpoint: Checkpoint) -> MobileVLAInference:
    return MobileVLAInference(checkpoint(), device="cpu")


def chunks(inference: MobileVLAInference, frames: list[int], instruction: str = "go left") -> list[np.ndarray]:
    return [inference.predict(FRAMES[frame], instruction)["chunk"] for frame in frames]


def test_the_result_holds_what_is_promised(inference) -> None:
    result = inference.predict(FRAMES[0], "go left")
    assert set(result) == {"action", "action_type", "chunk", "latency_ms", "latency", "window_full"}
    assert result["chunk"].shape == (2, 4)
    assert result["chunk"].dtype == np.float32
    assert all(type(value) is float for value in result["action"])
    assert np.array_equal(np.float32(result["action"]), result["chunk"][0])
    assert result["action_type"] == ("move", "rotate", "stop", "special")[int(result["action"][3])]


def test_the_chunk_is_that_of_a_session_fed_with_the_same_frames(checkpoint) -> None:
    path = checkpoint(use_state=True)
    session, inference = InferenceSession.load(path), MobileVLAInference(path, device="cpu")
    for frame in FRAMES:
        state = np.linspace(0, frame[0, 0, 0] / 255, 15, dtype=np.float32)
        expected = session.predict_action_chunk(Observation(frame, "go left", state))
        assert np.array_equal(inference.predict(frame, "go left", state)["chunk"], expected)


def test_actions_print_like_the_guide_and_are_the_same_numbers(inference, monkeypatch) -> None:
    chunk = np.array([[0.5, -0.2, 0.1, 1.0]], dtype=np.float32)
    monkeypatch.setattr(inference._session, "predict_action_chunk", lambda observation: chunk)
    result = inference.predict(FRAMES[0], "")
    assert f"Action: {result['action']}" == "Action: [0.5, -0.2, 0.1, 1.0]"
    assert np.array_equal(np.float32(result["action"]), chunk[0])
    assert result["action_type"] == "rotate"


@pytest.mark.parametrize("part", ["preprocess_ms", "model_ms"])
def test_the_parts_of_the_latency_add_up_and_each_holds_its_own_work(inference, monkeypatch, part) -> None:
    owner, name = {
        "preprocess_ms": (inference._session.policy.preprocessor, "resize"),
        "model_ms": (inference._session, "predict_action_chunk"),
    }[part]
    work = getattr(owner, name)

    def slow(argument: Any) -> Any:
        if not slowed:
            slowed.append(True)
            time.sleep(0.1)
        return work(argument)

    slowed: list[bool] = []
    monkeypatch.setattr(owner, name, slow)
    result = inference.predict(FRAMES[0], "go left")
    assert sum(result["latency"].values()) == pytest.approx(result["latency_ms"])
    assert min(result["latency"].values()) >= 0
    assert result["latency"][part] >= 100


def test_the_window_is_full_after_window_size_frames_of_one_instruction(inference) -> None:
    def full(frame: int, instruction: str) -> bool:
        return inference.predict(FRAMES[frame], instruction)["window_full"]

    assert [full(frame, "go left") for frame in range(4)] == [False, False, True, True]
    assert [full(frame, "go right") for frame in range(3)] == [False, False, True]
    inference.reset()
    assert [full(frame, "go right") for frame in range(3)] == [False, False, True]


def test_reset_and_a_changed_instruction_start_a_new_window(inference) -> None:
    alone = chunks(inference, [1])[0]
    inference.reset()
    remembered = chunks(inference, [0, 1])[1]
    assert not np.array_equal(remembered, alone)
    inference.predict(FRAMES[0], "go right")
    assert np.array_equal(chunks(inference, [1])[0], alone)
    inference.reset()
    assert np.array_equal(chunks(inference, [1])[0], alone)


def test_warming_up_leaves_no_trace(inference) -> None:
    cold = chunks(inference, [0, 1])
    inference.warm_up()
    assert np.array_equal(chunks(inference, [0, 1]), cold)


def test_a_refused_argument_leaves_the_stream_alone(inference, checkpoint) -> None:
    expected = chunks(MobileVLAInference(checkpoint(), device="cpu"), [0, 1])[1]
    chunks(inference, [0])
    for arguments in ((FRAMES[1] / 255.0, "go right"), (FRAMES[1], 7), (FRAMES[1], "go right", [0.0])):
        with pytest.raises(DataError):
            inference.predict(*arguments)
    assert np.array_equal(chunks(inference, [1])[0], expected)


def test_after_a_number_that_is_not_finite_the_window_starts_again(inference) -> None:
    chunks(inference, [0, 1, 2])
    bias = inference._session.policy.head.mlp[-1].bias
    healthy = bias.detach().clone()
    with torch.no_grad():
        bias.fill_(torch.nan)
    with pytest.raises(CheckpointError, match="is not finite, and none may reach a robot"):
        chunks(inference, [3])
    with torch.no_grad():
        bias.copy_(healthy)
    assert not inference.predict(FRAMES[3], "go left")["window_full"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([0.0] * 3, "state.shape = (3,): a state is (15,). Pass None without one."),
        ([0.0] * 14 + [float("nan")], "a state is finite. Pass None while it is not known."),
        (["x"] * 15, "a state is 15 numbers. Pass None without one."),
    ],
)
def test_a_wrong_state_is_named(inference, state, message) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        inference.predict(FRAMES[0], "go left", state)


def test_an_instruction_that_is_no_text_is_named(inference) -> None:
    with pytest.raises(DataError, match=r"instruction = None: an instruction is a str\. Pass '' when there is none\."):
        inference.predict(FRAMES[0], None)


def test_a_gpu_that_is_not_there_is_an_error_and_auto_is_the_cpu(checkpoint, monkeypatch) -> None:
    if not torch.cuda.is_available():
        remedy = r"Use device 'cpu', or 'auto', which takes a GPU where there is one\.$"
        with pytest.raises(ConfigError, match=rf"^device = 'cuda': not usable here \(.+\)\. {remedy}"):
            MobileVLAInference(checkpoint(), device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert MobileVLAInference(checkpoint(), device="auto").device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("device", ["gpu", "cpu:7x", ""])
def test_a_device_of_no_known_name_is_an_error(device) -> None:
    with pytest.raises(ConfigError, match=rf"^device = '{device}': not usable here .*Use device 'cpu', or 'auto'"):
        resolve_device(device)


def test_a_config_that_differs_is_a_warning_at_the_callers_line_and_changes_nothing(checkpoint, tmp_path) -> None:
    config = tmp_path / "other.json"
    config.write_text('{"window_size": 8, "fwd_pred_next_n": 2, "batch_size": 4}')
    path = checkpoint()
    message = f"{config} differs from the checkpoint, whose values are used: window_size is 8 there and 3 in the checkpoint."
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as caught:
        inference = MobileVLAInference(path, config, "cpu")
    assert caught[0].filename == __file__
    assert inference.window_size == 3
    assert inference.config == load_policy(path).policy.config


def run_guide(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in `folder`, which looks like the repository's root."""
    (folder / "eval").symlink_to(ROOT / "eval")
    (folder / "configs" / "mobile_vla").mkdir(parents=True)
    (folder / GUIDES_CONFIG).write_text(GUIDES_JSON)
    (folder / "block.py").write_text(code)
    return subprocess.run(
        [sys.executable, "block.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=60,
    )


def test_the_guides_block_runs_with_only_the_device_changed(checkpoint, tmp_path) -> None:
    checkpoint()
    result = run_guide(tmp_path, GUIDE if torch.cuda.is_available() else GUIDE.replace("'cuda'", "'cpu'"))
    assert result.returncode == 0, result.stderr
    number = r"-?\d\.?\d*(e-\d+)?"
    assert re.fullmatch(rf"Action: \[{number}, {number}, {number}, [0-3]\.0\]\n", result.stdout)
    named = "model is 'kosmos' there and 'tiny' in the checkpoint; window_size is 8 there and 3 in the checkpoint; "
    assert f"UserWarning: {GUIDES_CONFIG} differs from the checkpoint, whose values are used: {named}" in result.stderr


def test_the_guides_block_without_a_gpu_ends_with_the_remedy(checkpoint, tmp_path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    checkpoint()
    result = run_guide(tmp_path, GUIDE)
    assert (result.returncode, result.stdout) == (1, "")
    assert "device = 'cuda': not usable here" in result.stderr
    assert result.stderr.endswith("Use device 'cpu', or 'auto', which takes a GPU where there is one.\n")
