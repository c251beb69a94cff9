# The commands of this repository; `make` alone lists them.
#
#   PYTHON=...   the interpreter for the environment (3.11 or later)
#   ARGS=...     further arguments for pytest: make test ARGS="-k serve -x"
#                or for the benchmark: make bench ARGS="small --rounds 9"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install dev serve test quick test-clients coverage check check-all check-sdk docs docs-tools docs-serve hooks \
    chaos slow bench soak peers lock verify-bundle zk-ceremony clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
SDK := hokusai-ml-platform

# Without bytecode files, each process that a test starts would compile the application anew.
unexport PYTHONDONTWRITEBYTECODE

# $(PYTHON) if it is set, or the first of the usual names. Each is tried, because a command may exist
# but not work, or be an older Python.
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
define find_python
for python in $(CANDIDATES); do \
    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
        >/dev/null 2>&1; then break; fi; \
    python=; \
done; \
if [ -z "$$python" ]; then \
    echo 'error: no Python 3.11 or later with venv among: $(CANDIDATES); install one, or set PYTHON' >&2; \
    exit 2; \
fi
endef

help: ## List the commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make the environment in .venv; the command is .venv/bin/hokusai-gateway.

dev: $(VENV)/.installed-dev

serve: $(VENV)/.installed ## Run the gateway with its own PostgreSQL and MLflow, on HOKUSAI_PORT (8000).
	@$(BIN)/hokusai-gateway serve

# Four processes for two processors, because they spend much of their time waiting.
test: $(VENV)/.installed-dev ## Run the whole test suite.
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

# What needs no server, and none of the long files: see `--quick` in tests/conftest.py. Four
# processes for two processors, since the tests of timeouts wait.
quick: $(VENV)/.installed-dev ## Run a selection of the tests, in about a minute.
	@$(BIN)/python -m pytest --quick --quiet --numprocesses 4 --dist loadfile $(ARGS)

test-clients: $(VENV)/.installed-dev ## Run the guide's code with older MLflow clients, on the Pythons that are here.
	@$(BIN)/python -m pytest -m clients tests/clients $(ARGS)

check: check-all check-sdk ## Check format, lint, types, dependencies and documents.

check-all: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m pytest --quiet tests/test_docs.py

check-sdk: $(VENV)/.installed-dev
	cd $(SDK) && ../$(BIN)/mypy
	cd $(SDK) && ../$(BIN)/lint-imports
	cd $(SDK) && ../$(BIN)/deptry src

# Tests of speed and memory measure the measuring, so they are left out.
coverage: $(VENV)/.installed-dev ## Run the tests with branch coverage; less than 95 % of app/ or of the SDK fails.
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --include='app/*' --fail-under=95
	@$(BIN)/coverage report --include='$(SDK)/src/*' --fail-under=95

# Warnings are errors, and so are links and anchors that lead nowhere.
docs: $(VENV)/.installed-docs ## Build the site of docs/ in site/, and check its links; needs npm.
	@rm -rf site
	@$(BIN)/python -m docs.tools.pages
	@$(BIN)/zensical build --clean --strict
	@$(BIN)/python -m docs.tools.links site
	@echo "The site is in site/; open site/index.html"

docs-tools: $(VENV)/.installed-docs

docs-serve: docs ## Build the site and serve it on http://127.0.0.1:8001.
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8001

hooks: $(VENV)/.installed-dev ## Check format, lint, types and layers before each commit, from now on.
	@$(BIN)/pre-commit install

# Three minutes are about seven rounds. The timeout of one test covers the whole run, with a reserve.
chaos: $(VENV)/.installed-dev ## Kill all parts in turn while users work; ARGS="--chaos-seconds 600" for longer.
	@$(BIN)/python -m pytest tests/faults/test_chaos.py -s --timeout 1800 --chaos-seconds 180 $(ARGS)

slow: $(VENV)/.installed-dev ## Run the tests that take minutes: slow connections (needs slowhttptest), proofs (needs npm).
	@$(BIN)/python -m pytest tests/edge tests/journeys tests/sdk/zk -m slow -s --timeout 900 $(ARGS)

bench: $(VENV)/.installed-dev ## Measure the gateway beside its peers; needs nginx, wrk, redis-server, Chromium and `make peers`.
	@$(BIN)/python -m benchmarks.run $(ARGS)

soak: $(VENV)/.installed ## Watch the gateway's memory over 200,000 requests; needs nginx and wrk.
	@$(BIN)/python -m benchmarks.run soak $(ARGS)

# Each in its own environment, because they need other versions of the gateway's dependencies.
PEERS := basic-auth oidc-auth
peers: $(PEERS:%=$(VENV)/peers/%/.installed) ## Install what `make bench` measures beside the gateway's own MLflow.

$(VENV)/peers/%/.installed: benchmarks/peers/%.lock
	@for python in $(or $(PYTHON),python3.13 python3.12); do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' \
	        >/dev/null 2>&1; then break; fi; python=; done; \
	if [ -z "$$python" ]; then echo 'error: the peers need Python 3.12 or later; set PYTHON' >&2; exit 2; fi; \
	"$$python" -m venv --clear $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check --no-input install --require-hashes --requirement $<
	@touch $@

# The file is kept in the repository, so that nobody who installs the gateway needs npm. A test makes
# it again and compares.
verify-bundle: ## Bundle packages/verify for the pages, after a change of it; needs npm.
	@cd packages/verify && npm ci --ignore-scripts --no-audit --no-fund && node build.js

# PARTIES="alice bob"; the environment variables are in deploy/zk-ceremony/run.
zk-ceremony: $(VENV)/.installed-dev ## Rehearse a setup of a circuit by several parties, in build/zk-ceremony; needs npm.
	@HOKUSAI=$(abspath $(BIN))/hokusai deploy/zk-ceremony/run build/zk-ceremony $(PARTIES)

clean: ## Remove the environment and all caches; the data in .hokusai stays.
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements-standalone.lock pyproject.toml
	@$(find_python); \
	if $(BIN)/python -m pip --version >/dev/null 2>&1; then clear=; else clear=--clear; fi; \
	echo "Making the environment in $(VENV) with $$("$$python" --version)"; \
	if [ -n "$$clear" ]; then "$$python" -m venv --clear $(VENV); fi
	@echo "Installing the locked packages (the first time takes some minutes)"
	@$(PIP) install --require-hashes --requirement requirements-standalone.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Packages that only tests and checks need are installed separately, so that `make serve` does not
# wait for them. The SDK is installed in editable mode; the lock file has its dependencies.
$(VENV)/.installed-dev: requirements-dev.lock $(SDK)/pyproject.toml $(VENV)/.installed
	@echo "Installing the tools for tests and checks"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable $(SDK)
	@tests/install-programs
	@touch $@

# The packages that these tools share with the others are locked at the same versions.
$(VENV)/.installed-docs: requirements-docs.lock $(VENV)/.installed
	@echo "Installing the tools for the site"
	@$(PIP) install --require-hashes --requirement requirements-docs.lock
	@touch $@

# The build backend is locked too, because pip would otherwise install any version of it.
BUILD := hatchling editables
UV_COMPILE = "$$tool/bin/uv" pip compile --quiet --universal --generate-hashes \
    --no-emit-index-url --no-header --no-annotate
COMPILE = $(UV_COMPILE) --python-version 3.11
# For a package with extras, pip of older Pythons needs a pin that names the extras.
FOR_CLIENTS = --fork-strategy fewest --no-strip-extras
CLIENTS := $(patsubst tests/clients/python%.in,%,$(wildcard tests/clients/python*.in))

lock: ## Remake the lock files after a change of dependencies; ARGS=--upgrade takes newer versions.
	@$(find_python); \
	tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && set -e; \
	"$$python" -m venv "$$tool"; \
	"$$tool/bin/python" -m pip --disable-pip-version-check --quiet install uv; \
	echo '$(BUILD)' | tr ' ' '\n' > "$$tool/build.in"; \
	$(COMPILE) $(ARGS) --extra standalone --group dev pyproject.toml "$$tool/build.in" \
	    --output-file requirements-dev.lock; \
	$(COMPILE) --extra standalone pyproject.toml "$$tool/build.in" \
	    --constraint requirements-dev.lock --output-file requirements-standalone.lock; \
	$(COMPILE) pyproject.toml \
	    --constraint requirements-dev.lock --output-file requirements.lock; \
	$(COMPILE) "$$tool/build.in" \
	    --constraint requirements-dev.lock --output-file requirements-build.lock; \
	$(COMPILE) $(ARGS) --group docs \
	    --constraint requirements-dev.lock --output-file requirements-docs.lock; \
	$(COMPILE) $(ARGS) deploy/mlflow/requirements.in \
	    --output-file deploy/mlflow/requirements.lock; \
	for peer in $(PEERS); do \
	    $(UV_COMPILE) $(ARGS) --python-version 3.12 \
	        "benchmarks/peers/$$peer.in" --output-file "benchmarks/peers/$$peer.lock"; \
	done; \
	for version in $(CLIENTS); do \
	    $(UV_COMPILE) $(ARGS) $(FOR_CLIENTS) --python-version "$$version" \
	        "tests/clients/python$$version.in" --output-file "tests/clients/python$$version.lock"; \
	done; \
	$(UV_COMPILE) $(ARGS) $(FOR_CLIENTS) --python-version 3.11 \
	    --constraint tests/clients/python3.11.lock tests/clients/flavors.in \
	    --output-file tests/clients/flavors.lock
