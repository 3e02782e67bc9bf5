# Every target does its own set-up: a machine with Python >= 3.11 and make is enough.
#   make demo          cross-validate fusion models on images and tables, some of them missing
#   make test          run the tests            (PYTEST_ARGS="tests/fusion -x" picks some)
#   make test-oldest   run them against the oldest supported versions
#   make lint          check style and format
#   make bench         run the benchmarks, write benchmarks/results
#   make docs          build docs/_build/html and run every block of code in the documentation
#   make clean         remove the virtual environments and everything built

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
PYTEST_ARGS ?=

TORCH := torch==2.13.0
RUFF := $(shell grep -i '^ruff==' constraints.txt)
OLDEST := scikit-learn==1.6.* numpy==2.1.* scipy==1.15.* pandas==2.2.*

BIN := $(VENV)/bin
VENV_OLDEST := .venv-oldest
INPUTS := pyproject.toml constraints.txt

# One thread a process: folds and tests run side by side, which is faster than threads inside a small net.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# Read by SciPy at its import: without it scikit-learn skips its checks of array types.
test test-oldest: export SCIPY_ARRAY_API := 1
export MPLBACKEND := Agg
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-oldest lint bench docs clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

# $(call make-venv,FOLDER): a fresh virtual environment, or a message that says what is missing.
define make-venv
	@command -v $(PYTHON) >/dev/null || \
	  { echo "No '$(PYTHON)' found. Install Python >= 3.11, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "'$(PYTHON)' is $$($(PYTHON) -V); skmm needs Python >= 3.11: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "'$(PYTHON)' cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	rm -rf $(1)
	$(PYTHON) -m venv $(1)
endef

# torch comes first and every call is given the constraints: a later torch would bring gigabytes of CUDA libraries.
$(VENV)/.base: $(INPUTS)
	$(call make-venv,$(VENV))
	$(BIN)/pip install -q -c constraints.txt "$(TORCH)"
	touch $@

# The sets of extras build on one another in one environment; a stamp file says which are there.
$(VENV)/.demo: $(VENV)/.base
	$(BIN)/pip install -q -c constraints.txt -e . matplotlib
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(BIN)/pip install -q -c constraints.txt -e ".[test]"
	touch $@

$(VENV)/.docs: $(VENV)/.base
	$(BIN)/pip install -q -c constraints.txt -e ".[docs]"
	touch $@

.venv-lint/.done: constraints.txt
	$(call make-venv,.venv-lint)
	.venv-lint/bin/pip install -q "$(RUFF)"
	touch $@

$(VENV_OLDEST)/.done: $(INPUTS)
	$(call make-venv,$(VENV_OLDEST))
	grep -v -i -E '^(scikit-learn|numpy|scipy|pandas)==' constraints.txt > $(VENV_OLDEST)/constraints.txt
	printf '%s\n' $(OLDEST) >> $(VENV_OLDEST)/constraints.txt
	$(VENV_OLDEST)/bin/pip install -q -c $(VENV_OLDEST)/constraints.txt "$(TORCH)"
	$(VENV_OLDEST)/bin/pip install -q -c $(VENV_OLDEST)/constraints.txt -e ".[test]"
	touch $@

demo: $(VENV)/.demo
	$(BIN)/python examples/plot_digits_demo.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

test-oldest: $(VENV_OLDEST)/.done
	$(VENV_OLDEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

lint: .venv-lint/.done
	.venv-lint/bin/ruff check .
	.venv-lint/bin/ruff format --check .

bench: $(VENV)/.test
	@set -e; for script in $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)); do \
	  echo "== $$script"; $(BIN)/python $$script; done
	$(BIN)/python benchmarks/_pages.py

docs: $(VENV)/.docs
	$(BIN)/python -m pytest -q tests/test_docs.py tests/test_readme.py
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean:
	rm -rf .venv .venv-oldest .venv-lint build dist docs/_build docs/generated docs/gallery benchmarks/.cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
