# Needs Python 3.11 or newer with pip and venv, and nothing else. `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
CODE   := $(wildcard api bench clients/examples clients/python hatch_build.py midstream shared simulator tests worker)
PIP    := $(BIN)/python -m pip --disable-pip-version-check
# Nothing is resolved: some versions of pip look for dependencies anew, past the lock. `pip check` says if one is missing.
LOCKED := install --quiet --no-user --no-deps --require-hashes
# What runs, and what it is built with. Where the tools have been added, all is renewed together, and so fits.
LOCKS  := requirements.lock requirements-build.lock $(if $(wildcard $(BIN)/pytest),requirements-dev.lock)
# An earlier install counts in the folder, and for the Python, that it was made with: a clone may be moved or copied.
MADE   := $(shell test "$$(cat $(STAMP) 2>&1)" = "$(CURDIR)" && $(BIN)/python -I -c 'import midstream, pip' 2>&1 && echo yes)
UNIT   := tests/shared tests/simulator tests/worker tests/api tests/contract tests/clients/python tests/test_private_names.py
PARTS  := pipeline first_token capacity fanout dialects memory resume idle scaling growth
SDKS   := tests/judges/sdks/locks
PAGE   := api/web/vendor/built
LOCK   := --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links

# Tests mostly wait, so there are more of them at a time than cores; those of one file share their servers.
SIDE_BY_SIDE := -n 4 --dist loadfile
# Each of these starts whole programs: with more at a time, two cores let them stand still for seconds.
SLOW_SIDE_BY_SIDE := -n 3 --dist loadfile

# Where this is set, as some images do, each process would compile all of our modules anew: a second of each start.
unexport PYTHONDONTWRITEBYTECODE

NEW_ENOUGH := 'import sys; sys.exit(sys.version_info < (3, 11))'

.DEFAULT_GOAL := help
.PHONY: help again install page run test test-fast test-slow test-upgrade test-newest lint format lock clean \
  bench bench-quick screenshots chaos judge-llama judge-clients judge-proxies test-clients lock-clients

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(DEV) $(PAGE) ## Set up .venv for all targets, and build what the chat page takes from npm

$(STAMP): $(LOCKS) pyproject.toml $(if $(filter yes,$(MADE)),,again)
	@test "$$(cat $@ 2>/dev/null || echo "$(CURDIR)")" = "$(CURDIR)" && \
	  $(BIN)/python -I -c 'import pip' 2>/dev/null && $(BIN)/python -c $(NEW_ENOUGH) || { \
	  $(PYTHON) -c $(NEW_ENOUGH) || { echo "Midstream needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }; \
	  $(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }; }
	@echo "Installing into $(VENV); the first time takes a minute or two."
	$(PIP) $(LOCKED) $(LOCKS:%=-r %)
	$(PIP) install --quiet --no-user --no-deps --no-build-isolation -e .
	$(PIP) check
	@echo "$(CURDIR)" > $@

$(DEV): requirements-dev.lock $(STAMP)
	@echo "Adding what tests and tools need."
	$(PIP) $(LOCKED) -r requirements-dev.lock
	$(PIP) check
	@touch $@

again:

# Without it Midstream works, so that here nothing fails: it says what is missing, and tries again the next time.
$(PAGE): api/web/package-lock.json hatch_build.py | $(STAMP)
	@$(BIN)/python hatch_build.py --try

page: $(STAMP) ## Build what the chat page takes from npm, or fail
	@$(BIN)/python hatch_build.py

run: $(STAMP) $(PAGE) ## Run Midstream on this machine; ARGS="--port 9000" adds options
	@$(BIN)/midstream up $(ARGS)

test: install ## Run the tests (5 minutes); ARGS="-k name" adds options
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow and not cost" $(ARGS)

test-fast: install ## Run those that need no server (a minute)
	$(BIN)/pytest $(SIDE_BY_SIDE) -m fast $(ARGS)

test-slow: install ## Run the tests that take long (35 minutes)
	$(BIN)/pytest $(SLOW_SIDE_BY_SIDE) -m "slow and not cost" $(ARGS)

test-upgrade: install ## Run the commit that tests/upgrade/BEFORE names beside this tree, under load
	$(BIN)/python -m tests.upgrade $(ARGS)

test-newest: ## Run the unit tests with the newest dependencies that pyproject.toml allows, in .venv-newest
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[dev]'
	.venv-newest/bin/pytest $(UNIT) $(ARGS)

test-clients: install ## Let published SDKs and frameworks loose on Midstream (10 minutes, once); ARGS="--often pydantic"
	$(BIN)/python -m tests.judges.sdks $(ARGS)

chaos: install ## Break real processes for a while and check every promise; SECONDS=300 SEED=1 ARGS="--workers 3"
	$(BIN)/python -m tests.chaos --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1) $(ARGS)

bench: install ## Measure beside its peers and write docs/performance.md (hours); PARTS="fanout idle" does some
	for part in $(PARTS); do \
	  $(BIN)/python -m bench.$$part --json bench/results/$$part.json || exit 1; done
	$(BIN)/python -m bench.dispatch
	$(BIN)/python -m bench.providers
	$(BIN)/python -m bench.transport
	$(BIN)/python -m bench.events
	$(BIN)/python -m bench.plots
	$(BIN)/python -m bench.table

bench-quick: install ## Whether a ratio has become worse by a third (two minutes)
	$(BIN)/python -m bench.quick

screenshots: install ## Make docs/pictures of the chat page in Chromium (a minute); ARGS="dark" makes one
	$(BIN)/python -m tests.e2e.page.screenshots $(ARGS)

judge-llama: install ## Build llama.cpp's server and compare Midstream with it (20 minutes, once)
	$(BIN)/python -m tests.judges.llama $(ARGS)

judge-clients: install ## Cut connections under clients of npm, PyPI and Java (30 minutes; ARGS="--step 11": 5)
	$(BIN)/python -m tests.judges.clients $(ARGS)

judge-proxies: install ## Look how soon nginx, HAProxy, Caddy and express pass events on (5 minutes)
	$(BIN)/python -m tests.judges.proxies $(ARGS)

lint: install ## Check style, types and imports
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports

format: install ## Format the code
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lock: install ## Renew the lock files
	$(BIN)/pip-compile $(LOCK) --upgrade -o requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) --upgrade --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) --upgrade --only-build-deps --build-deps-for wheel -c requirements-dev.lock -o requirements-build.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) --upgrade --extra bench -c requirements.lock -o requirements-bench.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) --upgrade --no-header --no-annotate -o api/web/requirements-node.lock api/web/requirements-node.in
	cd api/web && npm update --save --package-lock-only

lock-clients: install ## Renew the lock files of test-clients, for the versions that the .in and package.json files name
	for set in newest previous oldest frameworks instructor; do \
	  $(BIN)/pip-compile $(LOCK) --no-header --no-annotate -o $(SDKS)/requirements-$$set.lock $(SDKS)/requirements-$$set.in \
	  || exit 1; done
	for set in node node_more; do \
	  (cd $(SDKS)/$$set && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts) || exit 1; done

clean: ## Remove .venv and what tools left behind
	rm -rf $(VENV) api/web/vendor .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .venv-bench .venv-newest dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
