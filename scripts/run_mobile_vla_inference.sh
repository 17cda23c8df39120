#!/usr/bin/env bash
# Runs a trained policy: `mobile-vla infer` from the project's root, all arguments passed on. --help lists them.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" -m mobile_vla infer "$@"
