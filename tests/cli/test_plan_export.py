"""shrike plan export: what the DuckDB dialect prints gives the features of `shrike features`, ties and late
events included; what the Spark dialect prints is compared in tests/spark, where there is a Spark."""

import random

import pytest

duckdb = pytest.importorskip("duckdb", reason="the exported SQL is run with duckdb")

TABLE = "CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, k INTEGER, x DOUBLE, s VARCHAR);\n"
SELECT = """SELECT x, count(*) OVER w AS n, sum(x) OVER w AS total, max(s) OVER w AS last,
    count(*) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS three
FROM t WHERE x < 90
WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW)"""


def test_duckdb(shrike, tmp_path):
    source = random.Random(3)
    events = tmp_path / "events.parquet"
    connection = duckdb.connect()
    connection.execute(TABLE)
    rows = [(i, 1_700_000_000 + i * 40 - source.choice([0, 0, 40, 3000]), source.randrange(3),
             source.randrange(100), source.choice("abc")) for i in range(500)]
    for row in rows:
        connection.execute("INSERT INTO t SELECT ?, make_timestamp(? * 1000000::BIGINT), ?, ?, ?", row)
    connection.execute(f"COPY t TO '{events}'")
    (tmp_path / "plan.sql").write_text(TABLE + SELECT)
    late = ["--lateness", "10min"]
    shrike("features", "plan.sql", "--in", events, "--out", "found.parquet", *late, check=True)
    sql = shrike("plan", "export", "plan.sql", "--dialect", "duckdb", *late, check=True).stdout
    expected = [row for row in connection.execute(sql).fetchall() if row[0] is not None]
    found = connection.execute(f"SELECT * FROM '{tmp_path}/found.parquet'").fetchall()
    assert found == expected and len(found) > 300
    # The choice of late events matters: without it other features come out.
    other = shrike("plan", "export", "plan.sql", "--dialect", "duckdb", check=True).stdout
    assert [row for row in connection.execute(other).fetchall() if row[0] is not None] != expected


def test_spark_is_one_query(shrike, root):
    plan = root / "examples/handbook/features.sql"
    sql = shrike("plan", "export", plan, "--dialect", "spark", check=True).stdout
    assert "FROM `transactions`" in sql and sql.count("RANGE BETWEEN") == 12
    assert "coalesce(`is_fraud`, CAST('0' AS TINYINT))" in sql


def test_place_of_what_spark_cannot_do(shrike, tmp_path):
    (tmp_path / "plan.sql").write_text(f"{TABLE}SELECT x,\n    1 + length(upper(s)) AS loud\nFROM t")
    result = shrike("plan", "export", "plan.sql", "--dialect", "spark")
    assert result.returncode == 4
    assert "plan.sql:3:16: feature loud: upper(VARCHAR) is not known" in result.stderr


def test_other_dialects_are_unknown(shrike, root):
    result = shrike("plan", "export", root / "examples/handbook/features.sql", "--dialect", "flink")
    assert result.returncode == 2 and "spark|duckdb" in result.stderr
