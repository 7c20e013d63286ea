"""Compares two feature files row by row: python peer_compare.py A B. Prints JSON: rows and how many differ
by more than 1e-9 * max(1, |x|) in a column of B."""

import json
import sys

import duckdb


def main(a, b):
    connection = duckdb.connect()
    for name, path in (("a", a), ("b", b)):
        connection.execute(f"CREATE TABLE {name} AS SELECT row_number() OVER () AS row, * FROM '{path}'")
    columns = [r[0] for r in connection.execute("DESCRIBE b").fetchall()][1:]
    different = " OR ".join(
        f"abs(a.{c}::DOUBLE - b.{c}::DOUBLE) > 1e-9 * greatest(1, abs(b.{c}::DOUBLE))" for c in columns
    )
    query = f"SELECT count(*), count(*) FILTER ({different}) FROM a JOIN b USING (row)"
    rows, wrong = connection.execute(query).fetchone()
    print(json.dumps({"rows": rows, "different": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
