# The commands of this project; `make help` lists them.

CONFIG ?= configs/router.yaml
PORT ?= 8080
PYTHON ?=
ENGINE ?=
N ?= 100000
BIN := .venv/bin
SETUP := PYTHON="$(PYTHON)" ENGINE="$(ENGINE)" sh scripts/setup.sh

.DEFAULT_GOAL := help
.PHONY: help run setup test leaks lint format bench lock clean

help: ## list the commands
	@echo "make COMMAND [NAME=value …]"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12
	@echo
	@echo "CONFIG=file (configs/router.yaml), PORT=n (8080): what \`make run\` serves, and where"
	@echo "ENGINE=cpu|gpu|none: which engine to install (default: gpu if nvidia-smi lists one, else cpu)"
	@echo "PYTHON=path: the Python to make .venv with (default: the first of 3.11, 3.12, 3.13 that is found)"

run: ## set up what is missing, then start router and engine host; Ctrl-C ends both
	@$(SETUP) run && exec $(BIN)/sona-router serve --config "$(CONFIG)" --port "$(PORT)"

setup: ## make .venv, with the test tools
	@$(SETUP) test

test: ## set up what is missing, then run all checks and the whole test suite
	@$(SETUP) test && sh scripts/check.sh all

leaks: ## 100,000 requests under every fault: does anything sensitive leave? N=n for another number; JSON under bench/results/
	@$(SETUP) test && exec $(BIN)/python -m tests.leaks --requests $(N)

lint: ## the checks only: ruff, pyright, import-linter
	@$(SETUP) test && sh scripts/check.sh lint

format: ## format the code and fix what ruff can fix
	@$(SETUP) test && $(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: ## benchmarks; a table last, JSON under bench/results/
	@$(SETUP) test && exec $(BIN)/python -m bench

lock: ## write requirements/*.txt anew from pyproject.toml (UPGRADE=1 takes newer versions)
	@$(SETUP) lock $(if $(UPGRADE),--upgrade)

clean: ## remove .venv and what the tools leave behind; keeps var/
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
