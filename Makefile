# What can be done here: `make help`. Settings are given as `make demo TO=de`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

TO ?= zh
BUDGET ?= 4m
SIZE ?= default
PYTHON ?=
TORCH_INDEX ?=

BIN := .venv/bin
JOEYNMT := .venv-joeynmt/bin/python

.PHONY: help setup demo test coverage test-slow bench docs lock browser clean

help:  ## show this list
	@echo "make <what> [SETTING=value ...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "settings"
	@echo "  TO=zh|de|fr  BUDGET=4m  SIZE=small|default|large    of demo"
	@echo "  PYTHON=python3.12                                   of setup: 3.11 or newer"
	@echo "  TORCH_INDEX=URL                                     of setup: the package index to take PyTorch from"

setup: .venv/.ready  ## make .venv and install everything into it

.venv/.ready: pyproject.toml requirements.lock tools/setup.sh
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" tools/setup.sh

demo: setup  ## the main job: fetch the corpus, train English to Chinese for 4 minutes, show what came out
	@$(BIN)/pellucid demo translate --to $(TO) --budget $(BUDGET) --size $(SIZE)

test: setup browser  ## lint, types and tests, without the slow ones
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

coverage: setup browser  ## the same tests, and what share of the code they run (twice as long)
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile --cov --cov-report=term

test-slow: setup browser  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow || [ $$? -eq 5 ]  # 5: there are none

bench: setup  ## speed, quality and cost beside our peers, written into docs/benchmarks.md (over an hour)
	@TORCH_INDEX="$(TORCH_INDEX)" bench/setup_joeynmt.sh
	$(BIN)/python bench/train_translation.py --joeynmt $(JOEYNMT) --write docs/benchmarks.md
	$(BIN)/python bench/costs.py --write docs/benchmarks.md
	$(BIN)/python bench/cores.py --write docs/benchmarks.md
	$(BIN)/python bench/translate.py --write docs/benchmarks.md
	$(BIN)/python bench/translate_checks.py --run runs/bench/en-zh-small --write docs/benchmarks.md
	$(BIN)/python bench/quality_per_minute.py --joeynmt $(JOEYNMT) --write docs/benchmarks.md
	$(BIN)/python bench/number_format.py --write docs/benchmarks.md
	$(BIN)/python bench/optimizers.py --write docs/benchmarks.md
	$(BIN)/python bench/ladder.py --write docs/benchmarks.md
	@TORCH_INDEX="$(TORCH_INDEX)" bench/setup_see_peers.sh
	$(BIN)/python bench/see.py --write docs/benchmarks.md
	$(BIN)/python bench/page.py --write docs/benchmarks.md
	$(BIN)/python bench/doctor.py --write docs/benchmarks.md
	$(BIN)/python bench/data_check.py --write docs/benchmarks.md
	PYTHONPATH=. $(BIN)/python bench/doctor_hits.py --write

docs: setup  ## build the documentation into site/
	$(BIN)/python tools/make_config_reference.py
	$(BIN)/python tools/make_command_reference.py
	$(BIN)/python tools/make_illness_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: setup  ## write requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python tools/lock.py

browser: setup
	@tools/browser.sh

clean:  ## remove what was built; keeps .venv and runs/
	rm -rf build dist site .coverage .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +
