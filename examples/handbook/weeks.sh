#!/bin/bash
# Sourced by folds.sh and strong.sh, whose first argument is the folder for results. The second plan's models,
# week by week: one learns from some weeks, a week of labels is awaited, and the next week is judged by the
# published protocol.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
shrike=${SHRIKE:-$root/build/release/shrike}
payments=${SHRIKE_DATA:-$root/../shared}/data/handbook/transactions.parquet
work=${1:-$root/build/handbook}/$(basename "$0" .sh)
jobs=${JOBS:-$(nproc)}
export here shrike payments work
[ -x "$shrike" ] || { echo "$shrike does not exist: run \`make build\` first" >&2 && exit 1; }
[ -f "$payments" ] || { echo "no published payments: $payments" >&2 && exit 1; }
rm -rf "$work"
mkdir -p "$work"

# Features do not depend on the weeks: they are computed once, and a plan without windows reads them.
compute_features() { # CONDITION: the rows that are ever looked at
    "$shrike" features "$here/strong.sql" --in "$payments" --keep ts customer_id is_fraud --quiet \
        --out "$work/features.parquet"
    {
        echo "CREATE TABLE features (ts TIMESTAMP, customer_id INTEGER, is_fraud TINYINT DEFAULT 0"
        "$shrike" plan check "$here/strong.sql" |
            awk '/^features:/ { on = 1; next } on && NF == 2 { print ", " $1, $2 }'
        echo ");"
        echo "COMMENT ON COLUMN features.is_fraud IS 'shrike: label, late after=7 days';"
        echo "SELECT * EXCLUDE (ts, customer_id, is_fraud) FROM features WHERE $1;"
    } >"$work/features.sql"
}

day() { date -u -d "$1 $2 days" +%F; }

# Known cases are those since a week before the labels were awaited, however far back the model learned.
judge() { # NAME PLAN EVENTS DAY WEEKS OPTIONS...: NAME.json of the week from DAY on, WEEKS to learn from
    local name=$1 plan=$2 events=$3 from=$4 weeks=$5
    # One thread, since XGBoost adds up in another order with another number of them.
    "$shrike" train --name "$name" --plan "$plan" --in "$events" --registry "$work/models-$name" --quiet \
        --train "$(day "$from" $((-7 - 7 * weeks)))..$(day "$from" -7)" --threads 1 "${@:6}" >/dev/null
    "$shrike" evaluate "models:/$name/1" --in "$events" --registry "$work/models-$name" \
        --test "$from..$(day "$from" 7)" --train-start "$(day "$from" -14)" --entity customer_id --top-k 100 \
        --threads 1 --quiet --report "$work/$name.html" --json >"$work/$name.json"
}
export -f day judge
