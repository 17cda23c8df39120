"""The trial as a new user: what it needs, it says. The trial itself is `make trial`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

TRIAL = Path(__file__).resolve().parents[2] / "scripts" / "trial.sh"


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("1000", "This makes and enters a Debian root, which needs root: sudo make trial\n"),
        ("0", "debootstrap is not installed: sudo apt-get install -y debootstrap\n"),
    ],
)
def test_what_is_missing_is_one_clear_line(tmp_path: Path, user: str, message: str) -> None:
    for name, answer in (("id", user), ("dirname", str(TRIAL.parent))):  # nothing else is on PATH, debootstrap neither
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (tmp_path / name).chmod(0o755)
    result = subprocess.run(["/bin/bash", TRIAL], capture_output=True, text=True, env={**os.environ, "PATH": str(tmp_path)})
    assert (result.returncode, result.stderr) == (1, message)
