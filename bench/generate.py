#!/usr/bin/env python3
"""Rows a second that `shrike generate --profile handbook` writes to Parquet on two cores, flushed to the
disk: median of 5 runs. The first line is the handbook's own size; the second ten times as many
customers."""

import argparse
import json

from common import SHRIKE, machine, median, need, run, scratch


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of the simulation; one more encodes")
    arguments = parser.parse_args()
    need(SHRIKE)
    print(machine())
    for customers in (5000, 50000):
        with scratch() as folder:
            out = f"{folder}/events.parquet"
            options = f"--days 183 --seed 1 --customers {customers} --threads {arguments.threads} --json"
            command = [SHRIKE, "generate", "--profile", "handbook", *options.split(), "--out", out]
            runs = [run(command, arguments.cores) for _ in range(arguments.rounds + 1)][1:]
        rows = json.loads(runs[0].out)["rows"]
        wall = median(runs, "wall")
        print(
            f"{customers:>6} customers: {rows:>11,} rows, {wall:6.2f} s wall, "
            f"{median(runs, 'cpu'):6.2f} s CPU, "
            f"{rows / wall / 1e6:5.2f} M rows/s, peak {median(runs, 'peak') / 2**20:.0f} MiB"
        )


if __name__ == "__main__":
    main()
