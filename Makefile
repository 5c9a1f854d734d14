# What a fresh machine needs is Python 3.11 to 3.13. Nothing here needs root, Docker or a database server.

# The first that runs: a name on the PATH may be a shim of a version that is not there.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
  $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$name && break; \
done)
VENV ?= .venv
# Without a GPU, TORCH_INDEX=https://download.pytorch.org/whl/cpu saves a large download.
TORCH_INDEX ?=
# Processes that run tests beside each other.
JOBS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-real lint types benchmark clean

demo: $(VENV)/.installed
	$(BIN)/replica demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not real"

test-real: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m real

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

benchmark: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" \
	  || { echo "error: Python 3.11 to 3.13 is needed: install one, or name it, as in make PYTHON=/opt/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "error: $(PYTHON) cannot make virtual environments: install its venv package"; exit 1; }
	@test -z "$(TORCH_INDEX)" || $(PIP) install --quiet "torch>=2.8,<2.14" --index-url "$(TORCH_INDEX)"
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(PIP) install --quiet -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml
	$(PIP) install --quiet -e ".[dev]"
	@touch $@
