# Everything runs through .venv, which `make setup` makes from the lock files. `make` alone lists what there is.
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.ready
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup doctor demo run check test test-all bench fmt docs lock clean

$(READY): $(wildcard requirements/*.txt) pyproject.toml tools/setup.py
	@$(PYTHON) tools/setup.py

##@ Start here
help: ## this list
	@[ -t 1 ] && b=$$(printf '\033[1m') c=$$(printf '\033[36m') n=$$(printf '\033[0m'); \
	awk -v b="$$b" -v c="$$c" -v n="$$n" 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s%s%s\n", b, substr($$0, 5), n } \
	  /^[a-z-]+:.*## / { printf "  %smake %-10s%s %s\n", c, $$1, n, $$2 }' $(MAKEFILE_LIST); echo

setup: $(READY) ## make .venv and install what the lock files say (about half a minute, once)
	@echo "✓ .venv is ready; next: make demo, make check or make test"

doctor: ## what this machine has, what it lacks, and what to do about it
	@$(PYTHON) tools/doctor.py

demo: $(READY) ## the whole journey on simulators: banks file, departments decide, the trail is verified
	@$(PY) -m tools.demo

run: $(READY) ## the same house, left running until Ctrl-C
	@$(PY) -m tools.demo --stay

##@ Every day
check: $(READY) ## format, lint, types, import rules, catalogue, promises
	@$(PY) -m tools.check

test: $(READY) ## the tests, on SQLite and PostgreSQL
	@$(PY) -m tools.run_tests $(ARGS)

test-all: $(READY) ## also the full matrix and the kill tests
	@$(PY) -m tools.run_tests --all $(ARGS)

fmt: $(READY) ## format the code and mend what can be mended mechanically
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

docs: $(READY) ## draw states, settings and traits anew from the code
	@$(PY) -m tools.generated_docs

##@ Now and then
bench: $(READY) ## measure intake and dispatch on this machine
	@$(PY) -m tools.bench

faults: $(READY) ## 1,000 cases, faulty peers, processes killed and frozen: what is lost, double or stuck
	@$(PY) -m tools.faults $(ARGS)

lock: $(READY) ## write the lock files anew from requirements/*.in (ARGS=--upgrade moves the pins)
	@$(PY) -m tools.lock $(ARGS)

clean: ## remove .venv and caches; data under var/ stays
	@rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build ./*.egg-info
	@find . -path ./.git -prune -o -path ./var -prune -o -name __pycache__ -type d -exec rm -rf {} +
