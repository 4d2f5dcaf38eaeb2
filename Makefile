# The front door. `make` alone lists the targets; what needs logic is a program under tests/, not shell.

SETUP  := target/setup/build/debug/ballast-setup
CONFIG ?= envoy/all-filters.yaml
# What licences and duplicates are checked with.
DENY_VERSION := 0.20.2
DENY_ROOT := target/setup/deny-$(DENY_VERSION)
DENY := $(DENY_ROOT)/bin/cargo-deny
MAKEFLAGS += --no-print-directory

# Whatever is compiled for Wasm: the directory names the package.
WASM_CRATES := $(patsubst filters/%/Cargo.toml,-p ballast-%,$(wildcard filters/*/Cargo.toml)) \
	$(patsubst tests/plugins/%/Cargo.toml,-p ballast-%,$(wildcard tests/plugins/*/Cargo.toml))

# What ships: each becomes a module.
FILTERS := $(filter-out filters/core filters/host,$(patsubst %/Cargo.toml,%,$(wildcard filters/*/Cargo.toml)))

.PHONY: help setup wasm images push run test test-native test-wasm32 test-contract e2e check fuzz fuzz-seeds reproducible deny bench bench-overload scenario load chaos bench-cache simulate-fleet profile schema clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1 \t/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## bring what the others need: Wasm targets, Envoy, the Wasm test runner
	@cargo build -q -p ballast-setup --target-dir target/setup/build
	@$(SETUP)

wasm: setup ## build the filters into dist/ (and the test plugins into target/plugins/)
	cargo run -q -p ballast-modules -- build

images: wasm ## pack the filters as OCI archives in dist/images/, with what each is made of; SOURCE=<address> for the label
	SOURCE="$(SOURCE)" cargo run -q --release -p ballast-images

push: images ## push the images with skopeo; REGISTRY=<host>/<path>, SIGN_KEY=<cosign key> to sign them
	@test -n "$(REGISTRY)" || { echo "push: say where to: make push REGISTRY=<host>/<path>"; exit 2; }
	@command -v skopeo >/dev/null || { echo "push: needs skopeo on PATH (Debian: apt-get install skopeo)"; exit 2; }
	@test -z "$(SIGN_KEY)" || command -v cosign >/dev/null || { echo "push: signing needs cosign on PATH"; exit 2; }
	for archive in dist/images/*.oci.tar; do \
	  name=$$(basename $$archive .oci.tar); version=$$(cargo pkgid -p ballast-core | sed 's/.*[#@]//'); \
	  for tag in $$version $$version-artifact; do \
	    skopeo copy $(PUSH_FLAGS) oci-archive:$$archive:$$tag docker://$(REGISTRY)/$${name#ballast-}:$$tag || exit 1; \
	    test -z "$(SIGN_KEY)" || cosign sign --yes --key "$(SIGN_KEY)" $(REGISTRY)/$${name#ballast-}:$$tag || exit 1; \
	  done; \
	done

run: wasm ## run Envoy with the filters and sample upstreams; CONFIG=envoy/<file>.yaml for another file
	cargo run -q --release -p ballast-harness --bin ballast-run -- $(CONFIG)

test: setup ## pass every test: check, native, wasm32, contract, e2e
	@MAKE="$(MAKE)" $(SETUP) stages wasm check -- test-native test-wasm32 test-contract e2e

test-native: setup ## unit and property tests
	cargo test --no-fail-fast
	cargo test -p ballast-core --features schema --test config_schema

test-wasm32: setup ## core's unit tests on 32 bits, as they ship
	PATH="$(CURDIR)/target/setup/bin:$$PATH" \
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$(CURDIR)/target/setup/bin/wasm-bindgen-test-runner" \
	cargo test -p ballast-core --lib --target wasm32-unknown-unknown

test-contract: wasm ## the shipped modules under the in-process host
	cargo test --no-fail-fast -p ballast-contract

e2e: wasm ## the shipped modules in a real Envoy, and a few seconds of each load and chaos scenario; FILTER=rate-limit for one, BALLAST_ENVOY=container|process, ENVOY_VERSION=1.37.0 for the oldest, MODULE=all for the one module
	$(if $(MODULE),export BALLAST_MODULE=$(MODULE) && )$(if $(ENVOY_VERSION),envoy=$$($(SETUP) envoy $(ENVOY_VERSION)) && BALLAST_ENVOY=process ENVOY_BIN=$$envoy )cargo test --no-fail-fast -p ballast-e2e -p ballast-load $(if $(FILTER),--test $(subst -,_,$(FILTER)))

check: wasm ## formatting, lints (native and Wasm), docs, every file in envoy/ (by Envoy and by ballast-check)
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy $(WASM_CRATES) --lib --examples --target wasm32-wasip1 -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace
	cargo run -q -p ballast-harness --bin ballast-validate
	cargo run -q -p ballast-check -- --deny-warnings $(wildcard envoy/*.yaml envoy/recipes/*.yaml)

fuzz: ## run every parser and decoder under libFuzzer; TIME=30 seconds for each, TARGET=<name> for one
	TIME="$(TIME)" cargo run -q -p ballast-fuzz --bin fuzz -- $(TARGET)

fuzz-seeds: ## write the part of the fuzzers' corpora that filters write
	cargo run -q -p ballast-fuzz --bin fuzz -- seeds

reproducible: setup ## build the filters twice, from two clones at two places, and compare; FILTER=rate-limit for one
	cargo run -q -p ballast-modules -- reproduce $(FILTER)

$(DENY):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --debug -q --root $(DENY_ROOT) --target-dir target/setup/build

deny: $(DENY) ## licences and sources of all dependencies, and no crate twice in a module (cargo-deny; advisories need the network: see deny.toml)
	$(DENY) --locked --workspace check licenses sources
	for filter in $(FILTERS); do $(DENY) --locked --exclude-dev --target wasm32-wasip1 --manifest-path $$filter/Cargo.toml --config deny.toml check bans || exit 1; done

bench: wasm ## measure what each filter costs in a real Envoy; FILTER=rate-limit for one
	cargo run --release -p ballast-bench --bin bench -- $(FILTER)

bench-overload: wasm ## measure goodput under overload, four ways side by side
	cargo run --release -p ballast-bench --bin overload

scenario: wasm ## one incident, the filters each by itself and together: what each second saw
	cargo run --release -p ballast-e2e --bin scenario

load: wasm ## load scenarios with the chain and without, about 35 minutes; SCENARIO=spike for one, SOAK=5m for a shorter soak; report below target/load/
	cargo run --release -p ballast-load --bin load -- $(SCENARIO) $(if $(SOAK),--soak $(SOAK))

chaos: wasm ## trouble of every kind around Envoy, and what must hold afterwards; SCENARIO=dns-gone for one; report below target/chaos/
	cargo run --release -p ballast-load --bin chaos -- $(SCENARIO)

bench-cache: $(if $(ENVOY),wasm) ## hit ratio of each eviction policy beside a perfect LRU's, over the pure core; ENVOY=1 also in a real Envoy
	cargo run --release -p ballast-bench --bin bench-cache -- $(if $(ENVOY),--envoy)

simulate-fleet: ## how exact a limit for a fleet is and what it costs, in virtual time
	cargo run --release -p ballast-bench --bin simulate-fleet

profile: wasm ## instructions and host calls of each module, by callback and function
	cargo run --release -p ballast-bench --bin profile

schema: ## write the JSON Schemas and reference tables from the configuration types
	cargo run -q -p ballast-schema

clean: ## remove what was built and brought (target/ and dist/)
	rm -rf target dist
