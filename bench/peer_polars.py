"""The 12 handbook windows in Polars, Parquet to Parquet: python peer_polars.py IN OUT. Prints JSON: its CPU
and wall seconds after the import.

A window ends with the current time, peers included: (t - W, t]. Delayed windows are the difference of two
that end now, as the handbook computes them."""

import json
import resource
import sys
import time

import polars as pl

NAMES = [
    f"{e}_{a}_{d}d"
    for e, a in (("customer", "count"), ("customer", "mean"), ("terminal", "count"), ("terminal", "risk"))
    for d in (1, 7, 30)
]


def windows():
    for days in (1, 7, 30):
        window = f"{days}d"
        yield (
            pl.col("one")
            .rolling_sum_by("ts", window_size=window)
            .over("customer_id")
            .alias(f"customer_count_{window}")
        )
        yield (
            pl.col("amount")
            .rolling_mean_by("ts", window_size=window)
            .over("customer_id")
            .alias(f"customer_mean_{window}")
        )
    for days in (7, 8, 14, 37):
        for column in ("one", "fraud"):
            yield (
                pl.col(column)
                .rolling_sum_by("ts", window_size=f"{days}d")
                .over("terminal_id")
                .alias(f"{column}_{days}")
            )


def delayed():
    for days in (1, 7, 30):
        count = pl.col(f"one_{days + 7}") - pl.col("one_7")
        frauds = pl.col(f"fraud_{days + 7}") - pl.col("fraud_7")
        yield count.alias(f"terminal_count_{days}d")
        yield pl.when(count > 0).then(frauds / count).otherwise(0.0).alias(f"terminal_risk_{days}d")


def main(source, target):
    columns = ["tx_id", "ts", "customer_id", "terminal_id", "amount", "is_fraud"]
    table = (
        pl.scan_parquet(source)
        .select(columns)
        .with_columns(one=pl.lit(1, dtype=pl.Int32), fraud=pl.col("is_fraud").cast(pl.Int32))
    )
    table = table.with_columns(pl.col("ts").set_sorted()).with_columns(*windows()).with_columns(*delayed())
    table = table.select(
        "amount",
        (pl.col("ts").dt.weekday() >= 6).alias("weekend"),
        (pl.col("ts").dt.hour() <= 6).alias("night"),
        *NAMES,
    )
    table.collect().write_parquet(target)


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    cpu, wall = used(), time.monotonic()
    main(sys.argv[1], sys.argv[2])
    print(json.dumps({"cpu": used() - cpu, "wall": time.monotonic() - wall}))
