# `make demo` and `make test` need Python 3.11 or later with its venv module; everything else they fetch themselves.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
INPUTS := pyproject.toml $(LOCK)
WORKERS ?= 2

export PIP_ROOT_USER_ACTION := ignore
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

# The newest Python at hand that is new enough and has venv and ensurepip, or the one named by PYTHON=...
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
MISSING := Pellucid needs Python 3.11 or later with its venv module: apt-get install python3 python3-venv

define install
	@echo "Installing .[$(1)] into $(VENV) ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install --quiet --constraint $(LOCK) --editable '.[$(1)]'
	@$(BIN)/python -m compileall -q src  # as pip does for a package that is not editable
	@touch $@
endef

# One line where a check passes, and everything it says where it does not.
check = said=$$($(2) 2>&1) && echo "$(1): passed" || { echo "$$said"; echo "$(1): failed"; exit 1; }

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

.PHONY: demo
demo: $(VENV)/installed-all ## set everything up and take the tour; OUT=FOLDER says where it writes, DATA=FOLDER has MNIST
	@$(BIN)/pellucid demo $(if $(OUT),--out '$(OUT)') $(if $(DATA),--data '$(DATA)')

.PHONY: test
test: lint ## set everything up and run every check and test
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

.PHONY: lint
lint: $(VENV)/installed-dev ## format, style, types and the ladder of imports
	@$(call check,ruff check,$(BIN)/ruff check --quiet .)
	@$(call check,ruff format,$(BIN)/ruff format --check --quiet .)
	@$(call check,mypy --strict,$(BIN)/mypy --strict --no-error-summary)
	@$(call check,import-linter,$(BIN)/lint-imports --no-logo)

.PHONY: bench
bench: $(VENV)/installed-bench ## measure against NumPy, PyTorch, JAX and C; writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks

.PHONY: bench-gpu
bench-gpu: $(VENV)/installed-bench ## measure on a GPU against JAX and PyTorch; writes docs/benchmarks-gpu.md
	@$(BIN)/python -m benchmarks.gpu

.PHONY: soak
soak: $(VENV)/installed-dev ## the long random tests
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -m soak tests

.PHONY: lock
lock: $(VENV)/bin/python ## resolve the newest versions again into requirements/lock.txt
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --upgrade \
		--all-extras --constraint requirements/bounds.in --output-file $(LOCK) pyproject.toml

.PHONY: venv
venv: $(VENV)/bin/python ## only the virtual environment

.PHONY: clean
clean: ## remove the virtual environment and everything generated
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv whose Python is gone (an upgrade of the system), or that was copied from elsewhere, is made anew.
ifneq ($(wildcard $(VENV)),)
ifneq ($(shell $(BIN)/python -c '' 2>/dev/null && grep -sF '$(CURDIR)/$(VENV)' $(BIN)/activate >/dev/null && echo works),works)
$(shell rm -rf $(VENV))
endif
endif

$(VENV)/bin/python:
	@for python in $(CANDIDATES); do \
		if $$python -c '$(SUITABLE)' >/dev/null 2>&1; then \
			echo "Making $(VENV) with $$($$python --version) ..."; \
			exec $$python -m venv --clear $(VENV); \
		fi; \
	done; \
	echo '$(MISSING)' >&2; exit 1

$(VENV)/installed-all: $(INPUTS) | $(VENV)/bin/python
	$(call install,all)

$(VENV)/installed-dev: $(INPUTS) | $(VENV)/bin/python
	$(call install,all$(comma)dev)

$(VENV)/installed-bench: $(INPUTS) | $(VENV)/bin/python
	$(call install,all$(comma)bench)

comma := ,
