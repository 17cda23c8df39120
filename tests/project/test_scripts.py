"""The shell scripts: clean, executable, and clear where they cannot go on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"])


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, env={**os.environ, **environment}, cwd="/", timeout=60
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and pyproject.toml and no .venv."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def fake_python(folder: Path, body: str) -> str:
    """Write an interpreter that is a shell script with `body`, and return its path."""
    path = folder / "fakepython"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_is_executable_and_stops_at_the_first_error(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed: sudo apt-get install -y shellcheck")
    result = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("name", "command"), [("train", "train"), ("inference", "infer")])
def test_a_door_runs_its_command_from_the_root_with_the_venv(checkout: Path, name: str, command: str) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    Path(fake_python(checkout, 'pwd; echo "$@"')).rename(checkout / ".venv" / "bin" / "python")
    result = run(checkout / "scripts" / f"run_mobile_vla_{name}.sh", "--device", "a b")
    assert result.stdout == f"{checkout}\n-m mobile_vla {command} --device a b\n"


def test_without_a_venv_a_door_takes_python3(checkout: Path) -> None:
    fake = Path(fake_python(checkout, 'echo "python3 $@"'))
    fake.rename(checkout / "python3")
    path = f"{checkout}:{os.environ['PATH']}"
    result = run(checkout / "scripts" / "run_mobile_vla_train.sh", "--test", PATH=path)
    assert result.stdout == "python3 -m mobile_vla train --test\n"


def test_a_python_that_is_not_there_is_one_clear_line(checkout: Path) -> None:
    result = run(checkout / "scripts" / "install.sh", "demo", PYTHON="no-such-python")
    assert result.returncode == 1
    assert result.stderr == (
        "PYTHON=no-such-python does not run. Python 3.10 or newer is needed: sudo apt-get install -y python3 python3-venv\n"
    )


def test_a_python_that_is_too_old_is_one_clear_line(checkout: Path) -> None:
    old = fake_python(checkout, 'case "$2" in *print*) echo 3.9;; *) exit 1;; esac')
    result = run(checkout / "scripts" / "install.sh", "demo", PYTHON=old)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{old} is Python 3.9, and 3.10 or newer is needed.")
    assert result.stderr.endswith("sudo apt-get install -y python3.11 python3.11-venv && make PYTHON=python3.11\n")


def test_a_missing_venv_module_is_one_clear_line(checkout: Path) -> None:
    bare = fake_python(checkout, 'case "$2" in *print*) echo 3.11;; *ensurepip*) exit 1;; esac')
    result = run(checkout / "scripts" / "install.sh", "demo", PYTHON=bare)
    assert (result.returncode, result.stderr) == (1, f"{bare} has no venv module: sudo apt-get install -y python3.11-venv\n")


PRETENDED = """
case "$1 $2" in
    "-c "*print*) echo 3.11;;
    "-m venv") mkdir -p .venv/bin; rm -f .venv/.[im]*; cp "$0" .venv/bin/python; echo "venv" >>calls;;
    "-m pip") [ "$3" = install ] || exit 0; echo "pip $*" >>calls; exit $(cat pip_status 2>/dev/null || echo 0);;
esac
"""


def test_the_installation_runs_once_and_again_when_pyproject_changes(checkout: Path) -> None:
    python, script, calls = fake_python(checkout, PRETENDED), checkout / "scripts" / "install.sh", checkout / "calls"
    for _ in range(2):
        assert run(script, "demo", PYTHON=python, PIP_ARGS="--one --two").returncode == 0
    assert calls.read_text().splitlines() == [
        "venv",
        "pip -m pip install --disable-pip-version-check --one --two --editable .[demo]",
    ]
    assert run(script, "demo", "dev", PYTHON=python).returncode == 0
    assert calls.read_text().splitlines()[-1].endswith("--editable .[dev,demo]")
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert run(script, "demo", PYTHON=python).returncode == 0
    assert calls.read_text().splitlines()[-1].endswith("--editable .[demo,dev]")
    assert calls.read_text().count("venv") == 1


def test_an_installation_that_was_killed_starts_afresh_and_one_that_failed_is_tried_again(checkout: Path) -> None:
    python, script, calls = fake_python(checkout, PRETENDED), checkout / "scripts" / "install.sh", checkout / "calls"
    (checkout / "pip_status").write_text("1")
    failed = run(script, "demo", PYTHON=python)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("pip could not install mobile-vla[demo]; its message is above.")
    (checkout / "pip_status").write_text("0")
    assert run(script, "demo", PYTHON=python).returncode == 0
    assert calls.read_text().count("venv") == 1
    (checkout / ".venv" / ".installing").touch()
    (checkout / ".venv" / ".installed-demo").unlink()
    assert run(script, "demo", PYTHON=python).returncode == 0
    assert calls.read_text().count("venv") == 2
