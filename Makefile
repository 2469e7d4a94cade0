# Every target sets itself up: python3 with venv and make are enough. No root, no apt, no compiler.
# Second runs start in seconds: the stamps in .venv say which lock is installed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Wheels only, and only those whose hash the lock knows.
# The lock is whole, and leaves out one package on purpose: nothing is resolved here.
LOCKED := install --no-deps --require-hashes --only-binary :all: -r
# The project itself, from this directory, with the locked build backend and no index.
SELF := install --no-deps --no-build-isolation --no-index --editable .
# A set-up that was interrupted leaves an environment without pip.
HAS_PIP := $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
FUZZ_SECONDS ?= 3600
UV := uv==0.13.9
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--no-header --python-version 3.11 --only-binary :all:
PACKAGES := tickets admission store drivers config scanner sync screen central cli playground

.PHONY: demo test heavy test-pretix record-pretix lock-pretix pictures lint types bench bench-central bench-readers nightly fuzz properties lock lock-check wheel release clean
.DELETE_ON_ERROR:

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: name one with make PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "python3 has no venv: it is in the package python3-venv" >&2; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked wheels"
	@$(HAS_PIP)
	@$(PIP) $(LOCKED) requirements.lock
	@$(PIP) $(SELF)
	@touch $@

# The larger lock holds the smaller one, so this satisfies both stamps.
$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked wheels, with those for tests"
	@$(HAS_PIP)
	@$(PIP) $(LOCKED) requirements-dev.lock
	@$(PIP) $(SELF)
	@touch $(VENV)/.run $@

$(VENV)/.uv: Makefile | $(BIN)/python
	@$(PIP) install --only-binary :all: "$(UV)"
	@touch $@

# make demo CAMERA=/dev/video0: a webcam as one more reader of the entry lane.
demo: $(VENV)/.run
	@$(BIN)/python -P -m cli demo $(if $(CAMERA),--camera $(CAMERA))

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m "not heavy and not nightly"

# Real components: needs root and the packages in .ci/apt-packages.txt.
heavy: $(VENV)/.dev
	@$(BIN)/python -m pytest -n auto --dist loadfile -m heavy --ignore tests/pretix

# A real pretix beside us, on SQLite and PostgreSQL. The first run on a machine downloads it into
# ~/.cache/admit-pretix and makes its databases: some minutes.
test-pretix: $(VENV)/.dev
	@$(BIN)/python -m tests.rigs.pretix_database
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m heavy --timeout 1500 tests/pretix

# What pretix answered, for the tests that run without it.
record-pretix: $(VENV)/.dev
	@$(BIN)/python -m tests.rigs.pretix_record

# The pictures of README and docs, from a real run: needs /usr/bin/chromium.
pictures: $(VENV)/.dev
	@PICTURES=docs/pictures $(BIN)/python -m pytest -m heavy tests/heavy/test_docs_clone.py \
		tests/heavy/test_playground_browser.py -k "clone or tray or tour"

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks

bench-readers: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.readers

# Needs the Debian package postgresql; about two minutes.
bench-central: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.bench_central --output build/bench-central.json

nightly: $(VENV)/.dev
	@$(BIN)/python -m pytest -m nightly --timeout 3600

# Every parser, grown by coverage: an hour over all of them, or make fuzz FUZZ_SECONDS=600.
fuzz: $(VENV)/.dev
	@nice $(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) --corpus build/fuzz/corpus \
		--output build/fuzz/counts.json

# The property tests with 5,000 examples each.
properties: $(VENV)/.dev
	@$(BIN)/python -m pytest -m "not heavy and not nightly" --hypothesis-profile nightly --timeout 3600

lock: $(VENV)/.uv
	@$(COMPILE) --group build -o requirements.lock pyproject.toml
	@$(COMPILE) --group build --group dev --extra pyzbar --extra postgresql -c requirements.lock \
		-o requirements-dev.lock pyproject.toml

# One of pretix' packages comes as source: pure Python, built without a compiler.
lock-pretix: $(VENV)/.uv
	@$(BIN)/uv --no-config pip compile --quiet --universal --generate-hashes --no-emit-index-url \
		--no-header --python-version 3.11 --only-binary :all: --no-binary django-jquery-js \
		-o tests/rigs/pretix.lock tests/rigs/pretix.in

# Every locked package has a wheel for each Python on 64 bit Raspberry Pis and PCs.
# Resolves against the index, installs nothing.
lock-check: $(VENV)/.uv
	@for python in 3.11 3.12 3.13; do for machine in aarch64 x86_64; do \
		$(BIN)/uv pip install --quiet --dry-run --no-deps --require-hashes --only-binary :all: \
			--python-version $$python --python-platform $$machine-manylinux_2_28 \
			--target $(VENV)/.lock-check -r requirements-dev.lock || exit 1; \
	done; done
	@echo "The lock has wheels for Python 3.11 to 3.13 on aarch64 and x86_64"

wheel: $(VENV)/.run
	@rm -rf dist build
	@$(PIP) wheel --no-deps --no-build-isolation --no-index --wheel-dir dist .
	@ls dist

# What is published: the wheel, and the bill of materials (CycloneDX) of an environment that holds
# it and the lock, as an installation does. build/release stays: .ci/run tries the command in it.
release: wheel $(VENV)/.dev
	@rm -rf build/release
	@$(PYTHON) -m venv build/release
	@build/release/bin/python -m pip --disable-pip-version-check --quiet $(LOCKED) requirements.lock
	@build/release/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-index \
		dist/admit-*.whl
	@wheel=$$(echo dist/admit-*.whl); bill="$${wheel%%-py3*}.cdx.json"; \
		$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
			-o "$$bill" build/release/bin/python && \
		$(BIN)/python .ci/check_sbom.py requirements.lock "$$bill"

clean:
	rm -rf $(VENV) build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(PACKAGES) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
