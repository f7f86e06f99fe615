# SPDX-License-Identifier: MIT
# `make` alone lists the targets.

# The interpreter of .venv: the system's where it is new enough, else the one on PATH.
PYTHON = $(shell for python in /usr/bin/python3 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$python" && break; done)
RUN_FLAGS ?=
PYTEST_FLAGS ?=
FUZZ_SECONDS ?= 10
TEST_FILES ?= 3
SOAK_SECONDS ?= 600

BIN := .venv/bin
# Absolute: meson and ninja are called by name, and ordinary users have no other of them.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Directories too: a file that was removed changes its directory alone.
SOURCES := $(shell find netbench c_ext -name __pycache__ -prune -o -print) meson.build meson.options pyproject.toml \
	$(shell find tests/c tests/fuzz -name meson.build)
C_FILES := $(shell find c_ext tests/c tests/fuzz -name '*.[ch]')
PYTHON_FILES := netbench tests benchmarks

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-test run test lint format test-c test-python fuzz soak bench clean lock system-run system-test

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: .venv/installed ## system packages, .venv, pinned requirements, build and install: what `run` needs

run: setup ## measure every environment that works here; RUN_FLAGS='-e host -t 10s'
	@$(BIN)/netbench run -o reports/latest $(RUN_FLAGS) || [ $$? -eq 1 ] # 1: an environment failed, which is a result

test: setup-test ## lint, C tests (plain and sanitized), short fuzzing, Python tests
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory test-c
	$(MAKE) --no-print-directory fuzz
	$(MAKE) --no-print-directory test-python

lint: setup-test ## ruff, mypy, import contracts, clang-format, clang-tidy
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/mypy --strict netbench
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	printf '%s\n' c_ext/*.c | xargs -P 2 -n 3 $(BIN)/clang-tidy --quiet -p build/python 2>build/clang-tidy.log || \
		{ cat build/clang-tidy.log; exit 1; }
	$(BIN)/abi3audit --strict --assume-minimum-abi3 3.11 build/python/_core.abi3.so

format: setup-test ## rewrite Python and C files in the house style
	$(BIN)/ruff check --fix $(PYTHON_FILES)
	$(BIN)/ruff format $(PYTHON_FILES)
	$(BIN)/clang-format -i $(C_FILES)

bench: setup-test ## side by side with peers: benchmarks/*.py, one question a file
	set -e; for question in benchmarks/*.py; do echo "== $$question"; $(BIN)/python "$$question"; done

fuzz: setup-test ## libFuzzer on every decoder; FUZZ_SECONDS=10 each, two at a time
	@mkdir -p build
	@$(call configure,fuzz,clang,-Dfuzz=true $(SANITIZE))
	$(BIN)/ninja -C build/fuzz --quiet
	@ls tests/fuzz/fuzz_*.c | xargs -P 2 -n 1 tests/fuzz/run.sh $(FUZZ_SECONDS)

soak: setup-test ## 20 000 packets a second over 500 groups: memory flat, books balanced; SOAK_SECONDS=600
	SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/python -P -m pytest tests/integration/test_soak.py

clean: ## remove what the targets above made, except reports
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# ---- what the targets are made of

setup-test: .venv/installed .venv/dev-requirements

# What measures under load has the machine to itself; the rest waits more than it works, and runs several files at a time.
test-python: setup-test
	@failed=0; set -x; \
	$(BIN)/python -P -m pytest $(PYTEST_FLAGS) tests/integration || failed=1; \
	$(BIN)/python -P -m pytest $(PYTEST_FLAGS) -n $(TEST_FILES) --dist loadfile tests/places tests/contract tests/commands tests/unit tests/gold || failed=1; \
	exit $$failed

# Quick when nothing is missing, so it runs each time; order-only, so it makes nothing else run.
system-run:
	@packaging/system_packages.sh run '$(PYTHON)'
system-test: system-run
	@packaging/system_packages.sh test '$(PYTHON)'

.venv/python: | system-run
	$(if $(PYTHON),,$(error netbench needs Python 3.11 or newer: install it, or name one with `make PYTHON=/path/to/python3 ...`))
	$(PYTHON) -m venv --clear .venv
	touch $@

.venv/requirements: requirements/runtime.txt .venv/python
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	touch $@

.venv/dev-requirements: requirements/dev.txt .venv/requirements | system-test
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	touch $@

# A plain install, not an editable one: what is tested is what a user gets. build/python stays, so that a rebuild takes seconds.
.venv/installed: $(SOURCES) .venv/requirements | system-run
	@mkdir -p build
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --force-reinstall \
		--config-settings=build-dir=build/python .
	touch $@

# Configured anew each time: a test file that was added is found. Two compilers, the second one with sanitizers.
configure = CC=$(2) $(BIN)/meson setup --reconfigure build/$(1) -Dextension=false $(3) >build/$(1).log || { cat build/$(1).log; exit 1; }
SANITIZE := -Db_sanitize=address,undefined -Db_lundef=false

test-c: setup-test
	@mkdir -p build
	@$(call configure,c-gcc,gcc,-Dtests=enabled)
	$(BIN)/meson test -C build/c-gcc --print-errorlogs
	@$(call configure,c-sanitized,clang,-Dtests=enabled $(SANITIZE))
	$(BIN)/meson test -C build/c-sanitized --print-errorlogs

# No index address gets into the files: they install from whatever index pip is configured for.
lock: .venv/python ## pin requirements/*.txt for pyproject.toml, with hashes; LOCK_FLAGS=--upgrade for newer ones
	$(BIN)/python -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv
	build/lock/bin/uv pip compile --quiet $(UV_FLAGS) --extra analysis --extra docker --group build pyproject.toml -o requirements/runtime.txt
	build/lock/bin/uv pip compile --quiet $(UV_FLAGS) --extra analysis --extra docker --group build --group dev \
		--constraint requirements/runtime.txt pyproject.toml -o requirements/dev.txt
	! grep -nE '://|^--' requirements/*.txt

LOCK_FLAGS ?=
UV_FLAGS = $(LOCK_FLAGS) --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock'
