"""The 12 handbook windows in Polars as its manual has them, `rolling` per entity with a period and an offset,
Parquet to Parquet: python peer_polars_rolling.py IN OUT. Prints JSON as peer_polars.py does, which takes
less."""

import json
import sys
import time

import polars as pl
from peer_polars import NAMES, used


def by_entity(table, entity, value, names, delay):
    """The table's ids in the order of the entity and time, and two columns for each length of the window."""
    table = table.sort(entity, "ts")
    columns = [table["tx_id"]]
    for days in (1, 7, 30):
        windows = table.rolling(
            "ts", period=f"{days}d", offset=f"-{days + delay}d", group_by=entity, closed="right"
        )
        found = windows.agg(
            pl.len().alias(f"{entity[:-3]}_{names[0]}_{days}d"),
            pl.col(value).mean().fill_null(0.0).alias(f"{entity[:-3]}_{names[1]}_{days}d"),
        )
        columns += found.get_columns()[2:]
    return pl.DataFrame(columns)


def main(source, target):
    names = ["tx_id", "ts", "customer_id", "terminal_id", "amount", "is_fraud"]
    table = pl.scan_parquet(source).select(names).collect()
    customers = by_entity(table, "customer_id", "amount", ("count", "mean"), 0)
    terminals = by_entity(table, "terminal_id", "is_fraud", ("count", "risk"), 7)
    table = table.join(customers, on="tx_id").join(terminals, on="tx_id").sort("tx_id")
    table.select(
        "amount",
        (pl.col("ts").dt.weekday() >= 6).alias("weekend"),
        (pl.col("ts").dt.hour() <= 6).alias("night"),
        *NAMES,
    ).write_parquet(target)


if __name__ == "__main__":
    cpu, wall = used(), time.monotonic()
    main(sys.argv[1], sys.argv[2])
    print(json.dumps({"cpu": used() - cpu, "wall": time.monotonic() - wall}))
