# The front door. `make` or `make help` lists what there is; every target sets up what it needs first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
PY := .venv/bin/python
BIN := .venv/bin
CODE := $(wildcard services relying deploy tools tests)
RESIDENTS ?= 400
FUZZ_SECONDS ?= 60
TOPOLOGY ?= deploy/topology.toml
# Any Python from 3.11 on will do; PYTHON=... chooses one.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$python"; break; }; done)

# A Python or a package index of the machine must not leak into ours.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV
export UV_PYTHON_DOWNLOADS := never

# Card readers need pyscard, which is compiled against the headers of PC/SC (Debian: libpcsclite-dev). Without them
# everything else works, and software cards stand directly behind the card node.
LOCK := $(if $(wildcard /usr/include/PCSC/winscard.h),requirements-pcsc.lock,requirements.lock)
LOCKED := .venv/.$(LOCK)

UV := $(shell command -v uv 2>/dev/null || echo var/tools/bin/uv)
LOCAL := $(PY) -m deploy.local --topology $(TOPOLOGY)

.PHONY: help setup proto demo up down status test unit contract integration e2e house fmt fmt-check lint types arch \
	conformance docs docs-check breaking check bench card fuzz drill-tamper lock clean

help: ## list the targets
	@sed -nE 's/^([a-z0-9 -]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | \
		while IFS=$$'\t' read -r target text; do printf '  \033[36m%-12s\033[0m %s\n' "$$target" "$$text"; done

# --- setting up ------------------------------------------------------------------------------------------------------

setup: .venv/.installed build/.stubs ## install everything that is locked, generate the stubs
	@:

proto: ## generate the Python stubs from protos/
	@rm -f build/.stubs && $(MAKE) build/.stubs

var/tools/bin/uv:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer: install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing uv $(UV_VERSION) into var/tools"
	@"$(PYTHON)" -m venv var/tools >/dev/null || { rm -rf var/tools; \
		echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@var/tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv==$(UV_VERSION)'

$(LOCKED): $(LOCK) | $(filter var/%,$(UV))
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer: install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing the locked dependencies into .venv"
	@test -x $(PY) || $(UV) venv --quiet --python "$(PYTHON)" .venv
	@$(UV) pip sync --quiet --python $(PY) --require-hashes $(LOCK) || { command -v cc >/dev/null || \
		echo "There is no C compiler (cc), which some packages need: install one (Debian: apt-get install gcc)" >&2; exit 1; }
	@touch $@

.venv/.installed: $(LOCKED) pyproject.toml build/.stubs
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

build/.stubs: $(shell find protos -name '*.proto') tools/gen_stubs.py tools/proto_image.py $(LOCKED)
	@echo "Generating stubs from protos"
	@$(PY) -m tools.gen_stubs
	@touch $@

# --- running ---------------------------------------------------------------------------------------------------------

demo: setup ## start the federation, load RESIDENTS=400 a municipality, show its main job, leave it up
	@$(LOCAL) demo --residents $(RESIDENTS)

up: setup ## start the federation in the background
	@$(LOCAL) up

down: ## stop it
	@if [ -x $(PY) ]; then $(LOCAL) down; else echo "Nothing runs: nothing has been set up."; fi

status: setup ## show processes, health, lag of each edge, audit logs
	@$(LOCAL) status

bench: setup ## measure look-ups, propagation, bulk confirmation, cards, beside floors; write JSON
	@$(PY) -m tools.bench
	@$(PY) -m tools.bench.card
	@$(PY) -m tools.bench.card_issue

card: setup ## make, insert, show software cards: make card ARGS="make --help"
	@$(PY) -m services.card.tool $(or $(ARGS),--help)

fuzz: setup ## feed the software card bad input, coverage-guided: make fuzz FUZZ_SECONDS=60
	@test -x var/fuzz/bin/python || { $(UV) venv --quiet --python "$(PYTHON)" var/fuzz && \
		$(UV) pip install --quiet --python var/fuzz/bin/python --require-hashes --requirements requirements.lock && \
		$(UV) pip install --quiet --python var/fuzz/bin/python 'atheris>=3.0'; }
	@mkdir -p build/fuzz
	@PYTHONPATH=.:gen var/fuzz/bin/python -m tests.fuzz.fuzz_card -max_total_time=$(FUZZ_SECONDS) build/fuzz

drill-tamper: setup ## tamper with a real audit log 1,200 times; everything must be found
	@$(PY) -m tools.drill_tamper --json build/drill-tamper.json

# --- testing ---------------------------------------------------------------------------------------------------------

test: setup ## run every level of the tests
	@$(PY) -m pytest

unit contract integration e2e house: setup ## run one level of the tests
	@$(PY) -m pytest tests/$@

conformance: setup ## judge a card by its specification: JUKI_CARD_READER, JUKI_CARD_SPECIMEN; else the software card
	@$(PY) -m pytest -rs tests/conformance/card

# --- checking --------------------------------------------------------------------------------------------------------

check: fmt-check lint types arch docs-check breaking test ## run everything that CI runs

fmt: setup ## format Python and protos
	@$(BIN)/ruff format --quiet $(CODE)
	@$(BIN)/ruff check --quiet --fix-only --select I $(CODE)
	@$(BIN)/buf format --write protos

fmt-check: setup
	@$(BIN)/ruff format --check --quiet $(CODE) || { echo "Run \`make fmt\`" >&2; exit 1; }
	@$(BIN)/buf format --diff --exit-code protos

lint: setup ## ruff, buf lint
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/buf lint build/head.binpb

types: setup ## mypy --strict
	@$(BIN)/mypy $(CODE)

arch: setup ## import contracts
	@$(BIN)/lint-imports --no-cache > build/arch.txt || { cat build/arch.txt >&2; exit 1; }
	@grep '^Contracts' build/arch.txt

docs: setup ## write docs/catalogue from the code
	@$(PY) -m tools.gen_catalogue

docs-check: setup ## links of the documents, catalogues in step with the code
	@$(PY) -m tools.check_links
	@$(PY) -m tools.gen_catalogue --check

breaking: setup ## compare the protos with those of main
	@$(PY) -m tools.breaking

COMPILE = $(UV) pip compile pyproject.toml --generate-hashes --no-header --no-annotate --universal --quiet \
	--extra embedded --extra issuing --extra dev

lock: $(LOCKED) ## resolve the dependencies anew into requirements.lock and requirements-pcsc.lock
	@$(COMPILE) --upgrade --output-file requirements.lock
	@$(COMPILE) --upgrade --extra pcsc --constraint requirements.lock --output-file requirements-pcsc.lock

clean: down ## remove the run's state and what is generated; keeps .venv
	@rm -rf var/dev gen build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
