# Every target sets up what it needs, inside this checkout, from nothing but a Python of 3.11 or later and make.
#   make demo          the example server, called over stdio and over HTTP
#   make test          every gate, then every test: what .ci/run runs
#   make help          the rest
# A second run is quick: what is installed is remembered by stamp files inside the environments.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
# -qq shows errors and nothing else.
PIP := -m pip --disable-pip-version-check install -qq
NPM := $(PYTHON) scripts/npm.py
RUN_STAMP := $(VENV)/.stamp-run
DEV_STAMP := $(VENV)/.stamp-dev
NODE_STAMP := tests/conformance/node_modules/.stamp
SERVERS_STAMP := tests/interop/npm/node_modules/.stamp
INTEROP_STAMPS := .interop/mcp1/.stamp .interop/mcp2/.stamp .interop/fastmcp4/.stamp $(SERVERS_STAMP)

# What `make test` promises to have; without it a test that lacks its tool is skipped (tests/requirements.py).
export ANYPORT_REQUIRE_TOOLS ?= 1
# Arguments for the tool behind a target: make pytest ARGS="tests/protocol -x"
ARGS ?=
WORKERS ?= 2

# ------------------------------------------------------------------ what a user types

.PHONY: help
help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(RUN_STAMP) ## the example server over stdio and HTTP, called over both
	@$(PYTHON) -m scripts.demo

.PHONY: test
test: tools ## every gate, then every test (under 10 minutes on 2 cores)
	@$(MAKE) lint
	$(MAKE) pytest

.PHONY: lint
lint: $(DEV_STAMP) ## ruff, pyright, import-linter, limits
	@echo "ruff check" && $(BIN)/ruff check --quiet .
	echo "ruff format" && $(BIN)/ruff format --check --quiet . || { echo "make format fixes this"; exit 1; }
	echo "pyright" && $(PYTHON) scripts/quiet.py $(BIN)/pyright
	echo "import-linter" && $(PYTHON) scripts/quiet.py $(BIN)/lint-imports
	echo "limits" && $(PYTHON) scripts/check_limits.py

.PHONY: format
format: $(DEV_STAMP) ## let ruff format and sort the imports
	@$(BIN)/ruff check --quiet --fix --select I .
	$(BIN)/ruff format .

.PHONY: pytest
pytest: $(DEV_STAMP) ## the tests alone: make pytest ARGS="tests/protocol -x"
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

.PHONY: conformance
conformance: $(DEV_STAMP) conformance-tools ## the official conformance suite alone
	@$(PYTHON) -m pytest tests/conformance $(ARGS)

.PHONY: interop
interop: $(DEV_STAMP) interop-tools ## the other SDKs alone
	@$(PYTHON) -m pytest tests/interop $(ARGS)

.PHONY: bench
bench: $(RUN_STAMP) ## anyport beside the other libraries and the limits
	@$(PYTHON) -m benchmarks $(ARGS)

.PHONY: soak
soak: $(RUN_STAMP) ## what takes long: a minute of calls (ARGS=--seconds=N), every operation 10,000 times, 1,200 kills, crowds
	@$(PYTHON) -m scripts.soak $(ARGS)
	$(PYTHON) -m tests.budgets.operations >/dev/null
	$(PYTHON) -m tests.budgets.client_operations >/dev/null
	$(PYTHON) -m tests.faults.kills
	$(PYTHON) -m tests.faults.server_kills
	$(PYTHON) -m tests.faults.crowds

.PHONY: import-times
import-times: $(DEV_STAMP) ## the figures of adr/dependencies.md
	@$(PYTHON) scripts/import_times.py $(ARGS)

.PHONY: build
build: $(DEV_STAMP) ## sdist and wheel in dist/
	@$(PYTHON) $(PIP) --constraint constraints.txt build hatchling
	$(PYTHON) -m build --no-isolation --outdir dist .

.PHONY: clean
clean: ## forget every environment and cache
	@rm -rf $(VENV) .interop .bench dist build tests/conformance/node_modules tests/interop/npm/node_modules \
	    .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# ------------------------------------------------------------------ set-up

.PHONY: venv
venv: $(DEV_STAMP) ## the environment for development, in .venv

.PHONY: tools
tools: $(DEV_STAMP) conformance-tools interop-tools nginx-tools

.PHONY: conformance-tools
conformance-tools: $(NODE_STAMP)

.PHONY: interop-tools
interop-tools: $(INTEROP_STAMPS)

# A test that needs it says so; without root or apt, install it by hand.
.PHONY: nginx-tools
nginx-tools:
	@if ! PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	    echo "installing nginx"
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends nginx-light >/dev/null
	fi

$(PYTHON):
	@scripts/make-venv $(VENV)

$(RUN_STAMP): pyproject.toml constraints.txt | $(PYTHON)
	@echo "installing anyport into $(VENV)"
	$(PYTHON) $(PIP) --constraint constraints.txt pip
	$(PYTHON) $(PIP) --constraint constraints.txt --build-constraint constraints.txt --editable .
	touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "installing the tools of development into $(VENV)"
	$(PYTHON) $(PIP) --constraint constraints.txt --group dev
	touch $@

# No install scripts: the arch packages that the `node` package would fetch in its script are named in package.json.
$(NODE_STAMP): tests/conformance/package.json tests/conformance/package-lock.json | $(DEV_STAMP)
	@echo "installing Node 22 and the conformance suite"
	$(NPM) ci --prefix tests/conformance >/dev/null
	tests/conformance/node_modules/.bin/node --version | grep -q '^v22\.'
	touch $@

# The servers of npm run on the Node of the conformance suite.
$(SERVERS_STAMP): tests/interop/npm/package.json tests/interop/npm/package-lock.json | $(NODE_STAMP)
	@echo "installing servers from npm"
	$(NPM) ci --prefix tests/interop/npm >/dev/null
	touch $@

.interop/%/.stamp: tests/interop/requirements-%.txt
	@echo "installing the environment .interop/$*"
	rm -rf .interop/$*
	scripts/make-venv .interop/$*
	.interop/$*/bin/python $(PIP) --requirement $<
	touch $@

# ------------------------------------------------------------------ locks

.PHONY: lock
lock: $(DEV_STAMP) ## resolve every version anew: constraints.txt, tests/interop, tests/conformance
	@scripts/make-lock
