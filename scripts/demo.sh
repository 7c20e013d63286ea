#!/bin/bash
# The main job on an embedded default, with nothing given: set up, build, start a project, simulate payments,
# train, evaluate, and score payments one by one with the reasons of their scores. All is left in build/demo.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
make --no-print-directory build

out=build/demo
simulation=(generate --profile handbook --days 90 --seed 11)
say() { printf '\n== %s\n' "$*"; }
shrike() { # shown as a user would type it
    printf '$ shrike %s\n' "$*"
    ../release/shrike "$@"
}

say "A project, and 90 days of simulated payments: 5000 customers, 10000 terminals, three kinds of fraud"
rm -rf "$out"
build/release/shrike init "$out" --quiet >/dev/null
cd "$out"
shrike "${simulation[@]}" --out data/transactions.parquet

say "A model, trained on two weeks; features.sql says what it looks at"
shrike train --name fraud --plan features.sql --rules rules.sql --in data/transactions.parquet \
    --train 2018-06-02..2018-06-16 --rounds 60 --param max_depth=4 eta=0.2 --alias champion

say "How good it is on the week that begins when the last training labels are known"
shrike evaluate models:/fraud@champion --in data/transactions.parquet --test 2018-06-23..2018-06-30 \
    --entity customer_id --top-k 100 --amount amount --report out/report.html

say "The same payments as a stream: the last ten with a score of 0.8 or more, and why"
printf '$ shrike %s --out - |\n' "${simulation[*]}"
printf '    shrike run models:/fraud@champion --source - --sink - --explain-from 0.8\n'
../release/shrike "${simulation[@]}" --out - --quiet |
    ../release/shrike run models:/fraud@champion --source - --sink - --explain-from 0.8 |
    grep -F '"reasons":[{' | tail -n 10 | sed 's/,"features":{[^}]*}//'

say "The report, for a browser: $PWD/out/report.html"
