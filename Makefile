# Needs Python 3.11, 3.12 or 3.13: make demo PYTHON=python3.13 if python3 is another one.
# On Linux the torch of PyPI brings gigabytes of CUDA; for the small build without:
#     PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make .venv

PYTHON ?= python3
PYTEST_ARGS ?=
SOAK_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --constraint constraints.txt

.PHONY: demo test docs soak lint clean .venv

demo: .venv/.demo
	@$(BIN)/aedetect demo

test: .venv/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

# The pages under docs/ as a site that needs no server and no network: open site/index.html.
docs: .venv/.installed
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "the documentation: site/index.html"

# What CI has no time for; about an hour. SOAK_ARGS="--kills 10 --files 0 --rows 0" for a part of it.
soak: .venv/.installed
	PYTHONPATH=tests $(BIN)/python tests/faults/soak.py $(SOAK_ARGS)

lint: .venv/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist mlruns output site .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv: .venv/.installed

# The library and what its commands need; 0.2 GB less than what the tests need.
.venv/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "aedetect needs Python 3.11, 3.12 or 3.13, got $$($(PYTHON) --version 2>&1):" \
	        "name another one: make PYTHON=python3.13" >&2; exit 1; }
	@echo "installing into .venv; the first time this takes minutes and 2 GB"
	$(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

.venv/.installed: .venv/.demo
	$(PIP) --editable '.[dev]'
	@touch $@
