#!/usr/bin/env python3
"""A rich plan, bench/rich.sql: 40 features over three entities, windows of one hour to 90 days with means,
deviations, minima, maxima and distinct counts. Parquet to Parquet, Shrike against DuckDB with the same plan
text, on one core each. Runs alternate; medians of CPU seconds (user and system), and what an event costs.

Afterwards the two outputs are compared, row by row, where no other event of an entity has the same time."""

import argparse
import json
import sys
from pathlib import Path

from common import PEER_PYTHON, ROOT, SHRIKE, machine, median, need, run, run_peer, scratch

HERE = ROOT / "bench"
RICH = HERE / "rich.sql"
KEYS = ("customer_id", "terminal_id", "terminal_id % 100")
CLAIM = 6


def generate(events, out):
    """So many customers that the events span half a year, and two terminals for each."""
    customers = max(100, events // 348)
    options = f"--rows {events} --customers {customers} --terminals {2 * customers} --seed 1 --json"
    return json.loads(run([SHRIKE, "generate", *options.split(), "--out", out]).out), customers


def contenders(source, folder):
    def shrike():
        files = ["--in", source, "--out", folder / "shrike.parquet"]
        return run([SHRIKE, "features", RICH, *files, "--threads", 1, "--quiet"], 1)

    def duckdb():
        return run_peer([HERE / "peer_duckdb.py", RICH, source, folder / "duckdb.parquet", 1], 1)

    return {"Shrike": shrike, "DuckDB": duckdb}


def measure(runners, rounds):
    runs = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            runs[name].append(runner())
            print(f"  {name}: {runs[name][-1].cpu:.2f} s CPU", file=sys.stderr, flush=True)
    return runs


def show(runs, events, rounds):
    base = median(runs["Shrike"], "cpu")
    print(
        f"\n1 core, median of {rounds}"
        f"\n{'':8}{'CPU s':>9}{'wall s':>9}{'us/event':>10}{'peak MiB':>10}{'CPU ratio':>11}"
    )
    for name, results in runs.items():
        cpu = median(results, "cpu")
        print(
            f"{name:8}{cpu:>9.2f}{median(results, 'wall'):>9.2f}{cpu / events * 1e6:>10.2f}"
            f"{median(results, 'peak') / 2**20:>10.0f}{cpu / base:>10.1f}x"
        )
    print(f"\nDuckDB / Shrike, CPU seconds: {median(runs['DuckDB'], 'cpu') / base:.1f}; claimed: {CLAIM}")


def compare(source, folder):
    files = [source, folder / "shrike.parquet", folder / "duckdb.parquet"]
    found = json.loads(run([PEER_PYTHON, HERE / "peer_match.py", *files, *KEYS]).out)
    print(
        f"{found['rows']:,} rows, {found['left_out']:,} with a peer left out; "
        f"{sum(found['differ'].values())} values of {found['compared']:,} rows differ"
    )
    if found["differ"] or found["compared"] + found["left_out"] != found["rows"]:
        sys.exit(f"the outputs differ: {found}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    need(SHRIKE, PEER_PYTHON, RICH)
    with scratch() as folder:
        folder = Path(folder)
        source = folder / "events.parquet"
        summary, customers = generate(arguments.events, source)
        print(
            f"{machine()}\n{summary['rows']:,} events, {customers:,} customers, {2 * customers:,} terminals, "
            f"{summary['first']} to {summary['last']}",
            flush=True,
        )
        runners = contenders(source, folder)
        show(measure(runners, arguments.rounds), summary["rows"], arguments.rounds)
        compare(source, folder)


if __name__ == "__main__":
    main()
