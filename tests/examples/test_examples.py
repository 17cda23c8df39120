"""Every file in examples/ is short, says what it shows, and runs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mobile_vla.core.config import build
from mobile_vla.data.reader import find_episodes
from mobile_vla.model.checkpoint import save_policy
from mobile_vla.model.policy import PolicyConfig, build_policy

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture and an untrained policy, as the newest of `runs/`."""
    torch.manual_seed(0)
    tree = {"rate_hz": 4.0, "window_size": 2, "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1}}
    policy = build_policy(build(PolicyConfig, tree, "test"))
    save_policy(policy, tmp_path / "runs" / "mobile_vla" / "checkpoints" / "mobile_vla-best.ckpt", {})
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path


def run(number: int, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (path,) = [path for path in EXAMPLES if path.name.startswith(f"{number:02d}_")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, path, *arguments], cwd=folder, capture_output=True, text=True, env=environment, timeout=90
    )


def shown(number: int, folder: Path, *arguments: str) -> str:
    done = run(number, folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_shows_and_how_to_run_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring is not None
    assert f"Run it:  python examples/{path.name}" in docstring
    assert len(text.splitlines()) < 40
    assert '\nif __name__ == "__main__":' in text


def test_there_are_five() -> None:
    assert [path.name[:2] for path in EXAMPLES] == ["01", "02", "03", "04", "05"]


def test_the_expert_drives_the_simulator_to_the_goal(tmp_path: Path) -> None:
    output = shown(1, tmp_path)
    assert re.search(r"^Instruction: .*(left|왼쪽)", output, re.MULTILINE)
    assert re.search(r"^End: success after \d+ steps, passed on the left, return [1-9]", output, re.MULTILINE)


def test_two_episodes_are_recorded_and_read_back(tmp_path: Path) -> None:
    output = shown(2, tmp_path, "episodes")
    assert [str(path.relative_to(tmp_path)) for path in find_episodes(tmp_path / "episodes")] == re.findall(
        r"^episodes/.*\.h5$", output, re.MULTILINE
    )
    assert re.findall(r"(1box_vert_\w+): '.*', success: (\w+)", output) == [
        ("1box_vert_left", "True"),
        ("1box_vert_right", "True"),
    ]
    assert len(re.findall(r"images \(\d+, 64, 64, 3\), actions \(\d+, 4\), 5 Hz", output)) == 2


def test_a_policy_predicts_on_a_picture(folder: Path) -> None:
    output = shown(3, folder, "picture.png")
    assert "Policy: runs/mobile_vla/checkpoints/mobile_vla-best.ckpt on " in output
    assert re.search(
        r"^Action: (move|rotate|stop|special), [+-]\d\.\d\d m/s ahead, .* m/s left, .* rad/s$", output, re.MULTILINE
    )
    assert "Chunk: (1, 4), one step every 0.25 s" in output


def test_a_policy_and_the_expert_drive_in_closed_loop(folder: Path) -> None:
    output = shown(4, folder)
    assert re.search(r"^policy: [0-4]/4 succeeded \(95 % interval \d+% to \d+%\), ends: ", output, re.MULTILINE)
    assert "expert: 4/4 succeeded (95 % interval 51% to 100%), ends: {'success': 4}" in output


def test_left_and_right_are_compared(folder: Path) -> None:
    output = shown(5, folder, "picture.png", "runs/mobile_vla/checkpoints/mobile_vla-best.ckpt")
    chunks = [ast.literal_eval(line) for line in re.findall(r"^  (\[\[.*\]\])$", output, re.MULTILINE)]
    difference = float(re.findall(r"^Largest difference of a velocity: ([\d.]+)$", output, re.MULTILINE)[0])
    assert " left side" in output
    assert " right side" in output
    assert difference > 0
    assert np.abs(np.subtract(*chunks))[:, :3].max() == pytest.approx(difference, abs=2e-3)


def test_an_example_without_its_picture_says_how_it_is_run(tmp_path: Path) -> None:
    done = run(3, tmp_path)
    assert done.returncode == 1
    assert "Run it:  python examples/03_predict.py IMAGE [CHECKPOINT]" in done.stderr
