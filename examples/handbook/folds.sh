#!/bin/bash
# How the parameters of the second plan's model were chosen: prequential folds over the last four weeks whose
# labels were all known when the test week began. No fold sees a payment of 2018-08-01 or later.
#
#   examples/handbook/folds.sh [OUT]    prints a line per choice, the best sum of the three means last; takes
#                                       8 minutes of CPU time and OUT/folds (default build/handbook/folds)
#
#   SHRIKE, SHRIKE_DATA    as for run.sh
#   JOBS                   how many choices are tried at once (default: one per processor)
set -euo pipefail
. "$(dirname "$0")/weeks.sh"
compute_features "ts < TIMESTAMP '2018-08-01'"

choice() { # WEEKS ROUNDS DEPTH WEIGHT: its line of the table
    local name
    for from in 2018-07-25 2018-07-18 2018-07-11 2018-07-04; do
        name=$(tr ' ' - <<<"$from $*")
        judge "$name" "$work/features.sql" "$work/features.parquet" "$from" "$1" --rounds "$2" \
            --param max_depth="$3" eta=0.05 min_child_weight="$4" subsample=0.7 colsample_bytree=0.5
        python3 -c 'import json, sys; m = json.load(sys.stdin)["metrics"]
print(m["auc"], m["average_precision"], m["precision_at_k"])' <"$work/$name.json"
    done | awk -v choice="$*" '
        { auc += $1; precision += $2; top += $3 }
        END { split(choice, c)
              printf "%5d %6d %5d %16d %9.4f %17.4f %13.4f %8.4f\n", c[1], c[2], c[3], c[4], auc / NR,
                     precision / NR, top / NR, (auc + precision + top) / NR }'
}
export -f choice

echo "weeks rounds depth min_child_weight   AUC ROC average precision precision@100      sum"
for weeks in 4 8; do
    for trees in "200 3" "150 4" "120 5"; do
        for weight in 5 20; do
            echo "$weeks $trees $weight"
        done
    done
done | xargs -P "$jobs" -L 1 bash -euo pipefail -c 'choice "$@"' choice | sort -n -k 8
