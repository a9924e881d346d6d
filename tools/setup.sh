#!/usr/bin/env bash
# Make .venv hold what Pellucid needs. Run by `make setup`; does nothing that is already done.
#   PYTHON       the Python to use (3.11 or newer); python3, or the newest of python3.11 .. 3.13, when not given
#   TORCH_INDEX  the package index to take PyTorch from; pip's own setting when not given
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH=torch==2.13.0  # the one place that says which PyTorch
VENV=.venv

fail() { echo "error: $*" >&2; exit 2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  if [[ -n "${PYTHON:-}" ]]; then
    new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or newer. Give another, such as PYTHON=/usr/bin/python3.12."
    echo "$PYTHON"
    return
  fi
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if new_enough "$name"; then echo "$name"; return; fi
  done
  fail "Python 3.11 or newer is needed, and none was found. Install one, or say where it is: make setup PYTHON=/path/to/python3"
}

if ! { [[ -x $VENV/bin/python ]] && new_enough $VENV/bin/python; }; then
  python=$(find_python)
  echo "Making $VENV with $("$python" --version)"
  rm -rf $VENV
  "$python" -m venv $VENV || { rm -rf $VENV; fail "$python cannot make virtual environments; on Debian install python3-venv."; }
fi
pip() { $VENV/bin/python -m pip --disable-pip-version-check "$@"; }

# PyTorch goes first and alone, so that an index named for it is asked for nothing else.
installed=$($VENV/bin/python -c 'from importlib.metadata import version; print("torch==" + version("torch").split("+")[0])' 2>/dev/null || true)
if [[ $installed != "$TORCH" ]]; then
  echo "Installing $TORCH${TORCH_INDEX:+ from $TORCH_INDEX} (the largest download)"
  if [[ -t 1 ]]; then quiet=(); else quiet=(--quiet --quiet); fi
  pip install ${quiet[@]+"${quiet[@]}"} ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} $TORCH
fi

echo "Installing what requirements.lock lists"
pip install --quiet --quiet --require-hashes --no-deps -r requirements.lock
pip install --quiet --quiet --no-deps --no-build-isolation --editable .
touch $VENV/.ready
echo "Ready: .venv/bin/pellucid --help"
