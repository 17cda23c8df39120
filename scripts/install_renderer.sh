#!/usr/bin/env bash
# Sees to it that the simulator's camera renders without a screen: tries it, and when it does not, installs a software renderer with
# apt where that is allowed (root, or sudo that asks for no password), else prints the line to run.
# Usage: scripts/install_renderer.sh    (after scripts/install.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
packages="libegl1 libgl1-mesa-dri libopengl0" # libopengl0: where PyOpenGL looks for the functions themselves
fallback="libosmesa6"
stamp=.venv/.renders

renders() {
    .venv/bin/python - <<'PYTHON' >/dev/null 2>&1
import mobile_vla.sim.gl  # chooses the backend, and must come before mujoco
import mujoco

renderer = mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, 8)
renderer.render()
renderer.close()
PYTHON
}

succeed() {
    touch "$stamp"
    exit 0
}

[ ! -e "$stamp" ] || exit 0
! renders || succeed

if ! command -v apt-get >/dev/null; then
    echo "The simulator's camera cannot render here: install EGL with Mesa's software drivers, or OSMesa, and run this again." >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    may=""
elif sudo -n true 2>/dev/null; then
    may="sudo"
else
    echo "The simulator's camera cannot render here. Run this once, then the same command again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages" >&2
    exit 1
fi
echo "Installing a software renderer for the simulator: $packages" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # several words each
{
    $may apt-get update -qq || true # an old list may still do
    $may apt-get install -y -qq --no-install-recommends $packages </dev/null ||
        $may apt-get install -y -qq --no-install-recommends $fallback </dev/null
} >&2
! renders || succeed
echo "The simulator's camera still cannot render with $packages installed. See why with:" >&2
echo "  .venv/bin/python -c 'import mobile_vla.sim.gl, mujoco; mujoco.Renderer(mujoco.MjModel.from_xml_string(\"<mujoco/>\"))'" >&2
exit 1
