# A thin front for CMake and the scripts. `make help` lists the targets.
PRESET ?= release
PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := build
.PHONY: help setup setup-test build demo test test-servers test-spark unit docs install clean asan tsan coverage fuzz nightly format bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: ## install what the build needs and the machine lacks; does nothing the second time
	@scripts/setup.sh

setup-test: ## the same, with what the tests need
	@scripts/setup.sh --tests

build: ## build build/release/shrike (PRESET=debug and others: build/PRESET/shrike)
	@cmake --preset $(PRESET) >/dev/null || cmake --preset $(PRESET)
	@cmake --build --preset $(PRESET)

demo: ## set up, build, and run the main job: data, features, training, evaluation, scores
	@scripts/demo.sh

test: ## set up, build, and run every test that needs no server
	@scripts/test.sh

test-servers: test-spark ## set up, build, and run the tests that start servers or other engines

test-spark: ## set up (Java; PySpark in .deps/spark), build, and compare with Spark
	@scripts/setup.sh --spark
	@$(MAKE) --no-print-directory build
	@SHRIKE=build/$(PRESET)/shrike .deps/spark/bin/python -m pytest -q -ra --color=no tests/spark

unit: build ## build and run the unit tests of one preset
	@cmake --build --preset $(PRESET) --target unit
	@ctest --test-dir build/$(PRESET) --output-on-failure

# Python cannot load a library that needs the sanitizer's runtime, so tests/cli/test_api.py is left out here.
asan: setup-test ## all tests with addresses, leaks and undefined behaviour checked
	@$(MAKE) --no-print-directory unit PRESET=asan
	@SHRIKE=build/asan/shrike SHRIKE_SCORE_ROWS=build/asan/tests/score_rows ASAN_OPTIONS=allocator_may_return_null=1 \
	    LSAN_OPTIONS=suppressions=$(CURDIR)/tests/leaks.supp \
	    .deps/venv/bin/python -m pytest -q -ra tests/cli tests/models --ignore tests/cli/test_api.py

tsan: ## unit tests with data races checked
	@$(MAKE) --no-print-directory unit PRESET=tsan

coverage: setup-test ## all tests with lines counted; build/coverage/report.html
	@$(MAKE) --no-print-directory unit PRESET=coverage
	@SHRIKE=build/coverage/shrike .deps/venv/bin/python -m pytest -q tests/cli
	@.deps/venv/bin/gcovr --root . --filter src/ build/coverage --txt \
	    --gcov-ignore-parse-errors=negative_hits.warn_once_per_file --html-details build/coverage/report.html

fuzz: ## run each fuzz target for FUZZ_SECONDS (default 60)
	@scripts/setup.sh --fuzz
	@scripts/fuzz.sh

nightly: build ## random plans against the oracles, new seeds until one fails (NIGHTLY_SEED, NIGHTLY_PLANS)
	@scripts/nightly.sh

bench: build ## measure the claims of bench/ against their peers
	@bench/run.sh

docs: build ## write the generated pages of docs/ anew
	@build/$(PRESET)/shrike __commands >docs/commands.md
	@build/$(PRESET)/shrike __errors >docs/errors.md

format: ## format the C sources (clang-format)
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: build ## install to PREFIX (default /usr/local), under DESTDIR if given
	@DESTDIR="$(DESTDIR)" cmake --install build/$(PRESET) --prefix "$(PREFIX)"

clean: ## remove what was built; .deps and downloads stay
	@rm -rf build
