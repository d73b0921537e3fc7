# Few targets; each makes the virtual environment it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test check coverage bench chaos schemas compiler clients clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $(VENV)/.runtime $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

run: $(VENV)/.runtime  ## Start the server, fire webhooks at it and show the runs
	$(BIN)/python examples/serve_tour.py

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## Lint, format, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(VENV)/.dev  ## Show that every branch of the core is tested
	$(BIN)/python -m pytest tests/core --quiet --cov=openrun.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

bench: $(VENV)/.bench  ## Print the speed ratios
	$(BIN)/python -m benchmarks

chaos: $(VENV)/.dev  ## Kill workers at random moments a thousand times, and check what is left
	$(BIN)/python -m tests.chaos --kills 1000 --store sqlite

schemas: $(VENV)/.dev  ## Write the JSON Schemas anew
	$(BIN)/python -m openrun.schemas

compiler:  ## Install a C compiler (Debian), for the power-cut tests
	apt-get update -qq && apt-get install -y -qq gcc libc6-dev

clients:  ## Install curl and openssl (Debian), for the tests of the pages
	apt-get update -qq && apt-get install -y -qq curl openssl

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
