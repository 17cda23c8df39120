"""`mobile-vla infer`: the guide's lines on standard output, everything else on standard error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from mobile_vla.cli.app import build_app
from mobile_vla.core.config import build
from mobile_vla.deploy.inference import MobileVLAInference
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.policy import PolicyConfig, build_policy

ROOT = Path(__file__).resolve().parents[2]
NUMBER = r"-?\d\.\d{1,4}"
GUIDES_LINES = (
    r"Mobile VLA Inference initialized\nDevice: cpu\nWindow size: 8\nRunning in test mode \(no ROS2\)\n"
    rf"Predicted action: \[{NUMBER}, {NUMBER}, {NUMBER}, [0-3]\.0\]\nAction chunk shape: \(1, 4\)\n"
)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small untrained policy; the current folder is the one that holds its `runs/`."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    tree = {"rate_hz": 5.0, "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1}}
    path = Path("runs/mobile_vla/checkpoints/mobile_vla-best.ckpt")
    save_policy(build_policy(build(PolicyConfig, tree, "test")), path, {})
    return path


def infer(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["infer", *arguments])


def test_the_guides_lines_and_nothing_else(checkpoint) -> None:
    result = infer("--checkpoint", str(checkpoint), "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert re.fullmatch(GUIDES_LINES, result.stdout)
    assert re.search(
        r"^Latency: [\d.]+ ms \(preprocess [\d.]+, model [\d.]+, postprocess [\d.]+\)", result.stderr, re.MULTILINE
    )
    assert "Image: random pixels" in result.stderr
    assert "Checkpoint: " not in result.stderr


def test_without_a_checkpoint_the_newest_is_taken_and_named(checkpoint) -> None:
    result = infer("--device", "cpu")
    assert re.fullmatch(GUIDES_LINES, result.stdout)
    assert result.stderr.startswith(f"Checkpoint: {checkpoint} (the newest; --checkpoint takes another)\n")


def test_the_picture_and_the_instruction_reach_the_policy(checkpoint) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("a.png")
    inference = MobileVLAInference(checkpoint, device="cpu")
    for instruction in ("go left", "오른쪽으로 가세요"):
        result = infer("--device", "cpu", "--image", "a.png", "--instruction", instruction)
        action = [round(value, 4) for value in inference.predict(pixels, instruction)["action"]]
        assert f"Predicted action: {action}\n" in result.stdout
        assert "random pixels" not in result.stderr


def test_a_config_that_differs_is_one_warning_line(checkpoint) -> None:
    Path("c.json").write_text('{"window_size": 4}')
    result = infer("--device", "cpu", "--config", "c.json")
    assert re.fullmatch(GUIDES_LINES, result.stdout)
    warning = "c.json differs from the checkpoint, whose values are used: window_size is 4 there and 8 in the checkpoint."
    assert f"Warning: {warning}\n" in result.stderr


def test_without_any_checkpoint_one_message_names_the_remedy(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = infer()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: checkpoint: none is given, and there is no checkpoints/*.ckpt below {tmp_path / 'runs'}. "
        "Train a policy first: ./scripts/run_mobile_vla_train.sh. Or name a checkpoint that lies elsewhere.\n"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error(checkpoint) -> None:
    result = infer("--device", "cuda")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: device = 'cuda': not usable here" in result.stderr
    assert result.stderr.endswith("Use device 'cpu', or 'auto', which takes a GPU where there is one.\n")


def test_ros2_ends_with_one_honest_sentence_before_anything_is_loaded() -> None:
    script = ROOT / "scripts" / "run_mobile_vla_inference.sh"
    folder = Path(sys.executable).parent
    result = subprocess.run(
        [script, "--checkpoint", "none.ckpt", "--ros2"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        timeout=60,
    )
    sentence = "Error: --ros2: the ROS 2 node is not part of this version of Mobile VLA.\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", sentence)


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from mobile_vla.cli.app import build_app\n"
        "shown = CliRunner().invoke(build_app(), ['infer', '--help']).output\n"
        "assert '--checkpoint' in shown and '--ros2' in shown, shown\n"
        "print(sorted({'torch', 'numpy.random', 'PIL'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"}
    )
    assert "torch" not in shown.stdout
