#!/bin/bash
# Builds the fuzz targets and runs each for FUZZ_SECONDS. New inputs go to build/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzz
for program in build/fuzz/fuzz/fuzz_*; do
    name=$(basename "$program")
    mkdir -p "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
    echo "== $name"
    LSAN_OPTIONS=suppressions=tests/leaks.supp "$program" -max_total_time="${FUZZ_SECONDS:-60}" \
        -artifact_prefix="build/fuzz/" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
done
