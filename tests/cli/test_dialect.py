"""Every kind of window, WHERE and windows over windows: the program computes what the definition says."""

import duckdb
import pytest

EVENTS = """
SELECT i AS id, TIMESTAMP '2020-01-01' + to_seconds((i * 20 + hash(i) % 200)::BIGINT
         - (hash(i + 7) % 5 = 0)::BIGINT * (hash(i + 9) % 900)::BIGINT) AS ts,
       (hash(i + 1) % 7)::INTEGER AS k, CASE WHEN hash(i + 2) % 5 > 0 THEN (hash(i + 3) % 9) / 4 END AS x,
       (hash(i + 4) % 6)::INTEGER AS n,
       CASE WHEN hash(i + 5) % 5 > 0 THEN chr((97 + hash(i + 6) % 5)::INTEGER) END AS v,
       hash(i + 8) % 3 = 0 AS b, (hash(i + 11) % 10 = 0)::TINYINT AS y
FROM range(1500) r(i)"""

TABLE = """
CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, k INTEGER, x DOUBLE, n INTEGER, v VARCHAR, b BOOLEAN,
                y TINYINT DEFAULT 0);
COMMENT ON COLUMN t.y IS 'shrike: label, late after=1 hour';
"""

WINDOWS = """
SELECT sum(x) OVER long AS a1, avg(n) OVER long AS a2, stddev(x) OVER hour AS a3, var_pop(n) OVER few AS a4,
       count(DISTINCT v) OVER hour AS a5, count(DISTINCT v) OVER few AS a6,
       first_value(v) OVER hour AS a7, last_value(x IGNORE NULLS) OVER before AS a8,
       lag(v, 2, 'none') OVER long AS a9, lag(ts) OVER long AS b1,
       bool_or(b) OVER few AS b2, count_if(b) FILTER (WHERE n > 2) OVER hour AS b3, min(v) OVER hour AS b4,
       max(v) OVER few AS b5, count(*) OVER others AS b6, sum(n) OVER middle AS b7, max(x) OVER long AS c1,
       any_value(v) FILTER (WHERE n > 3) OVER hour AS b8,
       arbitrary(x) FILTER (WHERE n > 3) OVER hour AS b9,
       count(DISTINCT n) OVER long AS c2, first_value(x) OVER long AS c3, avg(y) OVER known AS c4,
       stddev_samp(x) OVER middle AS c5, min(x) OVER others AS c6, var_samp(x) OVER long AS c7
FROM t
WINDOW long AS (PARTITION BY k ORDER BY ts),
       hour AS (PARTITION BY k ORDER BY ts RANGE INTERVAL 1 HOUR PRECEDING),
       few AS (PARTITION BY k ORDER BY ts ROWS 4 PRECEDING),
       before AS (PARTITION BY k ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
       others AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW
                  EXCLUDE CURRENT ROW),
       middle AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 6 PRECEDING AND 2 PRECEDING),
       known AS (PARTITION BY k ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 HOUR PRECEDING)
"""

NESTED = """
WITH a AS (
    SELECT *, ts - lag(ts) OVER (PARTITION BY k ORDER BY ts) AS gap, x / 2 AS half,
           count(*) OVER (PARTITION BY k ORDER BY ts RANGE INTERVAL 10 MINUTE PRECEDING) AS c10,
           avg(x) OVER (PARTITION BY n ORDER BY ts ROWS 5 PRECEDING) AS ax,
           count(*) OVER (PARTITION BY k ORDER BY ts) > 20 AS old
    FROM t WHERE n <> 3 AND (v IS NULL OR v <> 'a')),
b AS (SELECT * EXCLUDE (half), epoch(gap) AS gs, half + 1 AS h1, y * c10 AS yc FROM a)
SELECT gs, h1, c10, avg(gs) OVER (PARTITION BY k ORDER BY ts RANGE INTERVAL 1 HOUR PRECEDING) AS mg,
       stddev(gs) OVER (PARTITION BY k ORDER BY ts ROWS 10 PRECEDING) AS sg, lag(ax, 2, ax) OVER long AS la,
       max(c10) FILTER (WHERE old) OVER (PARTITION BY n ORDER BY ts) AS mc, c10 / avg(c10) OVER long AS rc,
       count(*) OVER (PARTITION BY old, k ORDER BY ts) AS co, sum(h1) OVER long AS sh,
       sum(yc) OVER (long RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 HOUR PRECEDING) AS syc
FROM b WINDOW long AS (PARTITION BY k ORDER BY ts)
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    path = tmp_path_factory.mktemp("dialect") / "events.parquet"
    duckdb.connect().execute(f"COPY ({EVENTS}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize("lateness", ["0", "5 min", "1 h"])
@pytest.mark.parametrize("select", [WINDOWS, NESTED], ids=["windows", "nested"])
def test_the_definition_is_met(shrike, tmp_path, events, select, lateness):
    (tmp_path / "plan.sql").write_text(TABLE + select)
    shrike("features", tmp_path / "plan.sql", "--in", events, "--out", tmp_path / "features.parquet",
           "--lateness", lateness, "--verify", "duckdb", check=True)


def test_what_where_leaves_out_has_no_row(shrike, tmp_path, events):
    select = "SELECT id, count(*) OVER (ORDER BY ts) AS c FROM t WHERE n = 2"
    (tmp_path / "plan.sql").write_text(TABLE + select)
    shrike("features", tmp_path / "plan.sql", "--in", events, "--out", tmp_path / "features.parquet",
           "--lateness", "1 h", check=True)
    found = duckdb.connect().execute(f"SELECT id, c FROM '{tmp_path}/features.parquet'").fetchall()
    wanted = duckdb.connect().execute(f"SELECT id FROM '{events}' WHERE n = 2 ORDER BY id").fetchall()
    assert [id for id, _ in found] == [id for (id,) in wanted]
    assert found[-1][1] > 200
