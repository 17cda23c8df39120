#!/usr/bin/env bash
# Makes .venv and installs this package into it, editable, with the extras named. Does nothing when that has already been done for
# this pyproject.toml, this Python and this folder. An installation that was killed half-way is started afresh.
# Usage: [PYTHON=python3.11] [PIP_ARGS="..."] scripts/install.sh EXTRA...
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

die() {
    echo "$*" >&2
    exit 1
}

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    die "PYTHON=$python does not run. Python 3.10 or newer is needed: sudo apt-get install -y python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$python is Python $version, and 3.10 or newer is needed. Install one and name it, for example:" \
        "sudo apt-get install -y python3.11 python3.11-venv && make PYTHON=python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$python has no venv module: sudo apt-get install -y python$version-venv"

fingerprint="$PWD $version $(cksum <pyproject.toml)"
missing=()
for extra in "$@"; do
    [ "$(cat ".venv/.installed-$extra" 2>/dev/null)" = "$fingerprint" ] || missing+=("$extra")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# Extras that are there already are named again, so that pip keeps all of them consistent.
for stamp in .venv/.installed-*; do
    extra=${stamp#.venv/.installed-}
    [ ! -e "$stamp" ] || [[ " ${missing[*]} " == *" $extra "* ]] || missing+=("$extra")
done

made_for=$(cat .venv/.made_for 2>/dev/null || true)
if [ "$made_for" != "$PWD $version" ] || [ -e .venv/.installing ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "Making .venv with $python ($version)" >&2
    "$python" -m venv --clear .venv || die "$python could not make .venv: sudo apt-get install -y python$version-venv"
    echo "$PWD $version" >.venv/.made_for
fi

rm -f .venv/.installed-*
touch .venv/.installing
extras=$(IFS=,; echo "${missing[*]}")
echo "Installing mobile-vla[$extras] into .venv" >&2
# shellcheck disable=SC2086 # PIP_ARGS holds several words
if ! .venv/bin/python -m pip install --disable-pip-version-check ${PIP_ARGS:-} --editable ".[$extras]"; then
    rm -f .venv/.installing
    die "pip could not install mobile-vla[$extras]; its message is above. Mend the cause and run the same command again."
fi
for extra in "${missing[@]}"; do
    echo "$fingerprint" >".venv/.installed-$extra"
done
rm -f .venv/.installing
