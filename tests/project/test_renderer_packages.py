"""The Debian packages that the simulator's camera needs are named alike by all who name them."""

from __future__ import annotations

import re
from pathlib import Path

from mobile_vla.sim.gl import APT_LINE

ROOT = Path(__file__).resolve().parents[2]


def test_the_script_the_error_message_and_the_readme_name_the_same_packages() -> None:
    script = (ROOT / "scripts" / "install_renderer.sh").read_text()
    named = re.search(r'^packages="(.*)"', script, re.MULTILINE)
    assert named is not None
    assert f"sudo apt-get install -y {named[1]}" == APT_LINE
    assert f"`{named[1]}`" in (ROOT / "README.md").read_text()
