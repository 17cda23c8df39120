# Everything a developer types. `make` alone lists it. Nothing here is needed to use the installed package.
# PYTHON    the interpreter that .venv is made with (3.10 or newer)
# PIP_ARGS  passed to pip, for example PIP_ARGS="--extra-index-url URL" for another build of PyTorch
# ARGS      passed to the demo, for example ARGS="--episodes 16"
# PYTEST_ARGS  passed to pytest, for example PYTEST_ARGS="tests/core -x"
PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=

export PYTHON PIP_ARGS
export OMP_WAIT_POLICY ?= PASSIVE

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo install test test-slow test-all check lint types layers format trial clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## install what the demo needs into .venv and run it
	@scripts/install.sh demo
	@scripts/install_renderer.sh
	$(BIN)/mobile-vla demo $(ARGS)

install: ## install everything for development into .venv
	@scripts/install.sh demo dev
	@scripts/install_renderer.sh

test: install ## the fast tests (under 10 minutes on 2 cores)
	$(PYTEST) $(PYTEST_ARGS)

test-slow: install ## the slow tier alone: network, other interpreters, whole trainings
	$(PYTEST) -m slow $(PYTEST_ARGS) || [ $$? -eq 5 ] # 5: there is no slow test

test-all: install ## both tiers (under 30 minutes)
	$(PYTEST) -m "slow or not slow" $(PYTEST_ARGS)

check: lint types layers test ## all that must hold before a change is merged

lint: install ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install ## static types
	$(BIN)/mypy

layers: install ## imports go one way
	$(BIN)/lint-imports

format: install ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

trial: ## as root: these commands and the guide's, as a new user, in an empty Debian 12; ARGS goes to the demo
	@scripts/trial.sh $(ARGS)

clean: ## remove .venv and all caches (runs/ stays)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
