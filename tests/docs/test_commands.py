"""The commands and the Python of the pages, run as pasted in a copy of the repository with little data behind them.

What makes it quick stands in `_PYTHON` and nowhere else: the copy's interpreter adds options that end each command early. The
copy's configuration for the pretrained backbone names a miniature model.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mobile_vla.core.config import load_json

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("configs", "docs", "eval", "examples", "scripts", "Makefile", "README.md", "pyproject.toml", "requirements.txt")
GUIDES_CONFIG = Path("configs/mobile_vla/train_mobile_vla_full_ft.json")
NAMED = Path("runs/mobile_vla/checkpoints/mobile_vla-epoch=10-val_loss=0.1234.ckpt")
"""The checkpoint that the pages resume; a reader's has other numbers."""

_PYTHON = """#!/usr/bin/env bash
if [ "${1-} ${2-}" = "-m mobile_vla" ]; then
    case "${3-}" in
        record) set -- "$@" --episodes 8 --image-size 64x64 --workers 0 ;;
        evaluate) set -- "$@" --episodes 2 --workers 0 ;;
        train) [[ " $* " == *" --test "* ]] || set -- "$@" --set steps_per_epoch=2 --set max_epochs=2 ;;
        demo) echo "demo" >>"$NOT_RUN"; exit 0 ;;
    esac
fi
exec "$REAL_PYTHON" "$@"
"""
_STUB = '#!/usr/bin/env bash\necho "$(basename "$0")" >>"$NOT_RUN"\n'
_COMMAND = '#!/usr/bin/env bash\nexec "$(dirname "$0")/python" -m mobile_vla "$@"\n'
_ACTIVATE = 'export PATH="{bin}:$PATH"\n'

PROGRAMS = {"bash": ("bash", "-euo", "pipefail", "-c"), "python": ("python", "-c")}
PROMISES = ("Found ", "Mobile VLA Inference")
"""How the blocks begin that show what the command above them prints."""

Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def checkout(tmp_path: Path, stubbed: dict[str, str]) -> Path:
    """A copy of the repository, with a `.venv` of stand-ins and two data folders: beside it and inside."""
    root = tmp_path / "mobile-vla"
    root.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    _write_venv(root / ".venv" / "bin", stubbed)
    _write_tub(tmp_path / "home" / "mycar" / "data")
    return root


@pytest.fixture
def shell(checkout: Path, tmp_path: Path) -> Shell:
    """`shell(program, ...)` runs it in the checkout, as after `source .venv/bin/activate`."""
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "PATH": f"{checkout / '.venv' / 'bin'}:{os.environ['PATH']}",
        "REAL_PYTHON": sys.executable,
        "NOT_RUN": str(tmp_path / "not_run"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(arguments, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300)

    return run


@pytest.mark.timeout(900)
def test_every_block_of_a_page_runs_and_prints_what_it_promises(
    run_page: Any, checkout: Path, shell: Shell, stubbed: dict[str, str], tmp_path: Path
) -> None:
    if "run_mobile_vla_train.sh" in run_page.text:
        _use_a_miniature(checkout)
    ran, printed = 0, ""
    for block in run_page.blocks:
        if block.text.startswith(PROMISES) and printed:
            _check_promise(block, printed)
        if block.language not in PROGRAMS:
            continue
        if block.not_run and not _runs_after_all(block.not_run):
            printed = ""
            continue
        if NAMED.name in block.text:
            _name_a_checkpoint(checkout)
        done = shell(*PROGRAMS[block.language], block.text)
        printed = done.stdout + done.stderr
        assert done.returncode == 0, f"{block.where}\n{block.text}\n{printed[-8000:]}"
        ran += 1
    assert ran >= 4
    assert set((tmp_path / "not_run").read_text().split()) <= set(stubbed)
    named = re.findall(r"`(runs/[^`]*events[^`]*)`", run_page.text)
    assert all(list(checkout.glob(pattern)) for pattern in named)


def _check_promise(block: Any, printed: str) -> None:
    """Each line of `block` was printed, other numbers and another look of the bar aside."""
    for line in block.text.splitlines():
        pattern = re.sub(r"-?\d[\d.,]*", r"-?\\d[\\d.,]*", re.sub(r"([\[\]()|])", r"\\\1", line)).removesuffix("\\]")
        assert re.search(re.sub("#+", r"\\S+", pattern), printed), f"{block.where}: {line!r} was not printed by\n{printed}"


def test_a_promise_that_is_not_kept_is_found() -> None:
    block = SimpleNamespace(where="here", text="Found 132 .h5 files in dataset\nEpoch 0: 100%|###| 10/10 [00:30<00:00]\n")
    _check_promise(block, "Found 8 .h5 files in dataset\nEpoch 0: 100%|█████| 10/10 [00:02<00:00, 4it/s]\n")
    with pytest.raises(AssertionError, match=r"'Epoch 0: .*' was not printed"):
        _check_promise(block, "Found 8 .h5 files in dataset\n")


def test_what_is_not_run_says_why(unrun: str) -> None:
    pytest.skip(unrun)


def _runs_after_all(reason: str) -> bool:
    return reason == "needs a GPU" and torch.cuda.is_available()


def _write_venv(folder: Path, stubbed: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    files = {"python": _PYTHON, "python3": _PYTHON, "mobile-vla": _COMMAND, "activate": _ACTIVATE.format(bin=folder)}
    for name, text in {**files, **dict.fromkeys(stubbed, _STUB)}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def _use_a_miniature(checkout: Path) -> None:
    pytest.importorskip("transformers")
    from mobile_vla.model.hf.miniature import write_miniature

    model = write_miniature(checkout / "miniature", "kosmos-2")
    tree = load_json(checkout / GUIDES_CONFIG)
    tree["backbone"] = {"path": str(model)}
    (checkout / GUIDES_CONFIG).write_text(json.dumps(tree))


def _name_a_checkpoint(checkout: Path) -> None:
    """Give the first epoch's checkpoint the name that the page resumes."""
    first = next((checkout / NAMED.parent).glob("mobile_vla-epoch=00-*.ckpt"))
    shutil.copy(first, checkout / NAMED)


def _write_tub(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    records = []
    for index in range(8):
        name = f"{index}_cam_image_array_.jpg"
        Image.fromarray(np.full((12, 16, 3), index * 20, dtype=np.uint8)).save(folder / "images" / name)
        stamp = 1_600_000_000_000 + 50 * index
        keys = {"cam/image_array": name, "user/angle": 0.5, "user/throttle": 0.25, "user/mode": "user"}
        records.append(json.dumps({"_index": index, "_session_id": "a", "_timestamp_ms": stamp, **keys}))
    (folder / "catalog_0.catalog").write_text("\n".join(records) + "\n")
    catalogs = {"paths": ["catalog_0.catalog"], "current_index": 8, "deleted_indexes": []}
    rows = [["cam/image_array"], ["image_array"], {}, {"created_at": 1_600_000_000.0}, catalogs]
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, rows)))
