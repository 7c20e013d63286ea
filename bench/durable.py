#!/usr/bin/env python3
"""The durable engine beside the disk it stands on: trains a forest of 100 trees on the handbook plan and
gives it to bench_durable, which prints the figures. Options go there: --only batches ..."""

import sys
from pathlib import Path

from common import ROOT, SHRIKE, machine, need, published_data, run, scratch

BENCH = ROOT / "build/release/bench_durable"
PLAN = ROOT / "examples/handbook/features.sql"


def main():
    need(SHRIKE, BENCH)
    with scratch() as folder:
        folder = Path(folder)
        events = published_data()
        if not events:
            events = folder / "events.parquet"
            run([SHRIKE, "generate", "--quiet", "--seed", 1, "--out", events])
        spans = ["--train", "2018-07-25..2018-08-01", "--valid", "2018-08-08..2018-08-15"]
        registry = folder / "models"
        words = ["--name", "bench", "--plan", PLAN, "--in", events, *spans, "--registry", registry, "--quiet"]
        run([SHRIKE, "train", *words])
        model = registry / "bench/1/model.json"
        print(machine())
        print(run([BENCH, PLAN, model, events, "--directory", folder, *sys.argv[1:]]).out, end="")


if __name__ == "__main__":
    main()
