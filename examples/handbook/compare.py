"""Compares features with the published ones, row by row, in DuckDB.

    compare.py order TRANSACTIONS PUBLISHED OUT     writes the transactions in the order they were taken in
    compare.py check OURS PUBLISHED                 both have tx_id and the same feature columns

A few customers paid twice in one second. Which payment came first is not in the transactions (tx_id does not
say: the published features were computed after a sort that may swap equals), but the published counts show
it: the second one counts the first, not the other way round. `order` swaps those pairs and says how many;
every value is still checked.

Counts and flags must be equal, means and risks agree within 1e-9 * max(1, |x|). Exit status 0: no mismatch,
1: mismatches, 2: no comparison.
"""

import sys

try:
    import duckdb
except ImportError:
    print("compare.py: no duckdb module; `make setup-test` puts one into .deps/venv", file=sys.stderr)
    sys.exit(2)

# A tie has its tx_ids as slots, in order; the row that the published counts rank n-th takes the n-th slot.
ORDER = """
CREATE TEMP TABLE ties AS
    SELECT customer_id, ts, list(tx_id ORDER BY tx_id) AS slots
    FROM read_parquet($transactions) GROUP BY customer_id, ts HAVING count(*) > 1;
CREATE TEMP TABLE places AS
    SELECT t.tx_id,
           slots[row_number() OVER (PARTITION BY t.customer_id, t.ts ORDER BY p.customer_count_30d)] AS place
    FROM read_parquet($transactions) AS t
    JOIN ties ON t.customer_id = ties.customer_id AND t.ts = ties.ts
    JOIN read_parquet($published) AS p ON t.tx_id = p.tx_id;
COPY (SELECT t.* FROM read_parquet($transactions) AS t LEFT JOIN places USING (tx_id)
      ORDER BY ts, coalesce(place, tx_id)) TO $out (FORMAT parquet);
"""


def order(transactions, published, out):
    connection = duckdb.connect()
    names = {"transactions": transactions, "published": published, "out": out}
    for statement in ORDER.split(";\n"):
        if statement.strip():
            connection.execute(statement, {k: v for k, v in names.items() if f"${k}" in statement})
    ties, swapped = connection.execute(
        "SELECT (SELECT count(*) FROM ties), (SELECT count(*) FROM places WHERE place <> tx_id)"
    ).fetchone()
    print(
        f"{ties} pairs of payments by one customer in one second; the published features took "
        f"{swapped // 2} of them the other way round"
    )
    return 0


def check(ours, published):
    connection = duckdb.connect()
    relation = connection.sql("SELECT * FROM read_parquet($1) LIMIT 0", params=[published])
    columns = [name for name in relation.columns if name != "tx_id"]
    tests = []
    for name in columns:
        a, b = f'o."{name}"::DOUBLE', f'p."{name}"::DOUBLE'
        close = "mean" in name or "risk" in name
        equal = f"abs({a} - {b}) <= 1e-9 * greatest(1, abs({b}))" if close else f"{a} = {b}"
        tests.append(f"count(*) FILTER (({equal}) IS NOT TRUE)")
    row = connection.execute(
        f"SELECT count(*), count(o.tx_id), count(p.tx_id), {', '.join(tests)} "
        "FROM read_parquet($1) AS o FULL JOIN read_parquet($2) AS p ON o.tx_id = p.tx_id",
        [ours, published],
    ).fetchone()
    rows, have_ours, have_published, mismatches = row[0], row[1], row[2], row[3:]
    windows = [name for name in columns if name.startswith(("customer", "terminal"))]
    others = [name for name in columns if name not in windows]
    print(
        f"compared {rows:,} rows with the published features: {len(windows)} windows, "
        f"{rows * len(windows):,} values; {' and '.join(others)} too"
    )
    if have_ours != rows or have_published != rows:
        print(f"rows differ: {have_ours:,} here, {have_published:,} published")
    for name, count in zip(columns, mismatches):
        if count:
            print(f"  {name}: {count:,} mismatches")
    print(f"mismatches: {sum(mismatches):,}")
    return 0 if sum(mismatches) == 0 and have_ours == rows == have_published else 1


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) == 4 and arguments[0] == "order":
        sys.exit(order(*arguments[1:]))
    if len(arguments) == 3 and arguments[0] == "check":
        sys.exit(check(*arguments[1:]))
    print(__doc__, file=sys.stderr)
    sys.exit(2)
