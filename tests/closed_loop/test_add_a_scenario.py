"""`docs/add_a_scenario.md`, followed to the letter: its file goes into the package, its scenario is driven and recorded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mobile_vla
from mobile_vla.core.errors import SimulationError
from mobile_vla.data.file_names import parse_name
from mobile_vla.data.reader import read_header
from mobile_vla.sim.scenario import BoxSpec, SceneSpec
from mobile_vla.task.scenarios import parse_scenario

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "add_a_scenario.md"

DRIVE_AND_RECORD = """
import sys
from datetime import datetime
from pathlib import Path
import mobile_vla
assert Path(mobile_vla.__file__).is_relative_to(sys.argv[1]), mobile_vla.__file__
from mobile_vla.core.parallel import WorkerPool
from mobile_vla.evaluation.agent import AgentOptions
from mobile_vla.evaluation.rollouts import DriveSpec, RolloutConfig, roll_out
from mobile_vla.jobs.collect import CollectConfig
from mobile_vla.jobs.recording import record_simulated, recording_specs
from mobile_vla.sim.scenario import scenes

added = [name for name in scenes if name.startswith("3box")]
here = WorkerPool(0)
for level in (0, 1, 2):
    specs = [DriveSpec(name, seed) for name in added for seed in range(6)]
    print(level, [drive.end for drive in roll_out("expert", specs, RolloutConfig(level=level), AgentOptions(), here)])
config = CollectConfig(image_size=(24, 32))
recorded = record_simulated(Path(sys.argv[2]), recording_specs(2, 0, added), config, datetime(2025, 1, 1), here)
print([entry.success for entry in recorded])
"""


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def extended(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds a copy of the package with the document's file in the place that the document names."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(
        Path(mobile_vla.__file__).parent, folder / "src" / "mobile_vla", ignore=shutil.ignore_patterns("__pycache__")
    )
    target = re.search(r"Save this as `(src/[\w/]+\.py)`", text)
    assert target is not None
    path = folder / target[1]
    assert path.parent.is_dir()
    assert not path.exists()
    path.write_text(_blocks(text)[0], encoding="utf-8")
    return folder


def test_the_new_file_alone_adds_a_scenario_that_is_driven_and_recorded(extended: Path, tmp_path: Path) -> None:
    ran = _python(extended, "-c", DRIVE_AND_RECORD, str(extended), str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[:3] == [f"{level} {['success'] * 12}" for level in (0, 1, 2)]
    assert lines[3] == "[True, True]"
    names = [parse_name(path.name) for path in sorted(tmp_path.iterdir())]
    assert [name.scenario for name in names] == ["3box_vert_left", "3box_vert_right"]
    header = read_header(sorted(tmp_path.iterdir())[0])
    assert header.scenario == "3box_vert_left"
    assert not header.metadata.get("inferred")


def test_the_documents_example_succeeds(extended: Path, text: str) -> None:
    ran = _python(extended, "-c", _blocks(text)[1])
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "success"


def test_the_documents_command_records(extended: Path, text: str, tmp_path: Path) -> None:
    command = re.search(r"^mobile-vla (record .*)$", text, re.MULTILINE)
    assert command is not None
    small = ["--episodes", "2", "--image-size", "24x32", "--workers", "0", "--out", str(tmp_path / "episodes")]
    ran = _python(extended, "-m", "mobile_vla", *command[1].split(), *small)
    assert ran.returncode == 0, ran.stderr
    scenarios = [parse_name(path.name).scenario for path in sorted((tmp_path / "episodes").iterdir())]
    assert scenarios == ["3box_vert_left", "3box_vert_right"]


def test_boxes_that_the_name_does_not_count_are_refused() -> None:
    box = BoxSpec(0.5, 0.0, 0.1, 0.1)
    message = r"^2box_vert_left\.boxes = 1: the scenario's name, and with it the instruction, counts 2\.$"
    with pytest.raises(SimulationError, match=message):
        SceneSpec(parse_scenario("2box_vert_left"), "2box_vert", (box,))


@pytest.mark.parametrize("count", [0, 4])
def test_a_number_of_boxes_that_no_scene_holds_is_refused(count: int) -> None:
    with pytest.raises(SimulationError, match=rf"^{count}box_vert_left\.boxes = {count}: a scene has 1 to 3 boxes\.$"):
        SceneSpec(parse_scenario(f"{count}box_vert_left"), "many", (BoxSpec(0.5, 0.0, 0.1, 0.1),) * count)


def _blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def _python(extended: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(extended / "src")}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)
