#!/usr/bin/env bash
# Make .venv-joeynmt hold JoeyNMT 2.3, which the benchmarks compare with, beside the PyTorch that .venv has.
#   TORCH_INDEX  the package index to take PyTorch from; pip's own setting when not given
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv-joeynmt
[[ -e $VENV/.ready ]] && exit
torch=$(.venv/bin/python -c 'from importlib.metadata import version; print("torch==" + version("torch").split("+")[0])')
echo "Making $VENV with joeynmt 2.3.0 (once)"
rm -rf $VENV
.venv/bin/python -m venv $VENV
pip() { $VENV/bin/python -m pip --disable-pip-version-check --quiet --quiet "$@"; }
pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch"
pip install joeynmt==2.3.0 importlib_metadata  # it imports the latter without saying so
touch $VENV/.ready
