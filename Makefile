# `make help` lists the targets. All of them set up what they need themselves: see tools/bootstrap.

BIN := .venv/bin
CHECKED := src tools bench
# Which tests `make test` runs, in pytest's language; `make test MARK=` runs all of them.
MARK ?= not slow
# Which benchmarks `make bench` runs; empty: all.
WHAT ?=

export PYTHON
# runc and nft live there; `su` alone does not put them into the PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help run test test-slow lint bench clean venv host

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: host ## the tour: an agent with two sidecars, real requests, a killed sidecar, and nothing left behind
	@$(BIN)/python tools/tour.py

test: host lint ## everything but the slow tests: format, lint, types, layers, the example agent, pillion
	@tools/stage agent tools/pytest -q -c examples/agent/pyproject.toml --rootdir examples/agent examples/agent/tests
	@tools/pytest -q --durations=5 --durations-min=2 -m "$(MARK)"

test-slow: host ## the slow tests only
	@tools/pytest --durations=5 --durations-min=2 -m slow

lint: venv ## format, lint, types and layers
	@tools/stage format $(BIN)/ruff format --check .
	@tools/stage lint $(BIN)/ruff check .
	@tools/stage types $(BIN)/mypy $(CHECKED)
	@tools/stage layers $(BIN)/lint-imports

bench: host ## figures of this machine; WHAT="decide start …" chooses
	@$(BIN)/python -m bench $(WHAT)

clean: ## remove .venv/ and every cache
	rm -rf .venv .bench build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@tools/bootstrap venv

host: venv
	@tools/bootstrap host
