#!/usr/bin/env bash
# Make .venv-see-torchlens and .venv-see-nnsight hold the two that bench/see.py compares with, each by itself, beside
# the PyTorch that .venv has and what a model of Pellucid imports. TorchLens is Apache-2.0, nnsight is MIT; nothing of
# either goes into Pellucid.
#   TORCH_INDEX  the package index to take PyTorch from; pip's own setting when not given
set -euo pipefail
cd "$(dirname "$0")/.."

torch=$(.venv/bin/python -c 'from importlib.metadata import version; print("torch==" + version("torch").split("+")[0])')
make_one() {
  local venv=.venv-see-$1
  [[ -e $venv/.ready ]] && return
  echo "Making $venv with $2 (once)"
  rm -rf "$venv"
  .venv/bin/python -m venv "$venv"
  local pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet --quiet install)
  "${pip[@]}" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch"
  "${pip[@]}" "$2" jaxtyping pydantic tomlkit
  touch "$venv/.ready"
}
make_one torchlens torchlens==2.36.1
make_one nnsight nnsight==0.8.1
