"""Compares two feature files by their first column, an id: python peer_match.py EVENTS A B KEY... Prints
JSON: rows, how many were left out, how many differ by more than 1e-9 * max(1, |x|), and in which columns.

Left out is what has a peer: another event of the same KEY (an expression over the events) at the same time.
To SQL peers see each other; to Shrike only the later one sees the earlier. All columns are compared as
doubles, a NULL equals a NULL."""

import json
import sys

import duckdb

SHARDS = 8  # of the ids, one after the other: a join of all columns would not fit in memory


def peers(source, name, keys):
    tied = " OR ".join(f"count(*) OVER (PARTITION BY {key}, ts) > 1" for key in keys)
    return f"CREATE TABLE peers AS SELECT {name} FROM '{source}' QUALIFY {tied}"


def compare(connection, a, b):
    name, *columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM '{a}'").fetchall()]
    differences = ", ".join(
        f"count(*) FILTER ((a.{c} IS NULL) <> (b.{c} IS NULL) OR "
        f"abs(a.{c}::DOUBLE - b.{c}::DOUBLE) > 1e-9 * greatest(1, abs(b.{c}::DOUBLE))) AS {c}"
        for c in columns
    )
    total = [0] * (1 + len(columns))
    for shard in range(SHARDS):
        sides = (f"(SELECT * FROM '{path}' WHERE {name} % {SHARDS} = {shard})" for path in (a, b))
        query = f"SELECT count(*), {differences} FROM {next(sides)} a JOIN {next(sides)} b USING ({name}) "
        found = connection.execute(query + f"ANTI JOIN peers USING ({name})").fetchone()
        total = [x + y for x, y in zip(total, found)]
    return total[0], {c: n for c, n in zip(columns, total[1:]) if n}


def main(source, a, b, *keys):
    connection = duckdb.connect()
    name = connection.execute(f"DESCRIBE SELECT * FROM '{a}'").fetchone()[0]
    connection.execute(peers(source, name, keys))
    rows = connection.execute(f"SELECT count(*) FROM '{source}'").fetchone()[0]
    left_out = connection.execute("SELECT count(*) FROM peers").fetchone()[0]
    compared, differ = compare(connection, a, b)
    print(json.dumps({"rows": rows, "left_out": left_out, "compared": compared, "differ": differ}))


if __name__ == "__main__":
    main(*sys.argv[1:])
