# `make run` builds and serves. `make test` is everything that CI does.

CACHE := $(or $(TARN_TEST_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tarn-tests)
FUZZ_SECONDS := 5
API_EXAMPLES := 10

# What the tests need is found here; nothing of it lies in a target folder. `make run` is not told: the server would take the
# variable for a mistyped setting.
cargo-test bench: export TARN_TEST_CACHE := $(CACHE)
export PATH := $(CACHE)/bin:$(PATH):$(HOME)/.cargo/bin
export CARGO_TERM_COLOR ?= auto
# pip warns root of nothing that is done here: all goes into folders of its own.
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help run dist test install format lint build-tests cargo-test packaging-test api-test browser-test screenshots fuzz deny

help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: ## build and serve on 127.0.0.1:8080; the first run says what to type next
	@scripts/check-rust
	@scripts/install-system build
	cargo run --release --package tarn -- serve

dist: ## the binary of a release as target/dist/tarn, and beside it tarn.debug with its line numbers; TARGET=… builds it for another machine, in target/TARGET/dist
	cargo build --profile dist --locked --package tarn $(if $(TARGET),--target $(TARGET))
	scripts/split-debug-info target/$(if $(TARGET),$(TARGET)/)dist/tarn

test: ## everything that CI does; installs what it needs
	@scripts/check-rust
	@scripts/install-system test
	@$(MAKE) --no-print-directory format
# Side by side, for the last crates of a build leave processors idle. Not with `--jobs=2`: cargo would start no more than that.
	@$(MAKE) --no-print-directory install & $(MAKE) --no-print-directory build-tests; built=$$?; wait $$! && exit $$built
	@$(MAKE) --no-print-directory cargo-test
	@$(MAKE) --no-print-directory packaging-test api-test DEBUG_BINARY=$(DEBUG_BINARY)
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory deny

install: ## install what the tests call: programs, Go and Node.js, an Alpine root, cargo-fuzz, cargo-deny, cargo-cyclonedx, cargo-deb, schemathesis, clients of the forges, nfpm, goreleaser, apko, melange, Renovate, actionlint, two S3 servers, an ACME server, a browser
	scripts/install-system test
	scripts/install-languages $(CACHE)
	scripts/install-alpine-root $(CACHE)
	scripts/install-cargo-tools $(CACHE)
	scripts/install-clients $(CACHE)
	scripts/install-go-tools $(CACHE)
	scripts/install-browser $(CACHE)

format: ## is the code formatted?
	cargo fmt --all --check

lint: ## clippy, warnings are errors
	cargo clippy --workspace --all-targets --locked -- -D warnings

build-tests: lint ## what cargo-test runs, built and not run
	cargo test --workspace --locked --no-run

cargo-test: ## unit, integration and end-to-end tests; nothing may be left out
	env -u TARN_WRITE_REFERENCE -u TARN_SCREENSHOTS -u TARN_TEST_BINARY -u TARN_RACE_ROUNDS -u INSTA_FORCE_PASS \
		INSTA_UPDATE=no TARN_REQUIRE_TOOLS=1 cargo test --workspace --locked

DEBUG_BINARY := $(or $(CARGO_TARGET_DIR),target)/debug/tarn
# `make test` names the binary that the tests have built: this build has other features of the dependencies, and takes minutes.
debug_binary = $(if $(filter file,$(origin DEBUG_BINARY)),cargo build --locked --package tarn)

packaging-test: ## what is in packaging/, as far as one machine can try it; DEBUG_BINARY=FILE: with that binary, which has to be there
	$(debug_binary)
	TARN_REQUIRE_TOOLS=1 scripts/test-packaging $(DEBUG_BINARY) $(CACHE)

api-test: ## ask each operation of the JSON API API_EXAMPLES times whether it keeps to its OpenAPI document; DEBUG_BINARY=FILE as above
	$(debug_binary)
	scripts/test-api $(DEBUG_BINARY) $(CACHE) $(API_EXAMPLES)

RELEASE_BINARY := target/release/tarn

browser-test screenshots: export TARN_TEST_CACHE := $(CACHE)
browser-test: export TARN_TEST_BINARY := $(abspath $(RELEASE_BINARY))
browser-test: ## the tests in a browser on the release binary; RELEASE_BINARY=FILE: on that one, which has to be there
	scripts/install-system test
	scripts/install-languages $(CACHE)
	scripts/install-browser $(CACHE)
	scripts/install-alpine-root $(CACHE)
	$(if $(filter file,$(origin RELEASE_BINARY)),cargo build --release --locked --package tarn)
	env -u TARN_SCREENSHOTS TARN_REQUIRE_TOOLS=1 cargo test --locked --package tarn --test e2e -- browser::

screenshots: export TARN_SCREENSHOTS := $(CURDIR)/target/screenshots
screenshots: export TARN_SCREENSHOTS_OF ?= main
screenshots: ## write pictures of the ten main pages, narrow and wide, light and dark, to target/screenshots; TARN_SCREENSHOTS_OF=all: of every page
	scripts/install-browser $(CACHE)
	scripts/install-alpine-root $(CACHE)
	TARN_REQUIRE_TOOLS=1 cargo test --locked --package tarn --test e2e -- browser::

fuzz: ## each fuzz target for FUZZ_SECONDS
	scripts/fuzz $(FUZZ_SECONDS)

deny: ## licences, bans and sources of the dependencies
	cargo fetch --locked
	cargo deny --offline check bans licenses sources

.PHONY: bench bench-quick bench-record

bench: ## ratios to nginx and `apk index`; BENCH=engine chooses (engine access database publish memory download upload install)
	scripts/install-system bench
	scripts/install-alpine-root $(CACHE)
	cargo build --release --locked --package tarn
	cargo run --release --locked --package bench -- $(BENCH_FLAGS) $(BENCH)

bench-quick: ## the same, fewer and smaller: does it run?
	@$(MAKE) --no-print-directory bench BENCH_FLAGS=--quick

bench-record: ## the same, and writes the results into docs/benchmarks.md
	@$(MAKE) --no-print-directory bench BENCH_FLAGS='--write docs/benchmarks.md'
