"""What holds for every file: syntax of Python 3.10, no path of a machine, configs that parse, targets that exist."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mobile_vla.core.config import load_json

ROOT = Path(__file__).resolve().parents[2]

# Whole words of a registry's or a machine's address. The names are put together here, so that this file does not hold them.
HOSTS = ("pypi" + ".org", "python" + "hosted.org", "registry." + "npmjs", "localhost" + ":3141")
MACHINE_PATHS = ("/ro" + "ot/.pyenv", "/ho" + "me/", "/tmp/" + "proto", "/wo" + "rk/", "/opt/" + "wheels", "/opt/" + "pypi")
FOLDERS = ("benchmarks", "configs", "docs", "eval", "examples", "scripts", "src", "tests")
"""Where sources are; others hold what was installed or made."""


def tracked_files() -> list[Path]:
    """Return what git tracks, or, without git or outside a clone (an unpacked archive), all sources."""
    if shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
        if listed.returncode == 0:
            return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    found = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


TRACKED = tracked_files()
PYTHON = [path for path in TRACKED if path.suffix == ".py"]


def text_of(path: Path) -> str:
    """Return the text of `path`, empty for a binary file."""
    raw = path.read_bytes()
    return "" if b"\0" in raw[:8192] else raw.decode("utf-8")


def test_every_python_file_is_python_3_10() -> None:
    assert len(PYTHON) > 30
    for path in PYTHON:
        ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 10))


@pytest.mark.parametrize("words", [HOSTS, MACHINE_PATHS], ids=["registry hosts", "machine paths"])
def test_no_tracked_file_names_a_machine(words: tuple[str, ...]) -> None:
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}" for word in words))
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in TRACKED
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_tracked_file_names_the_checkout() -> None:
    parent = str(ROOT.parent).rstrip("/") + "/"
    if len(parent) < 5:
        pytest.skip(f"the checkout lies in {parent!r}, which is too short to look for")
    assert not [str(path) for path in TRACKED if parent in text_of(path)]


CONFIGS = sorted(path for path in TRACKED if path.suffix == ".json" and path.is_relative_to(ROOT / "configs"))


@pytest.mark.parametrize("path", CONFIGS or [pytest.param(None, marks=pytest.mark.skip(reason="no config is shipped yet"))])
def test_every_shipped_config_parses(path: Path) -> None:
    assert load_json(path), f"{path} is empty"


DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "check"} <= targets
    named = {
        (path.name, target)
        for path in DOCUMENTS
        for code in re.findall(r"```.*?```|`[^`\n]+`", path.read_text(encoding="utf-8"), re.DOTALL)
        for target in re.findall(r"\bmake (?:[A-Z_]+=\S+ )*([a-z][a-z-]*)", code)
    }
    assert ("CONTRIBUTING.md", "check") in named
    assert not {(file, target) for file, target in named if target not in targets}


def test_every_phony_target_exists_and_is_described() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in shown.splitlines()] == phony


def test_init_files_are_empty() -> None:
    inits = [path for path in PYTHON if path.name == "__init__.py" and path.is_relative_to(ROOT / "src")]
    full = [path for path in inits if path.read_bytes() and path.parent.name != "mobile_vla"]
    assert inits
    assert not full
