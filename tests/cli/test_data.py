from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mobile_vla.cli.data import app
from mobile_vla.core.errors import UnknownNameError
from mobile_vla.data.importers import importers
from mobile_vla.data.reader import find_episodes, read_header


@pytest.fixture
def tub(tmp_path: Path) -> Path:
    folder = tmp_path / "tub"
    (folder / "images").mkdir(parents=True)
    lines = []
    for index in range(6):
        Image.fromarray(np.zeros((4, 6, 3), dtype=np.uint8)).save(folder / "images" / f"{index}.jpg")
        record = {"_index": index, "cam/image_array": f"{index}.jpg", "user/angle": 0.0, "user/throttle": 0.5}
        lines.append(json.dumps(record))
    (folder / "catalog_0.catalog").write_text("\n".join(lines))
    rows = [[], [], {}, {"created_at": 0}, {"paths": ["catalog_0.catalog"], "deleted_indexes": []}]
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_import_passes_its_options_on_and_stats_shows_the_result(tmp_path: Path, tub: Path) -> None:
    out = tmp_path / "out"
    options = ["--out", str(out), "--episode-frames", "4", "--gap-frames", "0", "--rate-hz", "10", "--instruction", "Drive on"]
    result = CliRunner().invoke(app, ["import", "donkeycar", str(tub), *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert "Warning: The tub's times are implausible (records without a time): they are replaced by 10 Hz" in result.output
    assert f"Wrote 2 episodes, 6 frames, to {out}" in result.output
    headers = [read_header(path) for path in find_episodes(out)]
    assert [(header.frames, header.rate_hz, header.instruction) for header in headers] == [
        (4, 10.0, "Drive on"),
        (2, 10.0, "Drive on"),
    ]
    shown = CliRunner().invoke(app, ["stats", str(out)], catch_exceptions=False)
    assert shown.output.splitlines()[:3] == ["Total episodes: 2", "Total frames: 6", "Average frames per episode: 3.0"]


def test_formats_and_their_options_are_in_the_help() -> None:
    listed = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    for name in importers:
        assert name in listed
        shown = CliRunner().invoke(app, ["import", name, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
        for option in importers.get(name).Options.model_fields:
            assert f"--{option.replace('_', '-')}" in shown


def test_an_unknown_format_is_named_with_the_choices() -> None:
    with pytest.raises(
        UnknownNameError, match=r"import format = 'donkycar': choose one of 'donkeycar'.* Did you mean 'donkeycar'\?"
    ):
        CliRunner().invoke(app, ["import", "donkycar", "x", "--out", "y"], catch_exceptions=False)


def test_the_help_imports_nothing_heavy() -> None:
    code = "import sys, mobile_vla.cli.data; print({'h5py', 'PIL', 'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
