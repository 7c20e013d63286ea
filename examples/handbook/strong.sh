#!/bin/bash
# The second plan's model, with the parameters that folds.sh chose, on the published test week. The published
# figures of tuned models are means over that week and the three after it, so each of those is judged too, by
# a model of its own that learned from the weeks before.
#
#   examples/handbook/strong.sh [OUT]    prints the figures beside the published ones; models and a report of
#                                        each week go to OUT/strong (default build/handbook/strong)
#
#   SHRIKE, SHRIKE_DATA    as for run.sh
#   JOBS                   how many weeks are worked on at once (default: one per processor)
set -euo pipefail
. "$(dirname "$0")/weeks.sh"
compute_features true

week() { # NAME PLAN EVENTS DAY
    judge "$@" 4 --rounds 150 \
        --param max_depth=4 eta=0.05 min_child_weight=5 subsample=0.7 colsample_bytree=0.5
}
export -f week

# The test week's model is trained with the plan itself, so it takes payments.
{
    echo strong "$here/strong.sql" "$payments" 2018-08-08
    for from in 2018-08-15 2018-08-22 2018-08-29; do
        echo "$from" "$work/features.sql" "$work/features.parquet" "$from"
    done
} | xargs -P "$jobs" -L 1 bash -euo pipefail -c 'week "$@"' week
python3 "$here/strong.py" "$work"
