"""What `shrike plan export --dialect spark` prints, run by Spark, gives the features of `shrike features`.

Events are free of ties, in the order of their times: there both promise the same. Exact values are equal;
sums, means and deviations of DOUBLEs agree within 1e-12 of the sum of the absolute values, because Spark
rounds on the way. `make test-spark` installs what this needs and runs it.
"""

import datetime
import decimal
import math
import random
import re

import pytest

START = datetime.datetime(2024, 2, 27)


def write(frame, folder):
    """One Parquet file of a frame, in its order."""
    frame.coalesce(1).write.parquet(str(folder))
    return next(folder.glob("part-*.parquet"))


def same(ours, theirs, slack):
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, float) and isinstance(theirs, float):
        return ours == theirs or (math.isnan(ours) and math.isnan(theirs)) or abs(ours - theirs) <= slack
    return ours == theirs


def compare(shrike, spark, tmp_path, plan, events, table, key, rounded):
    """Runs both over a Parquet file; `rounded` names features that Spark rounds on the way, and for each the
    feature that has the sum of the absolute values. Returns the number of values that were compared."""
    out = tmp_path / "features.parquet"
    shrike("features", plan, "--in", events, "--keep", key, "--out", out, check=True)
    sql = shrike("plan", "export", plan, "--dialect", "spark", check=True).stdout
    spark.read.parquet(str(events)).createOrReplaceTempView(table)
    expected = {row[key]: row.asDict() for row in spark.read.parquet(str(out)).collect()}
    found = {row[key]: row.asDict() for row in spark.sql(sql).collect()}
    assert found.keys() == expected.keys() and len(found) > 0
    problems = []
    for number, ours in expected.items():
        theirs = found[number]
        assert theirs.keys() == ours.keys()
        for name, value in ours.items():
            slack = 1e-12 * float(ours[rounded[name]] or 0) if name in rounded else 0
            if not same(value, theirs[name], slack):
                problems.append(f"{name} of {number}: Shrike {value!r}, Spark {theirs[name]!r}")
    assert not problems, "\n".join([f"{len(problems)} differ", *problems[:20]])
    return len(expected) * len(next(iter(expected.values())))


# ---- plans of the examples ----


def without_ties(frame, *entities):
    """Rows whose time no other row of the same entity has, in the order of their times."""
    for entity in entities:
        frame = frame.dropDuplicates([entity, "ts"])
    return frame.orderBy("ts", "tx_id")


def handbook_payments(shrike, spark, data, tmp_path, n):
    if data:
        source = data / "data/handbook/transactions.parquet"
    else:
        source = tmp_path / "generated.parquet"
        shrike("generate", "--customers", 300, "--terminals", 600, "--days", 60, "--out", source, check=True)
    frame = spark.read.parquet(str(source)).where(f"ts < '2018-06-15' AND customer_id < {n}")
    return write(without_ties(frame, "customer_id", "terminal_id"), tmp_path / "payments")


# Features that Spark rounds. The sum of a mean's values is at most as often the mean as there are values;
# the mean alone is stricter, and so is what is made of means.
HANDBOOK = {
    "features.sql": [f"{kind}_{n}d" for kind in ("customer_mean", "terminal_risk") for n in (1, 7, 30)],
    "strong.sql": ["amount_to_usual", "terminal_mean_fraud",
                   *(f"{kind}_{n}d_to_usual" for kind in ("largest", "mean") for n in (3, 14))],
}


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("name", HANDBOOK)
def test_handbook(shrike, spark, root, tmp_path, name, published, request):
    data = request.getfixturevalue("data") if published else None
    events = handbook_payments(shrike, spark, data, tmp_path, 300)
    rounded = {feature: feature for feature in HANDBOOK[name]}
    plan = root / "examples/handbook" / name
    values = compare(shrike, spark, tmp_path, plan, events, "transactions", "tx_id", rounded)
    assert values > 300_000


def rows_of_payments(n):
    source = random.Random(7)
    time = START
    for i in range(n):
        time += datetime.timedelta(microseconds=source.randrange(1, 2_400_000_000))
        amount = decimal.Decimal(source.randrange(1, 50_000)) / 100
        yield (i, time, source.randrange(20), source.choice(["airport", "kiosk", "o'hare \\", None]), amount,
               source.choice([0, 0, 0, 1, None]))


def test_the_page_of_plans(shrike, spark, root, tmp_path):
    plan = tmp_path / "plan.sql"
    plan.write_text(re.search(r"```sql\n(.*?)```", (root / "docs/plans.md").read_text(), re.S).group(1))
    types = "id BIGINT, ts TIMESTAMP_NTZ, card BIGINT, shop STRING, amount DECIMAL(10,2), is_fraud TINYINT"
    events = write(spark.createDataFrame(list(rows_of_payments(3000)), types), tmp_path / "payments")
    rounded = {"ratio_30d": "ratio_30d", "shop_risk": "shop_risk"}
    compare(shrike, spark, tmp_path, plan, events, "payments", "id", rounded)


# ---- a plan of everything that is exported ----

TABLE = """CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, d DATE, step INTEGER, k INTEGER,
    kind ENUM('a', 'b'), s VARCHAR, x DOUBLE, y DOUBLE, f FLOAT, n TINYINT, i INTEGER, b BIGINT,
    m DECIMAL(10,3), u UINTEGER, z BOOLEAN, late TINYINT DEFAULT 0);
COMMENT ON COLUMN t.late IS 'shrike: label, late after=2 days';
"""
TYPES = ("id BIGINT, ts TIMESTAMP_NTZ, d DATE, step INT, k INT, kind STRING, s STRING, x DOUBLE, y DOUBLE, "
         "f FLOAT, n TINYINT, i INT, b BIGINT, m DECIMAL(10,3), u BIGINT, z BOOLEAN, late TINYINT")


def rows_of_everything(n):
    source = random.Random(11)
    time = START

    def maybe(value):
        return None if source.random() < 0.1 else value

    for i in range(n):
        time += datetime.timedelta(microseconds=source.randrange(1, 3_600_000_000))
        yield (
            i, time, time.date(), i * 2, maybe(source.randrange(5)), maybe(source.choice("ab")),
            maybe(source.choice(["", "a", "Ab%", "äö_x", "it's \\n", "b" * 20])),
            maybe(source.choice([0.0, -0.0, 1.5, 2.5, -3.5, 1e300, 0.1, source.uniform(-9, 9)])),
            maybe(source.uniform(-100, 100)), maybe(source.choice([0.5, 0.1, -2.25])),
            maybe(source.choice([-128, 127, source.randrange(-128, 128)])),
            maybe(source.choice([-2**31, 2**31 - 1, source.randrange(-50, 50)])),
            maybe(source.choice([-2**63, 2**63 - 1, source.randrange(-10**12, 10**12)])),
            maybe(decimal.Decimal(source.randrange(-10**6, 10**6)) / 1000), maybe(source.randrange(2**32)),
            maybe(source.random() < 0.5), maybe(source.randrange(2)),
        )


EXPRESSIONS = """
    i + i, i - n, n * n, b + b, b * i, i // 7, i // nullif(n, 0), b // 1000, i % 7, b % 1000, -i, -n,
    -y, abs(i), abs(n), abs(y), abs(m), x + y, x * y, x / y, y / x, y / nullif(x, 0), f + f, f * 2, m +
    m, m * 2, m - i, m * m, round(m), i::HUGEINT * i, k = 3, x = y, x < y, kind = 'a', kind <> 'b', s <
    'b', s = 'it''s \\n', z = (k > 2), k IS NULL, k IS NOT NULL, k IN (1, 2), k NOT IN (1, 2), k BETWEEN
    1 AND 3, k IS DISTINCT FROM n, z AND k > 1, z OR k > 1, NOT z, coalesce(k, -1), coalesce(s, 'none'),
    CASE WHEN z THEN x WHEN k > 2 THEN y ELSE 0 END, nullif(k, 2), greatest(x, y, 0), least(i, n),
    hour(ts), minute(ts), second(ts), day(ts), month(ts), year(ts), quarter(ts), dayofyear(ts),
    dayofweek(ts), isodow(ts), week(ts), isoyear(ts), isodow(d), year(d), epoch_us(ts), epoch(ts),
    epoch(d), date_trunc('hour', ts), date_trunc('week', ts), date_trunc('month', d), date_diff('day',
    d, ts::DATE), d::TIMESTAMP = date_trunc('day', ts), floor(y), ceil(y), round(y), isnan(x),
    length(s), s || '!', concat(s, 'x', s), contains(s, 'b'), starts_with(s, 'A'), ends_with(s, 'x'),
    replace(s, 'b', 'cc'), s LIKE '%b%', s NOT LIKE 'a%', substring(s, 2), substring(s, 1, 3),
    y::INTEGER, x::BIGINT, TRY_CAST(b AS INTEGER), b::DOUBLE, m::INTEGER, m::DECIMAL(8,1),
    i::DECIMAL(12,2), i::VARCHAR, z::INTEGER, i::BOOLEAN, d::VARCHAR, kind::VARCHAR, u::BIGINT + 1,
    u::DOUBLE, f::DOUBLE, m::DOUBLE, TRY(i + i), TIMESTAMP '2024-03-01' < ts, DATE '2024-03-01' <= d,
    0.1, 1e-7::DOUBLE, -1.5::DOUBLE, 12345678901234567890"""
ROUNDED_EXPRESSIONS = "ln(abs(y)), log(abs(y)), log2(abs(y)), exp(n / 100.0), sqrt(y)"


def split(text):
    """At the commas outside of parentheses and quotes."""
    return [part.strip() for part in re.findall(r"(?:[^,('\n]|\n|\((?:[^()]|\([^()]*\))*\)|'[^']*')+", text)]


def check(shrike, spark, tmp_path, features, rounded, source="t", n=400):
    plan = tmp_path / "plan.sql"
    columns = ",\n".join(f"{text} AS {name}" for name, text in features.items())
    plan.write_text(f"{TABLE}SELECT {columns} FROM {source}")
    events = write(spark.createDataFrame(list(rows_of_everything(n)), TYPES), tmp_path / "events")
    return compare(shrike, spark, tmp_path, plan, events, "t", "id", rounded)


def test_expressions(shrike, spark, tmp_path):
    texts = split(EXPRESSIONS)
    assert len(texts) > 110 and "concat(s, 'x', s)" in texts
    features = {f"e{i}": text for i, text in enumerate(texts)}
    features |= {f"r{i}": text for i, text in enumerate(split(ROUNDED_EXPRESSIONS))}
    features["ten"] = "10.0::DOUBLE"
    rounded = {name: "ten" for name in features if name.startswith("r")}
    check(shrike, spark, tmp_path, features, rounded)


FRAMES = {
    "hour": "PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '210 minutes' PRECEDING AND CURRENT ROW",
    "days": "PARTITION BY k, kind ORDER BY ts RANGE BETWEEN INTERVAL 5 DAY PRECEDING AND CURRENT ROW",
    "past": "PARTITION BY s ORDER BY ts RANGE BETWEEN INTERVAL 9 DAY PRECEDING AND INTERVAL 2 DAY PRECEDING",
    "all": "ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING",
}
ROW_FRAMES = {
    "rows": "PARTITION BY k ORDER BY ts ROWS BETWEEN 5 PRECEDING AND CURRENT ROW",
    "before": "PARTITION BY kind ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND 3 PRECEDING",
    "ever": "PARTITION BY k ORDER BY ts",
    "others": "PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 2 DAY PRECEDING AND CURRENT ROW "
              "EXCLUDE CURRENT ROW",
    "other_rows": "PARTITION BY k ORDER BY ts ROWS BETWEEN 4 PRECEDING AND CURRENT ROW "
                  "EXCLUDE CURRENT ROW",
}
EXACT = [
    "count(*)", "count(x)", "count(*) FILTER (WHERE i > 0)", "sum(n)", "sum(i) FILTER (WHERE k > 1)",
    "sum(b)", "sum(m)", "sum(u)", "min(x)", "max(x)", "min(b)", "max(m)", "min(d)", "max(ts)", "min(f)",
    "max(s)", "count_if(z)", "count(DISTINCT s)", "count(DISTINCT x)",
    "count(DISTINCT n) FILTER (WHERE z)", "bool_or(z)", "bool_and(z)", "first(m)", "last(s)",
    "first_value(i IGNORE NULLS)", "last_value(x IGNORE NULLS)", "any_value(n) FILTER (WHERE z)",
    "arbitrary(n) FILTER (WHERE z)", "any_value(kind)",
]
LAGS = ["lag(i)", "lag(s, 3)", "lag(n, 2, k)"]
# What Spark rounds on the way, and what must be summed to know by how much.
REAL = {"sum(y)": "abs(y)", "avg(y)": "abs(y)", "sum(y) FILTER (WHERE z)": "abs(y)", "sum(f)": "abs(f)",
        "avg(i)": "abs(i::DOUBLE)", "avg(m)": "abs(m)", "var_pop(y)": "y * y", "var_samp(m)": "m * m",
        "stddev(y)": "y * y", "stddev_pop(y)": "y * y"}


def windows(frames, exact=EXACT, real=REAL):
    features, rounded = {}, {}
    for frame in frames:
        over = f"OVER ({frames[frame]})"
        features |= {f"{frame}_exact_{i}": f"{call} {over}" for i, call in enumerate(exact)}
        for i, (call, of) in enumerate(real.items()):
            features |= {f"{frame}_real_{i}": f"{call} {over}", f"{frame}_size_{i}": f"sum({of}) {over}"}
            rounded |= {f"{frame}_real_{i}": f"{frame}_size_{i}", f"{frame}_size_{i}": f"{frame}_size_{i}"}
    return features, rounded


def test_windows_of_time(shrike, spark, tmp_path):
    features, rounded = windows(FRAMES)
    past = FRAMES["past"]
    features["late"] = f"sum(late) OVER ({past})"
    features["ratio"] = f"x / nullif(count(*) OVER ({FRAMES['days']}), 3)"
    features["nested"] = f"coalesce(max(m) OVER ({past}), 0) > 100"
    check(shrike, spark, tmp_path, features, rounded)


def test_windows_of_rows(shrike, spark, tmp_path):
    features, rounded = windows(ROW_FRAMES)
    features |= {f"lag_{i}": f"{call} OVER (PARTITION BY k ORDER BY ts)" for i, call in enumerate(LAGS)}
    check(shrike, spark, tmp_path, features, rounded)


def test_where_and_features_of_features(shrike, spark, tmp_path):
    before = "PARTITION BY k ORDER BY ts"
    inner = f"(SELECT *, epoch(ts - lag(ts) OVER ({before})) AS gap FROM t WHERE x < 2)"
    features = {
        "gap": "gap",
        "hurry": f"gap / nullif(max(gap) OVER ({before} ROWS 7 PRECEDING), 0)",
        "slow": f"count(*) FILTER (WHERE gap > 3600) OVER ({before} RANGE BETWEEN INTERVAL 1 DAY PRECEDING "
                "AND CURRENT ROW)",
    }
    check(shrike, spark, tmp_path, features, {}, source=inner)


def test_steps_and_dates(shrike, spark, tmp_path):
    steps = "OVER (PARTITION BY k ORDER BY step RANGE BETWEEN 24 PRECEDING AND 1 PRECEDING)"
    check(shrike, spark, tmp_path, {"n": f"count(*) {steps}", "low": f"min(m) {steps}"}, {})


REFUSED = {
    "upper(s)": "upper(VARCHAR)",
    "hash(k)": "hash(INTEGER)",
    "u + 0": "+(UINTEGER, UINTEGER)",
    "sin(y)": "sin(DOUBLE)",
    "kind < nullif(kind, 'b')": "ENUM",
    "s LIKE 'a\\%'": "~~(VARCHAR, VARCHAR)",
    "b // k": "//(BIGINT, BIGINT)",
    "y::VARCHAR": "a cast from DOUBLE to VARCHAR",
    "enum_code(kind)": "enum_code(ENUM",
    "min(kind) OVER w": "min of an ENUM",
    "sum(sin(y)) OVER w": "sin(DOUBLE)",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(shrike, tmp_path, text):
    (tmp_path / "plan.sql").write_text(
        f"{TABLE}SELECT k,\n  {text} AS wrong\nFROM t WINDOW w AS ({FRAMES['hour']})")
    result = shrike("plan", "export", tmp_path / "plan.sql", "--dialect", "spark")
    assert result.returncode == 4 and result.stdout == ""
    assert re.match(rf"shrike: {tmp_path}/plan.sql:6:\d+: feature wrong: ", result.stderr), result.stderr
    assert REFUSED[text] in result.stderr
