#!/usr/bin/env python3
"""Peak memory of `shrike features` with the handbook's 12 windows over 50 million generated transactions:
state is bounded by the windows, not by the file. Fails above 4 GiB."""

import argparse
import json
import shutil
import sys

from common import PLAN, SHRIKE, machine, need, run, scratch

LIMIT_BYTES = 4 * 2**30
BYTES_A_ROW = 80  # of the events and the features in Parquet together, generously


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    need(SHRIKE, PLAN)
    customers = max(100, arguments.rows // 348)  # so that the rows span about half a year
    with scratch() as folder:
        free = shutil.disk_usage(folder).free
        if free < arguments.rows * BYTES_A_ROW:
            sys.exit(
                f"{folder} has {free / 2**30:.1f} GiB free, "
                f"{arguments.rows * BYTES_A_ROW / 2**30:.1f} are needed; "
                "TMPDIR names another place"
            )
        print(machine())
        events, features = f"{folder}/events.parquet", f"{folder}/features.parquet"
        options = f"--rows {arguments.rows} --customers {customers} --seed 1 --json"
        made = run([SHRIKE, "generate", *options.split(), "--out", events])
        summary = json.loads(made.out)
        print(
            f"generate: {summary['rows']:,} rows, {customers:,} customers, "
            f"{summary['first']} to {summary['last']}, "
            f"{made.wall:.1f} s, peak {made.peak / 2**20:.0f} MiB",
            flush=True,
        )
        options = f"--threads {arguments.threads} --quiet"
        result = run([SHRIKE, "features", PLAN, "--in", events, "--out", features, *options.split()])
    print(
        f"features: {result.wall:.1f} s wall, {result.cpu:.1f} s CPU, "
        f"{summary['rows'] / result.wall / 1e6:.2f} M rows/s, peak {result.peak / 2**20:.0f} MiB"
    )
    if result.peak > LIMIT_BYTES:
        sys.exit("more than 4 GiB")


if __name__ == "__main__":
    main()
