# Every target does its own set-up: a machine with Python 3.11 or newer and `make` is enough.
#
#   make run          the server and a local carrier, and what to try next (ARGS="--sink my.py:mine" …)
#   make test         every test that needs no foreign program
#   make test-peers   the tests with real peers: baresip, Linphone, sipp, Kamailio, wscat, sox, ffmpeg, hadolint …
#   make check        formatting, lint, types
#   make bench        the benchmarks
#   make docs         the reference pages that are written from the source
#   make setup        all of the above prepared; as root on Debian the foreign programs too
#
# PYTHON=python3.12 chooses the interpreter and VENV=dir the environment.

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

# The first interpreter that runs and is new enough; version managers leave names that do not run.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)

.PHONY: help run test test-peers check format bench docs setup peers clean
.DEFAULT_GOAL := help

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

run: $(VENV)/.runs
	@exec $(BIN)/bridge up $(ARGS)

test: $(VENV)/.tests
	$(BIN)/python -m pytest -m "not peers" $(ARGS)

test-peers: $(VENV)/.tests peers
	PATH="$(CURDIR)/.peers/node_modules/.bin:$(CURDIR)/.peers/python/bin:$$PATH" $(BIN)/python -m pytest -m peers $(ARGS)

check: $(VENV)/.tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.tests
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.tests
	$(BIN)/python -m benchmarks.bench_media $(ARGS)
	$(BIN)/python -m benchmarks.bench_resample
	@command -v sipp >/dev/null && $(BIN)/python -m benchmarks.bench_sip || echo "benchmarks.bench_sip needs sipp (Debian: sip-tester)"

docs: $(VENV)/.tests
	$(BIN)/python docs/generate.py

setup: $(VENV)/.tests peers

# Foreign programs: from Debian's packages as root, else named; wscat and hadolint into a folder of ours.
peers: .peers/.ready
.peers/.ready: .ci/peers | $(VENV)/.tests
	@PYTHON=$(BIN)/python .ci/peers
	@touch $@

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "bridge needs Python 3.11 or newer, and none is on PATH. Install one, or say make PYTHON=/path/to/python." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "Python's venv module does not work here. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.runs: pyproject.toml | $(VENV)/.made
	@echo "Installing bridge and what it needs into $(VENV) (once, less than a minute on most lines) …"
	@$(PIP) install --only-binary=pylibsrtp -e ".[sip]" || { echo "No SIP phones here: pylibsrtp has no wheel for this machine." >&2; $(PIP) install -e .; }
	@touch $@

$(VENV)/.tests: pyproject.toml | $(VENV)/.made
	@echo "Installing bridge, what it needs and what its tests need into $(VENV) (once) …"
	@$(PIP) install -e ".[dev,bench,sip]"
	@touch $@ $(VENV)/.runs

clean:
	rm -rf $(VENV) .peers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
