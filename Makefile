# kokuin: `make serve` runs a time-stamp authority, `make test` checks it, `make help` lists the rest.
#
# Everything is installed into .venv from the locks in requirements/, hashes checked. A stamp file in .venv
# remembers each installation, so that a second run installs nothing.

PYTHON ?= python3
# Of what the tests draw, and of their order: a change is judged by its own tests, not by another draw.
SEED   ?= 20261122
DATA   ?= tsa-data
KEYS   ?= keys/dev

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
CODE := kokuin pqc tsa eseal

# `--no-build-isolation` takes the build back-end from the lock; `--check-build-dependencies` fails when
# the lock and pyproject.toml no longer agree on it.
# Our own modules are compiled once, as pip compiles the others: every start of `tsa` would pay for it again.
INSTALL_SELF = $(PIP) install --no-deps --no-build-isolation --check-build-dependencies --editable . && \
    $(BIN)/python -m compileall -q $(CODE)

# Where this variable is set, every process that the tests start would compile our modules again, and every
# worker of pytest all tests.
unexport PYTHONDONTWRITEBYTECODE

# One lock for every system and every Python from 3.11 on; it names no registry, that is the user's choice.
LOCK = $(BIN)/uv pip compile --quiet $(UV_FLAGS) --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: serve test lint fuzz soak bench interop lock clean help

serve: $(VENV)/.runtime  ## serve on http://127.0.0.1:3161 in the foreground; makes DATA (tsa-data) the first time
	@test -e $(DATA)/format || $(BIN)/tsa init --dir $(DATA) --keys $(KEYS)
	@exec $(BIN)/tsa serve --dir $(DATA)

test: $(VENV)/.dev  ## run the tests, all with REQUIRE_PEERS=1; KOKUIN_CORPUS names a folder of foreign evidence, SEED=N draws anew, PYTEST_ARGS goes to pytest
	@$(if $(REQUIRE_PEERS),,echo "tests of depth (tests/conftest.py: DEPTH) are left out; REQUIRE_PEERS=1 takes them")
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --session-timeout=2100 --randomly-seed=$(SEED) \
	    --hypothesis-seed=$(SEED) \
	    $(if $(REQUIRE_PEERS),,-m "not depth") $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## check style, formatting, types, import contracts and docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate -vv --omit-covered-files $(CODE)

fuzz soak bench: %: $(VENV)/.dev conformance/%.py
	@$(BIN)/python conformance/$@.py $(ARGS)

fuzz:   ## send mutated requests, in process and over HTTP; ARGS goes to the script
soak:   ## kill the processes one after the other under load
bench:  ## measure, as ratios to references of the same run

interop: $(VENV)/.dev  ## exchange keys, signatures and tokens with foreign programs, fetched into the user's cache
	@$(BIN)/python -m conformance.interop $(ARGS)

lock: $(BIN)/uv  ## write requirements/*.txt anew; UV_FLAGS=--upgrade takes newer releases
	$(LOCK) pyproject.toml requirements/build.in --extra pdf --output-file requirements/lock.txt
	$(LOCK) pyproject.toml requirements/build.in --extra dev --constraints requirements/lock.txt \
	    --output-file requirements/dev.txt

clean:  ## remove what make and the tools made; never the data folder or keys
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CODE) tests conformance -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## list the targets
	@awk -F ':.*## *' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(VENV)/.runtime: requirements/lock.txt pyproject.toml | $(BIN)/python
	@echo "installing what kokuin needs into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements/lock.txt
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "installing what kokuin and its tests need into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@$(INSTALL_SELF)
	@touch $@

$(BIN)/uv: | $(BIN)/python
	@$(PIP) install --require-hashes --requirement requirements/dev.txt

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	    { echo "no $(PYTHON) here; install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "kokuin needs Python 3.11 or newer; name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "$(PYTHON) has no venv; on Debian or Ubuntu: apt-get install" \
	    "$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
