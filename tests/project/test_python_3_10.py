"""The robot's interpreter is Python 3.10: every requirement has a wheel for it, and the light rooms run on a real one."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LIGHT = ("numpy", "pydantic", "rich", "typer")
"""What core and task import."""

TESTING = ("pytest", "pytest-timeout", "hypothesis")
LIGHT_TESTS = ("tests/core", "tests/task")


def requirements() -> list[Requirement]:
    """Return every outside requirement of every extra, each once."""
    found = [Requirement(text) for text in requires("mobile-vla") or []]
    return list({f"{each.name}{each.specifier}": each for each in found if each.name != "mobile-vla"}.values())


@functools.cache
def python_3_10() -> Path:
    """Return a Python 3.10 with venv that really runs (a version manager's shim may not), or skip aloud."""
    candidates = [Path(found) for found in [shutil.which("python3.10")] if found]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(versions.glob("3.10*/bin/python3.10"))
    for candidate in candidates:
        tried = subprocess.run(
            [candidate, "-c", "import ensurepip, sys, venv; print(sys.version_info[:2])"], capture_output=True
        )
        if tried.returncode == 0 and tried.stdout.strip() == b"(3, 10)":
            return candidate
    pytest.skip("no python3.10 with venv on PATH or under pyenv: the light rooms were not run on the robot's interpreter")


def run(*command: object, timeout: float = 600) -> str:
    """Run `command` and return what it prints on standard output; fail with all of it."""
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(120)
@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_a_wheel_for_python_3_10_satisfies_the_bound(requirement: Requirement) -> None:
    """Reads the index page alone: downloading would fetch gigabytes of CUDA with torch."""
    query = ("index", "versions", requirement.name, "--python-version", "3.10", "--only-binary=:all:")
    shown = run(sys.executable, "-m", "pip", *query, timeout=100)
    listed = re.search(r"^Available versions: (.*)$", shown, re.MULTILINE)
    assert listed, shown
    assert any(requirement.specifier.contains(version) for version in listed[1].split(", ")), f"{requirement}: {listed[1]}"


def test_every_extra_of_the_project_is_asked_for() -> None:
    assert {"numpy", "torch", "mujoco", "h5py", "lightning", "pytest"} <= {requirement.name for requirement in requirements()}


def test_all_sources_compile_with_python_3_10(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    run(python_3_10(), "-m", "compileall", "-q", "-f", tmp_path / "src")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(900)
def test_core_and_task_pass_their_tests_on_python_3_10(tmp_path: Path) -> None:
    run(python_3_10(), "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    wanted = [str(each) for each in map(without_marker, requirements()) if each.name in (*LIGHT, *TESTING)]
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted)
    shown = run("env", f"PYTHONPATH={ROOT / 'src'}", python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *LIGHT_TESTS)
    assert re.search(r"\d{3,} passed", shown), shown


def without_marker(requirement: Requirement) -> Requirement:
    """Return `requirement` without its extra."""
    return Requirement(f"{requirement.name}{requirement.specifier}")
