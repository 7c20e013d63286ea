#!/bin/bash
# Random plans without end: a new seed every NIGHTLY_PLANS plans (default 2000), until one fails. Each seed's
# output is in build/nightly.log; a failure says which seed and plan it was and how to see it again.
set -uo pipefail
cd "$(dirname "$0")/.."
preset=${PRESET:-release}
plans=${NIGHTLY_PLANS:-2000}
seed=${NIGHTLY_SEED:-$(date +%s)}
program=build/$preset/tests/test_random_plans
log=build/nightly.log

cmake --build --preset "$preset" --target test_random_plans >"$log" 2>&1 || { cat "$log"; exit 1; }
total=0
for ((; ; seed++)); do
    start=$SECONDS
    if ! "$program" --seed "$seed" --plans "$plans" >"$log" 2>&1; then
        grep -A3 FAILED "$log" || tail "$log"
        echo "seed $seed failed, after $total plans without a failure; all of its output is in $log"
        exit 1
    fi
    total=$((total + plans))
    echo "seed $seed: $plans plans in $((SECONDS - start)) s without a failure, $total in all"
done
