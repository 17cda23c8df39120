"""Imports go one way, and the contracts that say so bite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

LAYERS = "Imports go one way through the house"
ROBOT = "A robot carries no datasets, no simulator and no trainer"
NO_TORCH = "The words, the foundations and the safety controller never import torch"


def lint_imports(source: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the project's contracts on the package in `source`."""
    if not LINT_IMPORTS.exists():
        pytest.skip("import-linter is not installed")
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--config", str(ROOT / ".importlinter")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the house with every room and no furniture, to put a bad import into."""
    package = tmp_path / "mobile_vla"
    for init in (ROOT / "src" / "mobile_vla").rglob("__init__.py"):
        target = package / init.relative_to(ROOT / "src" / "mobile_vla")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(init, target)
    return package


def test_all_contracts_are_kept() -> None:
    result = lint_imports(ROOT / "src")
    assert result.returncode == 0, result.stdout


def test_an_empty_house_keeps_the_contracts(copy: Path) -> None:
    result = lint_imports(copy.parent)
    assert "3 kept, 0 broken" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("core", "import mobile_vla.task.hidden", LAYERS),
        ("task", "import mobile_vla.data.hidden", LAYERS),
        ("data", "import mobile_vla.model.hidden", LAYERS),
        ("model", "import mobile_vla.sim.hidden", LAYERS),
        ("sim", "import mobile_vla.deploy.hidden", LAYERS),
        ("evaluation", "import mobile_vla.training.hidden", LAYERS),
        ("jobs", "import mobile_vla.cli.hidden", LAYERS),
        ("deploy", "import mobile_vla.data.hidden", ROBOT),
        ("deploy", "import h5py", ROBOT),
        ("ros", "import mujoco", ROBOT),
        ("ros", "import lightning", ROBOT),
        ("core", "import torch", NO_TORCH),
        ("task", "from torch import nn", NO_TORCH),
    ],
)
def test_a_bad_import_is_caught(copy: Path, room: str, line: str, contract: str) -> None:
    for name in ("core", "task", "data", "model", "sim", "deploy", "training", "cli"):
        (copy / name / "hidden.py").touch()
    (copy / room / "bad.py").write_text(f"def later() -> None:\n    {line}\n")
    result = lint_imports(copy.parent)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout


def test_an_indirect_import_is_caught(copy: Path) -> None:
    (copy / "model" / "middle.py").write_text("import h5py\n")
    (copy / "deploy" / "bad.py").write_text("import mobile_vla.model.middle\n")
    result = lint_imports(copy.parent)
    assert f"{ROBOT} BROKEN" in result.stdout
    assert "mobile_vla.model.middle -> h5py" in result.stdout


def test_the_safety_controller_may_not_import_torch_even_indirectly(copy: Path) -> None:
    (copy / "model" / "net.py").write_text("import torch\n")
    (copy / "ros" / "safety.py").write_text("import mobile_vla.model.net\n")
    assert f"{NO_TORCH} BROKEN" in lint_imports(copy.parent).stdout


def test_a_room_that_the_layers_do_not_name_is_caught(copy: Path) -> None:
    (copy / "misc").mkdir()
    (copy / "misc" / "__init__.py").touch()
    result = lint_imports(copy.parent)
    assert result.returncode == 1
    assert "misc" in result.stdout + result.stderr
