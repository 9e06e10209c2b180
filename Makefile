# Every habit of the project, by name. `make run` and `make test` need Python 3.11 or newer and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
DRIVES ?= ./data/drive{1...4}
IMAGE ?= objstore:latest
# Further arguments for the build of the image.
BUILD ?=
ENGINE ?= $(firstword $(foreach e,podman docker buildah,$(if $(shell command -v $(e) 2>/dev/null),$(e))))

.PHONY: help setup setup-dev run test kubernetes test-kubernetes torture faults mutations fuzz audit lint format bench soak conformance image test-image lock clean

help:
	@grep -E '^## ' Makefile | cut -c4-

## setup        a virtual environment in .venv from the locked wheels
setup: $(VENV)/.run
$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "objstore needs Python 3.11 or newer: make run PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@
$(VENV)/.run: $(VENV)/.python requirements.lock pyproject.toml
	$(PIP) --require-hashes --only-binary :all: -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(PIP) --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@
setup-dev: $(VENV)/.dev

## run          serve S3 on four folders under ./data
run: setup
	@mkdir -p data
	$(BIN)/objstore server $(DRIVES)

## test         every test
test: setup-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests

## kubernetes   build kube-apiserver and what else the tests around Kubernetes need, once (needs Go)
kubernetes: setup-dev
	$(BIN)/python -m tests.kubernetes.binaries
	$(BIN)/python -m tests.kubernetes.helm
	$(BIN)/python -m tests.runtimes.binaries

## test-kubernetes  the Kubernetes tests alone, in full
test-kubernetes: kubernetes
	OBJSTORE_KUBERNETES_FULL=1 $(BIN)/python -m pytest -n0 tests/kubernetes

## stubs        the message classes of the COSI driver, from its published definitions
.PHONY: stubs
stubs: setup-dev
	$(BIN)/python -m tests.kubernetes.stubs

## torture      random clients over random faults and crashes, checked: make torture [SEED=N] [MINUTES=5]
torture: setup-dev
	$(BIN)/python -m tests.torture --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

## faults       power loss and failing drives in one process, seed by seed: make faults [SEEDS=200 or FROM-TO]
faults: setup-dev
	OBJSTORE_FAULT_SEEDS=$(or $(SEEDS),200) $(BIN)/python -m pytest -n 2 --dist worksteal tests/faults/test_power_loss.py

## mutations    would the tests notice? deliberate bugs, one by one: make mutations [ONLY=PATTERN]
mutations: setup-dev
	$(BIN)/python -m tests.faults.mutations --only "$(ONLY)"

## fuzz         what reads strangers' bytes, each for ten minutes: make fuzz [SECONDS=600] [ONLY=TARGET]
fuzz: setup-dev
	$(PIP) --require-hashes --only-binary :all: -r requirements-fuzz.lock
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600) $(if $(ONLY),--only $(ONLY))

## audit        known vulnerabilities of what the server depends on, where the database can be reached
audit: setup-dev
	$(BIN)/python -m tests.audit

## lint         ruff, strict types, import contracts
lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## format       let ruff put the code into its form
format: setup-dev
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

## bench        compare speed with another server: make bench ARGS="--help"
bench: setup-dev
	$(PIP) --require-hashes --only-binary :all: -r requirements-bench.lock
	$(BIN)/objstore bench $(ARGS)

## soak         long tests with large files
soak: setup-dev
	$(BIN)/python -m pytest -m soak --timeout=7200 tests

## conformance  the public S3 suite: make conformance SUITE=DIR [LIST=FILE] [OUT=FILE]
conformance: setup-dev
	$(BIN)/python -m tests.conformance --suite "$(SUITE)" $(if $(LIST),--list "$(LIST)") $(if $(OUT),--out "$(OUT)")

## image        a container image, with podman, docker or buildah, and dist/objstore.cdx.json: what is in it
EPOCH = $(or $(shell git log -1 --format=%ct 2>/dev/null),315532800)
SBOM = /opt/objstore/share/objstore/objstore.cdx.json
image:
	@test -n "$(ENGINE)" || { echo "make image needs podman, docker or buildah" >&2; exit 1; }
	$(ENGINE) build $(if $(filter %docker,$(ENGINE)),,--format docker --timestamp $(EPOCH)) \
	    --build-arg SOURCE_DATE_EPOCH=$(EPOCH) \
	    --build-arg VERSION=$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
	    --build-arg REVISION=$(or $(shell git describe --always --dirty --abbrev=40 2>/dev/null),unknown) \
	    $(BUILD) -f docker/Containerfile -t $(IMAGE) .
	@mkdir -p dist
ifeq ($(notdir $(ENGINE)),buildah)
	container=$$($(ENGINE) from --pull-never $(IMAGE)) && { $(ENGINE) run $$container cat $(SBOM) >dist/objstore.cdx.json; \
	    code=$$?; $(ENGINE) rm $$container >/dev/null; exit $$code; }
else
	$(ENGINE) run --rm --entrypoint cat $(IMAGE) $(SBOM) >dist/objstore.cdx.json
endif

## test-image   builds the image twice with buildah, looks into it, and runs the server in it (as root, on Debian)
test-image: setup-dev
	$(BIN)/python -m pytest -m image -rs tests/images

## lock         resolve the dependencies anew (needs uv)
lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 pyproject.toml --group build -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 pyproject.toml --group dev --group build -c requirements.lock -o requirements-dev.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 pyproject.toml --group bench -c requirements-dev.lock -o requirements-bench.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --group pyproject.toml:image -c requirements-dev.lock -o requirements-image.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 pyproject.toml --group fuzz -c requirements-dev.lock -o requirements-fuzz.lock

clean:
	rm -rf $(VENV) .fuzz build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
