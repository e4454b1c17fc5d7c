# `make demo` and `make test` need Python 3.11+ and a package index; they build .venv themselves.
# Python for the environment: make test PYTHON=python3.12

PYTHON ?= python3
SHARED ?= ../shared
VENV := .venv
BIN := $(VENV)/bin
FUZZ := $(VENV)/fuzz
HARNESS := $(VENV)/harness
AUDIT := $(VENV)/audit
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV := $(or $(wildcard $(BIN)/uv),uv)
LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --quiet
BUILD_REQUIRES := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")
# The newest has no wheel for the oldest Python that we support.
FUZZ_REQUIRES := atheris==3.0.*
AUDIT_REQUIRES := pip-audit==2.*

.DEFAULT_GOAL := help
.PHONY: help demo test cover lint types format build image docs check lock clean instructions conformance replay clients bench
.PHONY: chaos fuzz splits soak lifecycle mutants sbom gate audit release-check

help:
	@echo "make demo         see it work, without any key (ONCE=1: exit afterwards)"
	@echo "make test         run the tests (ARGS='-k name': some of them)"
	@echo "make check        all that CI does: lint, types, layers, wheel, bare install, image, tests"
	@echo "make cover        run the tests with branch coverage"
	@echo "make lint types   check style and layers, check types"
	@echo "make format       format the code"
	@echo "make build        build the wheel into dist/"
	@echo "make image        run the image's steps without a container: build, seal, start, probe, stop"
	@echo "make docs         write the tables of losses into docs/translation.md"
	@echo "make chaos        the real proxy behind a network that misbehaves (ARGS=--smoke: in seconds)"
	@echo "make fuzz         coverage-guided fuzzing, by default 30 s a target (SECONDS=60 ARGS='sse request')"
	@echo "make splits       recorded streams of real servers, cut at every byte (ARGS='--random 1000000')"
	@echo "make instructions  count a request's and an event's machine instructions in memory; needs valgrind"
	@echo "make soak         ten minutes of load with faults and outages; does memory grow? (SECONDS=60)"
	@echo "make lifecycle    slow and stalled clients, drains, rolling restarts, silence at full size (ARGS=rolling: one)"
	@echo "make mutants      switch off each guard in turn: does its test notice? (ARGS='breaker key')"
	@echo "make sbom         write dist/sbom.cdx.json (CycloneDX), check the licences of what is installed"
	@echo "make audit        look up known vulnerabilities of the lock, keep the result (needs the network)"
	@echo "make release-check   is that result fresh, of this lock and clean? Licences, too"
	@echo "make lock         compile requirements/ anew (needs uv)"
	@echo "make bench        measure beside nginx and peers, write docs/performance.md (ARGS=--quick: a minute)"
	@echo "make gate         has a request or an event become dearer? (ARGS=--update: new figures)"
	@echo "make conformance replay clients   measure against ../shared, where it is there (VIA=responses: clients by that API)"

# The demo needs no developer tools: it waits for the few packages of the core alone.
demo: $(VENV)/.core
	@PYTHONPATH=src $(BIN)/python -m llm_to_anthropic demo $(if $(ONCE),--once)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

cover: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint Dockerfile

types: $(VENV)/.dev
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation .

image: $(VENV)/.dev
	$(BIN)/python .ci/image_steps.py

docs: $(VENV)/.dev
	$(BIN)/python .ci/losses.py

chaos: $(VENV)/.dev
	$(BIN)/python -m verification.chaos $(ARGS)

fuzz: $(FUZZ)/.ready
	PYTHONPATH=src:.:$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
		$(FUZZ)/bin/python -m verification.fuzz.run --seconds $(or $(SECONDS),30) $(ARGS)

splits: $(VENV)/.dev
	$(BIN)/python -m verification.splits $(ARGS)

soak: $(VENV)/.dev
	$(BIN)/python -m verification.soak --seconds $(or $(SECONDS),600) $(ARGS)

sbom: $(VENV)/.dev
	$(BIN)/python -m verification.sbom $(ARGS)

lifecycle: $(VENV)/.dev
	$(BIN)/python -m verification.lifecycle $(ARGS)

audit: $(AUDIT)/.ready
	$(BIN)/python -m verification.audit --pins > $(AUDIT)/pins.txt
	$(AUDIT)/bin/pip-audit --disable-pip --no-deps -s osv -f json -r $(AUDIT)/pins.txt | $(BIN)/python -m verification.audit --write

release-check: $(VENV)/.dev
	$(BIN)/python -m verification.sbom --check
	$(BIN)/python -m verification.audit --check

mutants: $(VENV)/.dev
	$(BIN)/python -m verification.mutants $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run $(ARGS)

gate: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gate $(ARGS)

check:
	./.ci/run

instructions: $(VENV)/.dev
	$(BIN)/python -m benchmarks.instructions $(ARGS)

lock:
	$(LOCK) $(ARGS) pyproject.toml -o requirements/core.txt
	$(LOCK) $(ARGS) pyproject.toml --extra vertex -o requirements/vertex.txt
	$(LOCK) $(ARGS) pyproject.toml --extra dev -o requirements/dev.txt
	$(PYTHON) -c '$(BUILD_REQUIRES)' | $(LOCK) $(ARGS) - -o requirements/build.txt
	echo '$(FUZZ_REQUIRES)' | $(LOCK) $(ARGS) - -o requirements/fuzz.txt
	echo '$(AUDIT_REQUIRES)' | $(LOCK) $(ARGS) - -o requirements/audit.txt

clean:
	rm -rf $(VENV) dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.core: requirements/core.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/core.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.core
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# It sees the packages of the development environment, and only adds the fuzzer, which is large.
$(FUZZ)/.ready: requirements/fuzz.txt $(VENV)/.dev
	$(BIN)/python -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r $<
	@touch $@

$(AUDIT)/.ready: requirements/audit.txt $(VENV)/.dev
	$(BIN)/python -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

ifneq ($(wildcard $(SHARED)/conformance/run.py),)
export LLM_TO_ANTHROPIC_BIN := $(abspath $(BIN)/llm-to-anthropic)

conformance: $(HARNESS)/.ready
	$(HARNESS)/bin/python $(SHARED)/conformance/run.py llm_to_anthropic $(ARGS)

replay: $(HARNESS)/.ready
	$(HARNESS)/bin/python $(SHARED)/conformance/replay.py $(ARGS)

clients: $(VENV)/.dev
	./.ci/clients $(SHARED)/clients $(ARGS)

$(HARNESS)/.ready: $(VENV)/.dev
	$(BIN)/python -m venv $(HARNESS)
	$(HARNESS)/bin/pip install --quiet --disable-pip-version-check -r $(SHARED)/conformance/requirements.txt -r $(SHARED)/conformance/replay_requirements.txt
	@touch $@
else
conformance replay clients:
	@echo "$@: skipped, $(SHARED) is not beside this checkout"
endif
