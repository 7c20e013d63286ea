#!/usr/bin/env python3
"""The handbook's 12 windows over 1.75 million transactions, Parquet to Parquet: Shrike against DuckDB (the
same plan text) and Polars, in two ways: sums and means by time per entity and differences of them, which
takes the least, and `rolling` with a period and an offset. Runs alternate; medians of CPU seconds (user and
system) and of wall seconds, and their ratios.

Shrike's times are those of the whole process. The peers' are taken inside Python after the import of the
library."""

import argparse
import json
import os
from pathlib import Path

from common import (
    PEER_PYTHON,
    PLAN,
    ROOT,
    SHRIKE,
    machine,
    median,
    need,
    published_data,
    run,
    run_peer,
    scratch,
)

HERE = ROOT / "bench"


def contenders(source, folder):
    def shrike(cores):
        return run(
            [SHRIKE, "features", PLAN, "--in", source, "--out", folder / "shrike.parquet"]
            + ["--threads", cores, "--quiet"],
            cores,
        )

    def duckdb(cores):
        return run_peer([HERE / "peer_duckdb.py", PLAN, source, folder / "duckdb.parquet", cores], cores)

    def polars(cores, program="peer_polars.py", out="polars.parquet"):
        return run_peer([HERE / program, source, folder / out], cores, {"POLARS_MAX_THREADS": str(cores)})

    def rolling(cores):
        return polars(cores, "peer_polars_rolling.py", "rolling.parquet")

    return {"Shrike": shrike, "DuckDB": duckdb, "Polars": polars, "rolling": rolling}


def compare(folder, peer):
    """They differ only where a customer has two transactions in one second: Shrike's windows hold what came
    before, Polars' the later one too."""
    result = run(
        [PEER_PYTHON, HERE / "peer_compare.py", folder / "shrike.parquet", folder / f"{peer.lower()}.parquet"]
    )
    found = json.loads(result.out)
    print(
        f"\nrows in which Shrike and {peer} differ (two payments of a customer in one second): "
        f"{found['different']} of {found['rows']:,}"
    )


def measure(runners, folder, cores, rounds):
    for runner in runners.values():
        runner(cores)
    runs = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            runs[name].append(runner(cores))
    base = {field: median(runs["Shrike"], field) for field in ("cpu", "wall")} if "Shrike" in runs else None
    print(
        f"\n{cores} core{'s' if cores > 1 else ''}, median of {rounds}"
        f"\n{'':8}{'CPU s':>8}{'wall s':>8}{'peak MiB':>10}{'file MB':>9}{'CPU ratio':>11}{'wall ratio':>12}"
    )
    for name, results in runs.items():
        cpu, wall = median(results, "cpu"), median(results, "wall")
        ratios = f"{cpu / base['cpu']:>10.1f}x{wall / base['wall']:>11.1f}x" if base else ""
        size = (folder / f"{name.lower()}.parquet").stat().st_size / 1e6
        peak = median(results, "peak") / 2**20
        print(f"{name:8}{cpu:>8.2f}{wall:>8.2f}{peak:>10.0f}{size:>9.1f}{ratios}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="names of contenders, with commas")
    arguments = parser.parse_args()
    need(SHRIKE, PEER_PYTHON, PLAN)
    with scratch() as folder:
        folder = Path(folder)
        source = published_data()
        if source is None:
            print("the published data is absent: a simulation of the same size is generated instead")
            source = folder / "events.parquet"
            run([SHRIKE, "generate", "--out", source, "--quiet"])
        runners = contenders(source, folder)
        if arguments.only:
            runners = {name: runners[name] for name in arguments.only.split(",")}
        print(f"{machine()}\n{source}")
        for cores in (1, 2):
            if cores <= len(os.sched_getaffinity(0)):
                measure(runners, folder, cores, arguments.rounds)
        for peer in ("Polars", "rolling"):
            if {"Shrike", peer} <= runners.keys():
                compare(folder, peer)


if __name__ == "__main__":
    main()
