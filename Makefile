# Everything sets itself up: a fresh machine needs Node and npm for `make run`, and Go, Rust and root on Debian for the whole of `make test`.
DIR ?= examples
PORT ?= 3001
NODE := node_modules/.bin/node
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: run test check unit e2e soak bench build image setup clean

## run: serve DIR (default: examples) without a cluster on PORT (default: 3001)
run: node_modules/.installed
	@$(NODE) scripts/prepare-examples.ts
	@$(NODE) operator/cli/main.ts local $(DIR) --port $(PORT)

## test: types, lint, unit, contract and end-to-end tests on a real cluster
test: setup
	@bash scripts/test.sh

## check: types, lint, format, import rules, generated files
check: node_modules/.installed
	@npm run --silent check

## soak: long fault and load runs
soak: setup
	@bash scripts/soak.sh

## bench: measure side by side, print ratios
bench: setup
	@$(NODE) bench/main.ts

## build: emit dist/ and the bundles of the pod's processes
build: node_modules/.installed
	@npm run --silent build

## image: build the container image (BASE_IMAGE=… chooses the base)
image: build
	@$(NODE) scripts/build-image.ts

## setup: what the tests need beside Node: packages of the system, builds that are cached
setup: node_modules/.installed
	@bash scripts/setup.sh

node_modules/.installed: package.json package-lock.json
	@bash scripts/install-node-modules.sh
	@touch $@

clean:
	rm -rf dist .cache node_modules
