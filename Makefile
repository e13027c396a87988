# Two commands matter to a newcomer: `make demo` and `make test`.

CARGO ?= cargo

.PHONY: demo test lint bench interop schemas fuzz prepare

demo: prepare ## Build and do the main job on real data
	$(CARGO) build --release --locked --package makoto-cli
	MAKOTO=$(CURDIR)/target/release/makoto demo/run target/demo

test: prepare ## Everything that can go red
	$(CARGO) test --workspace --locked --doc
	$(CARGO) test --workspace --locked --lib --bins --tests

lint: prepare ## Form, lints, documentation, licences
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	scripts/deny

bench: prepare ## Speed and memory, as ratios against other programs in one run
	$(CARGO) build --release --locked --package makoto-cli
	for bench in bench/*.py; do \
		echo "$$bench"; MAKOTO=$(CURDIR)/target/release/makoto target/python/bin/python $$bench || exit 1; \
	done
	$(CARGO) bench --locked --package makoto --bench signing

interop: prepare ## Other people's programs read what we write, and we what they write
	$(CARGO) build --release --locked --package makoto-cli
	MAKOTO=$(CURDIR)/target/release/makoto interop/run

schemas: ## Write schemas/*.json from the types
	MAKOTO_UPDATE_SCHEMAS=1 $(CARGO) test --package makoto --test vectors committed_schemas --locked

fuzz: ## Fuzz each parser for a minute (needs cargo-fuzz)
	scripts/fuzz

prepare:
	@scripts/prepare
