#!/bin/bash
# How the parameters of the second plan's model were chosen: prequential folds over the last four weeks whose labels
# were all known when the test week began. A fold trains on some weeks, leaves out the label delay, and is judged on
# the week after it by the published protocol. No fold sees a payment of 2018-08-01 or later.
#
#   examples/handbook/folds.sh [OUT]      prints a line per choice, the highest sum of three means last; some minutes
#
#   SHRIKE, SHRIKE_DATA    as for run.sh; all goes to OUT/folds (default build/handbook/folds)
#   JOBS                   how many choices are tried at once (default: one per processor)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
shrike=${SHRIKE:-$root/build/release/shrike}
payments=${SHRIKE_DATA:-$root/../shared}/data/handbook/transactions.parquet
work=${1:-$root/build/handbook}/folds
export shrike work
[ -x "$shrike" ] || { echo "$shrike does not exist: run \`make build\` first" >&2 && exit 1; }
[ -f "$payments" ] || { echo "folds.sh: no published payments: $payments" >&2 && exit 1; }
rm -rf "$work"
mkdir -p "$work"

# The features do not depend on the fold: they are computed once, and a plan without windows reads them.
"$shrike" features "$here/strong.sql" --in "$payments" --keep ts customer_id is_fraud --quiet \
    --out "$work/features.parquet"
{
    echo "CREATE TABLE payments (ts TIMESTAMP, customer_id INTEGER, is_fraud TINYINT DEFAULT 0"
    "$shrike" plan check "$here/strong.sql" | awk '/^features:/ { on = 1; next } on && NF == 2 { print ", " $1, $2 }'
    echo ");"
    echo "COMMENT ON COLUMN payments.is_fraud IS 'shrike: label, late after=7 days';"
    echo "SELECT * EXCLUDE (ts, customer_id, is_fraud) FROM payments WHERE ts < TIMESTAMP '2018-08-01';"
} >"$work/plan.sql"

before() { date -u -d "2018-08-01 $1 days ago" +%F; }

fold() { # FOLD WEEKS NAME OPTIONS...: AUC ROC, average precision and precision@100, trained on WEEKS weeks
    local end=$((7 * $1)) name=$3
    local train_end=$((end + 14))
    "$shrike" train --name "$name" --plan "$work/plan.sql" --in "$work/features.parquet" --registry "$work/$name" \
        --train "$(before $((train_end + 7 * $2)))..$(before $train_end)" --threads 1 --quiet "${@:4}" >/dev/null
    "$shrike" evaluate "models:/$name/latest" --in "$work/features.parquet" --registry "$work/$name" --json \
        --test "$(before $((end + 7)))..$(before $end)" --train-start "$(before $((train_end + 7)))" \
        --entity customer_id --top-k 100 --threads 1 --quiet |
        python3 -c 'import json, sys; m = json.load(sys.stdin)["metrics"]
print(m["auc"], m["average_precision"], m["precision_at_k"])'
}

choice() { # WEEKS ROUNDS DEPTH WEIGHT: its line of the table
    for fold in 0 1 2 3; do
        fold $fold "$1" "$(tr ' ' - <<<"$*")" --rounds "$2" --param max_depth="$3" eta=0.05 min_child_weight="$4" \
            subsample=0.7 colsample_bytree=0.5
    done | awk -v choice="$*" '
        { auc += $1 / 4; average += $2 / 4; top += $3 / 4 }
        END { split(choice, c)
              printf "%5d %6d %5d %16d %9.4f %17.4f %13.4f %8.4f\n", c[1], c[2], c[3], c[4], auc, average, top,
                     auc + average + top }'
}
export -f before fold choice

echo "weeks rounds depth min_child_weight   AUC ROC average precision precision@100      sum"
for weeks in 4 8; do
    for trees in "200 3" "150 4" "120 5"; do
        for weight in 5 20; do
            echo "$weeks $trees $weight"
        done
    done
done | xargs -P "${JOBS:-$(nproc)}" -L 1 bash -euo pipefail -c 'choice "$@"' choice | sort -n -k 8
