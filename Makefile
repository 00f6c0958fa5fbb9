PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests that start whole stacks, and need the machine for themselves.
ALONE := tests/acceptance tests/faults

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: $(READY) ## Build .venv from the lock

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 15) else "Penstock needs Python 3.11 to 3.14; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	@# Compiling what is never imported would take longer than all the rest.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: demo
demo: setup ## Run the sample pages through the whole stack, offline
	PENSTOCK_DATA_DIR=$(or $(PENSTOCK_DATA_DIR),.penstock/demo) $(BIN)/penstock demo

.PHONY: check
check: setup ## Lint, types, layers, doctests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --doctest-modules --ignore=orchestration/storage/migrations --quiet api orchestration pipeline stages

.PHONY: test
test: check ## All checks and tests
	$(BIN)/pytest -m "not full" --numprocesses auto --dist loadfile $(ALONE:%=--ignore %)
	$(BIN)/pytest -m "not full" $(ALONE)

.PHONY: test-full
test-full: check ## All checks and tests, the long ones too, the acceptance tests on both transports
	$(BIN)/pytest
	PENSTOCK_BROKER_TRANSPORT=lists $(BIN)/pytest tests/acceptance

.PHONY: bench
bench: setup ## Jobs per second against bare Celery
	$(BIN)/python -m tests.benchmarks.throughput

.PHONY: bench-summaries
bench-summaries: setup ## ROUGE of summaries without a language model: DATA=file-or-folder
	@$(BIN)/python -m tests.benchmarks.summaries "$(DATA)"

.PHONY: bench-extraction
bench-extraction: setup ## How well main content is found: DATA=folder of pages and truth
	@$(BIN)/python -m tests.benchmarks.extraction --data $(DATA)

.PHONY: bench-bombs
bench-bombs: setup ## How hostile answers end, and how long they take
	$(BIN)/python -m tests.benchmarks.bombs

.PHONY: chaos
chaos: setup ## Break everything at random under load, then judge: MINUTES=30 SEED=1
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1)

.PHONY: lock
lock: setup ## Lock the newest allowed dependencies
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade --extra postgres --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade --extra postgres --extra render --constraint requirements.lock --output-file requirements-render.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --upgrade --extra postgres --extra render --group dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

.PHONY: clean
clean: ## Remove what was built, the environment too
	rm -rf $(VENV) build dist .penstock .mypy_cache .ruff_cache .pytest_cache .hypothesis
