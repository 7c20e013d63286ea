#!/bin/sh
# make bench: every benchmark, one after the other. Each also runs alone; bench/README.md says what it prints.
set -eu
cd "$(dirname "$0")"
./setup.sh
for program in generate features rich memory; do
    echo "== bench/$program.py"
    ./$program.py
done
cd ..
cmake --build --preset release --target bench_growth
echo "== bench/growth.c"
build/release/bench_growth
cmake --build --preset release --target bench_forest
echo "== bench/forest.py"
bench/forest.py
cmake --build --preset release --target bench_load
echo "== bench/load.py"
bench/load.py
cmake --build --preset release --target bench_durable
echo "== bench/durable.py"
bench/durable.py
