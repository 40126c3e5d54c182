# Tenrec: build, run, test. `make help` lists what there is.
#
# Every step looks first whether it is needed, so that with the parts already there everything works without network.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

say = @printf '==> %s\n'

ASSETS := dist/assets.json
ASSET_SOURCES := $(shell find assets static -type f 2>/dev/null)
CLIENTS := tests/clients/requirements.txt
# Debian's, or another one by its path.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: help
help: ## this list
	@printf 'Tenrec: self-hosted product analytics\n\n'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
	@printf '\nStart with `make run`; Tenrec is then on http://localhost:8000 (PORT=… for another port).\n'

.PHONY: run
run: build ## build and start on http://localhost:8000
	$(say) 'Starting Tenrec (Ctrl-C stops it)'
	@exec target/release/tenrec serve

.PHONY: build
build: parts assets ## build the release binary target/release/tenrec
	$(say) 'Building target/release/tenrec (the first time takes some minutes)'
	@cargo build --release --locked

.PHONY: demo
demo: build ## fill a project with thirty days of a small shop
	@exec target/release/tenrec demo

.PHONY: parts
parts: ## install the pinned npm parts: embedded stores, front end, SDK bundles
	@command -v node >/dev/null && command -v npm >/dev/null || { \
		echo 'error: Node is missing: install version 20 or newer (on Debian: apt-get install nodejs npm)' >&2; exit 1; }
	@node assets/parts-are-current.mjs || { \
		echo '==> Installing the parts from npm (about 800 MB unpacked, once)'; \
		npm ci --no-audit --no-fund --loglevel=error; }

.PHONY: assets
assets: $(ASSETS) ## build the front end into dist/

$(ASSETS): package-lock.json $(ASSET_SOURCES) | parts
	$(say) 'Building the front end'
	@npm run --silent assets
	@touch $@

.PHONY: test
test: parts assets check unit e2e ## run every test, after installing what they need
	$(say) 'All tests passed'

.PHONY: check
check: parts assets ## formatting and lints
	$(say) 'Checking the format'
	@cargo fmt --check
	$(say) 'Linting'
	@cargo clippy --locked --all-targets -- -D warnings

.PHONY: unit
unit: parts assets clients faketime ## unit tests, and integration tests on the real stores
	$(say) 'Building the tests'
	@cargo test --locked --no-run
	$(say) 'Testing, on a real Postgres and a real ClickHouse engine'
	@cargo test --locked

.PHONY: e2e
e2e: parts assets chromium ## the end-to-end test in a real browser
	@if [ ! -f tests/e2e/run.mjs ]; then echo '==> No end-to-end test in this tree'; exit 0; fi; \
	printf '==> %s\n' 'Building the program for the end-to-end test'; \
	cargo build --locked; \
	printf '==> %s\n' 'Testing end to end in Chromium'; \
	TENREC=target/debug/tenrec CHROMIUM="$(CHROMIUM)" node tests/e2e/run.mjs

# One test after the other, so that the figures mean something. TENREC_CHAOS=long runs for hours; tests/chaos/plan.rs has more.
# RELEASE=1 tests the release binary.
.PHONY: chaos
chaos: parts assets faketime ## break everything under load and count what is left (about 15 minutes)
	$(say) 'Building the program and its chaos test'
	@cargo test --locked $(if $(RELEASE),--release) --test chaos --no-run
	$(say) 'Killing, stopping and misleading it under load'
	@TENREC_CHAOS=$${TENREC_CHAOS:-pr} cargo test --locked $(if $(RELEASE),--release) --test chaos -- --nocapture --test-threads=1

# The cases come from outside: CONFORMANCE names the folder that holds conformance.py and cases/. It takes some minutes.
.PHONY: conformance
conformance: parts assets ## answer the conformance cases in the folder CONFORMANCE, by area
	@[ -f "$(CONFORMANCE)/conformance.py" ] || { \
		echo 'error: say where the cases are: make conformance CONFORMANCE=/path/to/conformance' >&2; exit 1; }
	$(say) 'Building the program'
	@cargo build --locked
	$(say) 'Asking the conformance cases'
	@tests/conformance.sh "$(CONFORMANCE)"

# The clients that nobody here wrote; the Python ones need a place of their own.
.PHONY: clients
clients:
	@if [ ! -f $(CLIENTS) ] || cmp -s $(CLIENTS) .venv/installed.txt; then exit 0; fi; \
	echo '==> Installing the Python clients for their tests'; \
	python3 -m venv --clear .venv || { \
		echo 'error: python3-venv is missing (on Debian: apt-get install python3-venv)' >&2; exit 1; }; \
	.venv/bin/pip install --quiet --disable-pip-version-check -r $(CLIENTS); \
	cp $(CLIENTS) .venv/installed.txt

# Stands between a test and the system's clock.
.PHONY: faketime
faketime:
	@if compgen -G '/usr/lib*/*/faketime/libfaketimeMT.so.1' >/dev/null || \
		compgen -G '/usr/*/lib/faketime/libfaketimeMT.so.1' >/dev/null || \
		compgen -G '/usr/lib*/faketime/libfaketimeMT.so.1' >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		printf '==> %s\n' "Installing Debian's faketime for the test of the clock"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends faketime; \
	else \
		echo 'error: the test of the clock needs libfaketime: sudo apt-get install faketime' >&2; exit 1; \
	fi

.PHONY: chromium
chromium:
ifeq ($(CHROMIUM),)
	@if [ ! -f tests/e2e/run.mjs ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		printf '==> %s\n' "Installing Debian's Chromium for the end-to-end test"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else \
		echo 'error: the end-to-end test needs Chromium: sudo apt-get install chromium (or set CHROMIUM to its path)' >&2; exit 1; \
	fi
endif

# One program for all targets, built on stable Rust with the marks that libFuzzer follows. What it finds stays in fuzz/found
# (inputs that reach new code) and fuzz/artifacts (inputs that fail); each target ends by itself, at the first failure or in time.
FUZZ_SECONDS ?= 30
FUZZ_REQUESTS ?= 100000
FUZZ_TARGETS ?= $(notdir $(wildcard fuzz/seeds/*))
FUZZ_HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
FUZZ_FLAGS := -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-,level=4 inline-8bit-counters pc-table trace-compares)

.PHONY: fuzz
fuzz: parts assets ## fuzz all that reads bytes of strangers, FUZZ_SECONDS=30 each
	@command -v c++ >/dev/null || { echo 'error: a C++ compiler is missing (on Debian: apt-get install g++)' >&2; exit 1; }
	$(say) 'Building the fuzz targets (the first time takes some minutes)'
	@cd fuzz && RUSTFLAGS='$(FUZZ_FLAGS)' cargo build --locked --target $(FUZZ_HOST)
	@mkdir -p fuzz/artifacts; for target in $(FUZZ_TARGETS); do \
		printf '==> %s\n' "Fuzzing $$target for $(FUZZ_SECONDS) s"; mkdir -p "fuzz/found/$$target"; \
		TENREC_FUZZ_TARGET="$$target" "fuzz/target/$(FUZZ_HOST)/debug/tenrec-fuzz" "fuzz/found/$$target" "fuzz/seeds/$$target" \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=512 -max_len=65536 -artifact_prefix=fuzz/artifacts/ \
			-print_final_stats=1 > "fuzz/found/$$target.log" 2>&1 || { tail -40 "fuzz/found/$$target.log" >&2; exit 1; }; \
		sed -n 's/^stat::number_of_executed_units: */    executions: /p; s/^stat::peak_rss_mb: */    memory, MB: /p' "fuzz/found/$$target.log"; \
	done
	$(say) 'Sending requests that are almost right'
	@TENREC_FUZZ_REQUESTS=$(FUZZ_REQUESTS) cargo test --locked --test it -- hostile_requests --nocapture

.PHONY: bench
bench: build ## measure: start, memory, idle CPU, pages; then ingest
	@if [ ! -f benches/run.mjs ]; then echo 'error: there is no benchmark in this tree' >&2; exit 1; fi
	@node benches/run.mjs
	@node benches/erase.mjs
	@$(MAKE) bench-ingest

.PHONY: bench-ingest
bench-ingest: parts assets ## measure ingest: acknowledged, stored, visible, disk, memory
	@cargo bench --locked --quiet --bench ingest -- $(BENCH)

.PHONY: bench-query
bench-query: build ## measure questions on three million events, beside the floor and other layouts; some minutes, 4 GiB
	@cargo bench --locked --quiet --bench query -- $(BENCH)

.PHONY: bench-erase
bench-erase: build ## measure how soon an erased person with 10,000 events is gone, among a million of others
	@node benches/erase.mjs

.PHONY: bench-people
bench-people: build ## measure pages about people where there are a million; needs psql, two gigabytes and five minutes
	@node benches/people.mjs

.PHONY: bench-layouts
bench-layouts: parts assets ## measure variants of the events table, and look-ups in a large one
	@cargo bench --locked --quiet --bench ingest -- layouts lookup $(BENCH)

.PHONY: clean
clean: ## remove what was built; keeps the npm parts and your data
	@cargo clean
	@rm -rf dist dist.new .venv
