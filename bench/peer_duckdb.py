"""A plan's SELECT, run by DuckDB, Parquet to Parquet: python peer_duckdb.py PLAN IN OUT THREADS. Prints
JSON: its CPU and wall seconds after the import. Rows may be written in any order, which is the cheaper way
for DuckDB."""

import json
import resource
import sys
import time

import duckdb


def select_of(plan):
    """The text of the plan's only SELECT; the rest declares the events."""
    with open(plan, encoding="utf-8") as file:
        statements = duckdb.extract_statements(file.read())
    selects = [s.query for s in statements if s.type == duckdb.StatementType.SELECT]
    assert len(selects) == 1, f"{plan} has {len(selects)} SELECT statements"
    return selects[0].strip().rstrip(";")


def main(plan, source, target, threads):
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE VIEW transactions AS SELECT * FROM read_parquet('{source}')")
    connection.execute(f"COPY ({select_of(plan)}) TO '{target}' (FORMAT parquet)")


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    cpu, wall = used(), time.monotonic()
    main(*sys.argv[1:])
    print(json.dumps({"cpu": used() - cpu, "wall": time.monotonic() - wall}))
