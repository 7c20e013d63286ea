#!/bin/bash
# The Fraud Detection Handbook's experiment from end to end: features, two models, their evaluation under the
# published protocol, and ten payments scored one by one with the reasons of their scores.
#
#   examples/handbook/run.sh [OUT]      results go to OUT (default build/handbook)
#
#   SHRIKE        the program (default build/release/shrike)
#   SHRIKE_DATA   the folder with data/handbook/transactions.parquet and features_published.parquet (default
#                 ../shared); where it is absent, payments are simulated instead: the same kind, other numbers
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
shrike=${SHRIKE:-$root/build/release/shrike}
data=${SHRIKE_DATA:-$root/../shared}/data/handbook
out=${1:-$root/build/handbook}
python=$root/.deps/venv/bin/python
[ -x "$python" ] || python=python3
[ -x "$shrike" ] || { echo "$shrike does not exist: run \`make build\` first" >&2 && exit 1; }
mkdir -p "$out"

say() { printf '\n== %s\n' "$*"; }

payments=$data/transactions.parquet
if [ -f "$payments" ]; then
    say "Features, compared with the published ones"
    # Without Python's duckdb there is no comparison, and nothing after it depends on one.
    if "$python" -c 'import duckdb' 2>/dev/null; then
        published=$data/features_published.parquet
        "$python" "$here/compare.py" order "$payments" "$published" "$out/ordered.parquet"
        "$shrike" features "$here/published.sql" --in "$out/ordered.parquet" --keep tx_id \
            --out "$out/features.parquet"
        "$python" "$here/compare.py" check "$out/features.parquet" "$published"
        rm "$out/ordered.parquet"
    else
        echo "not compared: no Python with duckdb (\`make setup-test\` installs one)"
    fi
else
    say "No published data in $data: simulated payments instead, whose figures differ from the published ones"
    payments=$out/transactions.parquet
    "$shrike" generate --profile handbook --days 183 --seed 7 --out "$payments"
fi

train() { # NAME and options of its own; the protocol's training week
    "$shrike" train --name "$1" --plan "$here/published.sql" --in "$payments" --label is_fraud \
        --train 2018-07-25..2018-08-01 --delay 7d --registry "$out/models" "${@:2}"
}

evaluate() { # NAME: the test week, a label delay after the training week
    "$shrike" evaluate "models:/$1/latest" --in "$payments" --test 2018-08-08..2018-08-15 --delay 7d \
        --entity customer_id --top-k 100 --amount amount --registry "$out/models" --report "$out/$1.html"
}

say "XGBoost, trained on a week"
train xgboost --model xgboost --rounds 100 --param max_depth=6 eta=0.3 tree_method=exact base_score=0.5 \
    --rules "$here/rules.sql"
say "XGBoost, a label delay later (published: AUC ROC 0.862, average precision 0.639, precision@100 0.273)"
evaluate xgboost

say "Logistic regression, trained on the same week"
train linear --model linear
say "Logistic regression, a label delay later (published: 0.871, 0.606, 0.291)"
evaluate linear

say "Payments as JSON lines, scored one by one: the last ten of the test week with a score of 0.9 or more"
# A plan without windows turns any file into lines; the pipe is what a payment system would send.
cat >"$out/lines.sql" <<'SQL'
CREATE TABLE payments (tx_id BIGINT PRIMARY KEY, ts TIMESTAMP, customer_id INTEGER, terminal_id INTEGER,
                       amount DOUBLE, is_fraud TINYINT);
SELECT amount FROM payments;
SQL
"$shrike" features "$out/lines.sql" --in "$payments" --keep tx_id ts customer_id terminal_id is_fraud \
    --out - --quiet |
    grep -E '"ts":"2018-0([4-7]|8-0|8-1[0-4])' |
    "$shrike" run models:/xgboost/latest --registry "$out/models" --source - --sink - --explain-from 0.9 |
    grep -F '"reasons":[{' | tail -n 10 | sed 's/,"features":{[^}]*}//'
say "Reports: $out/xgboost.html and $out/linear.html"
