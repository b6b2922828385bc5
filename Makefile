# Undersign. `make` alone prints this help. Needs Python 3.11 or later and make; everything else sets itself up.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FUNCTIONS := sign deliver confirm count embed
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
INSTALL := $(PIP) --require-hashes
# The project itself, for the command `undersign`; what builds it is in the lock files, too.
INSTALL_COMMAND := $(PIP) --no-deps --no-build-isolation --editable .

help: ## Print this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: export PORT ?= 8080
run: $(VENV)/run.stamp ## Run everything on this machine; PORT=8080 unless told otherwise
	@$(BIN)/python -m functions.devserver

test: $(VENV)/dev.stamp ## Run all tests; ARGS="-k confirm" passes options to pytest
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/dev.stamp ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp ## Format the code, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: ## Stage each function in build/, ready to deploy
	$(PYTHON) scripts/build.py

cost: SIGNATURES ?= 1000000
cost: VIEWERS ?= 5000000
cost: ## Estimate a month's bill; SIGNATURES=1000000 VIEWERS=5000000, and ARGS="--help" for the rest
	@$(PYTHON) -m scripts.cost --signatures $(SIGNATURES) --viewers $(VIEWERS) $(ARGS)

lock: $(VENV)/dev.stamp ## Pin the newest allowed dependencies, with hashes
	$(BIN)/uv pip compile --quiet pyproject.toml --extra dev $(LOCK) -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --extra run -c requirements/dev.txt $(LOCK) -o requirements/run.txt
	$(foreach f,$(FUNCTIONS),$(BIN)/uv pip compile --quiet pyproject.toml --extra $(f) -c requirements/dev.txt $(LOCK) -o functions/$(f)/requirements.txt && ) true
LOCK := --upgrade --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-annotate

clean: ## Remove what can be made again; what was signed locally, in var/, stays
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A stamp stands for an environment that holds exactly what the lock file names; dev holds run.
$(VENV)/run.stamp: requirements/run.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -f $(VENV)/dev.stamp || { echo "Installing what Undersign runs on …"; $(INSTALL) -r $< && $(INSTALL_COMMAND); }
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the tests need …"
	@$(INSTALL) -r $<
	@$(INSTALL_COMMAND)
	@touch $@ $(VENV)/run.stamp

.PHONY: help run test check format build cost lock clean
