"""The machine that a number was measured on: what a reader needs to compare, and no host name."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("torch", "mujoco", "numpy")


def hardware() -> dict[str, str | int | float | None]:
    """Return CPU model, cores that this process may use, RAM (GiB), GPU (None unless torch drives one), OS, Python, libraries.

    Libraries are not imported for this; a package that is not installed is None.
    """
    found: dict[str, str | int | float | None] = {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "ram_gib": _ram_gib(),
        "gpu": _gpu(),
        "os": _os(),
        "python": platform.python_version(),
    }
    return found | {package: _version(package) for package in _PACKAGES}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ram_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):  # no sysconf on Windows
        return None


def _os() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpu() -> str | None:
    torch = sys.modules.get("torch")  # a run that used a GPU has imported torch already
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name())
