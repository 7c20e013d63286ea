"""Expressions give what DuckDB gives: every function and cast over rows of awkward values.

An expression that DuckDB cannot compute for a row stops its whole query; Shrike makes that row NULL. So
DuckDB is asked for TRY(expression), row by row, and the two results have to be the same value for value.
"""

import random

import pytest

duckdb = pytest.importorskip("duckdb")

TABLE = """
CREATE TABLE events (
    b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INTEGER, i64 BIGINT,
    u8 UTINYINT, u16 USMALLINT, u32 UINTEGER, u64 UBIGINT, h HUGEINT, f FLOAT, x DOUBLE, y DOUBLE,
    d1 DECIMAL(4,2), d2 DECIMAL(18,6), d3 DECIMAL(38,10), s VARCHAR, t VARCHAR, n VARCHAR,
    e ENUM('', 'a', 'Bé', 'zz'), d DATE, dd DATE, ts TIMESTAMP, tt TIMESTAMP, tz TIMESTAMPTZ, tz2 TIMESTAMPTZ,
    k INTEGER, kk BIGINT, z DOUBLE
);
"""


def integers(bits, signed):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    near = [low, low + 1, high, high - 1, high // 2, low // 2, 0, 1, 2, 3, 5, 7, 10, 15, 49, 50, 51, 99,
            100, 125, 127]
    return [str(v) for v in near + ([-1, -2, -5, -50, -99, -100] if signed else []) if low <= v <= high]


DOUBLES = ["'nan'", "'inf'", "'-inf'", "-0.0", "0.0", "5e-324", "-5e-324", "2.2250738585072014e-308",
        "1.7976931348623157e308",
           "-1.7976931348623157e308", "0.1", "0.5", "-0.5", "1.5", "2.5", "-2.5", "1", "-1",
           "0.99999999999999989", "1e15",
           "1e16", "123456789.125", "-1e-5", "0.0001", "9007199254740993", "1e22", "9223372036854775807",
           "-9223372036854775808",
           "3.14159", "127.5", "-128.5", "1e-7", "2.675", "1.005", "100", "7", "-33.25"]
STRINGS = ["", "a", "abc", "ABC", "aBc%d_e", "%", "_", "\\", "a%", "a_c", "abcabcabc", "  padded  ",
        "\t tab \n", "\u00a0nbsp\u3000",
           "é", "É", "straße", "STRASSE", "İstanbul", "ıi", "ǅ", "ﬁ", "Σίσυφος", "日本語テキスト", "🙂🙃", "a🙂b",
           "e\u0301", "x" * 40,
           "name@example.com", "a,b,,c", ",", "it''s", "'", "\"q\"", "NULL", "0", "é%é", "ab\u200bc"]
PATTERNS = ["", "%", "_", "a", "a%", "%c", "%b%", "a_c", "a\\%", "%%", "__", "_%", "%_", "é%", "%🙂%", "A%",
        "abc", "x%x", "%,%",
            "a!%c", "!", "%!", "!_!_", " ", "é", "bc", ",", "🙂", "ab", "aa", "İ%", "É"]
NUMBERS = ["1", "-1", "1.5", "-1.5", "2.5", "0.49", "1e3", "15e-1", "1_000", "_1", "1__0", "0x1F", "-0x1F",
        "0b101", "+5", "+-5", "1.",
           ".5", ".", "1e", "1e+2", " 12 ", "12 a", "", "-", "127.5", "128", "255.5", "-128.5",
           "2147483647.5", "99999999999",
           "9223372036854775807", "9223372036854775808", "1e18", "1e19", "18446744073709551615", "1e38",
           "1e39", "1e400", "inf",
           "-inf", "nan", "Infinity", "1.005", "99.994", "99.995", "12345e-2", "true", "T", "no", "Y", "on",
           "0.1", "1e-400", "4e-324",
           "2024-02-29", "2023-02-29", "2024-1-1", "2024/02/03", "-44-01-01", "44-03-01 (BC)",
           "2024-02-03 04:05:06",
           "2024-02-03T04:05:06.789Z", "2024-02-03 04:05:06.1234567+02", "2024-02-03 24:00:00",
           "2024-02-03 25:00:00",
           "2024-02-03 10", "2024-02-03 10:11", "2024-02-03 10:11:12 UTC",
           "2024-02-03 10:11:12 Nowhere/City", "infinity", "epoch",
           "2024-02-03 04:05:06 ", "1970-01-01 00:00:00.000001", "294247-01-10 04:00:54.775806", "20240203",
           "2024-02-03x",
           "170141183460469231731687303715884105727", "1.5e3", "3.0000000001", "0.000001", "123456.7890123"]
DATES = ["1970-01-01", "1969-12-31", "2024-02-29", "2023-12-31", "2024-01-01", "2024-12-30", "2021-01-03",
        "2020-12-31", "0001-01-01",
         "1900-02-28", "2000-02-29", "9999-12-31", "2024-03-31", "2024-01-31",
         "1582-10-15", "2026-11-21"]
TIMES = [f"{day} {time}" for day in DATES
         for time in ("00:00:00", "23:59:59.999999", "12:34:56.5", "00:30:00.000001")]
ZONED = [f"{time}+00" for time in TIMES]
TIMES += ["294246-12-31 23:59:59.999999"]

VALUES = {
    "b": ["true", "false"], "i8": integers(8, True), "i16": integers(16, True), "i32": integers(32, True),
    "i64": integers(64, True), "u8": integers(8, False), "u16": integers(16, False),
    "u32": integers(32, False),
    "u64": integers(64, False), "h": integers(124, True),
    "f": [f"{v}::DOUBLE::FLOAT" for v in DOUBLES if "e308" not in v and "e-3" not in v]
    + ["1e-45", "3.4028235e38", "0.3"], "x": DOUBLES, "y": DOUBLES,
    "d1": ["0.00", "0.05", "-0.05", "99.99", "-99.99", "12.34", "1.50", "2.50", "-2.50", "-0.50", "9.95",
    "10.00"],
    "d2": ["0", "0.000001", "-0.000001", "999999999999.999999", "-999999999999.999999", "1.5", "-1.5",
    "123.456789", "0.5", "54.5"],
    "d3": ["0", "0.0000000001", "9999999999999999999999999999.9999999999",
    "-9999999999999999999999999999.9999999999", "1.5", "-2.5",
           "18446744073709551616", "123456789012345678.0123456789", "-7"],
    "s": STRINGS, "t": PATTERNS, "n": NUMBERS, "e": ["", "a", "Bé", "zz"], "d": DATES, "dd": DATES,
    "ts": TIMES, "tt": TIMES,
    "tz": ZONED, "tz2": ZONED, "k": [str(v) for v in range(-5, 14)],
    "kk": [str(v) for v in range(-9, 10)] + ["4294967296", "-4294967297"],
    "z": ["-1", "0", "1", "0.5", "1.25", "-0.75", "2", "3.5", "10", "100", "0.001", "1e-9"],
}
TEXTS = {"s", "t", "n", "e", "d", "dd", "ts", "tt", "tz", "tz2"}

INTEGERS = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "h"]
PARTS = ["year", "month", "day", "decade", "century", "millennium", "microsecond", "millisecond", "second",
        "minute", "hour", "dow",
         "isodow", "week", "doy", "quarter", "yearweek", "isoyear", "julian", "epoch"]
UNITS = [part for part in PARTS if part not in ("julian",)]


def expressions():
    """Groups of expressions by name."""
    groups = {}
    groups["text"] = [
        f"{op}" for op in (
            "s LIKE t", "s NOT LIKE t", "s ILIKE t", "s NOT ILIKE t",
            "CASE WHEN NOT ends_with(t, '!') THEN s LIKE t ESCAPE '!' END",
            "CASE WHEN NOT ends_with(t, '!') THEN s NOT LIKE t ESCAPE '!' END",
            "CASE WHEN NOT ends_with(t, '!') THEN s ILIKE t ESCAPE '!' END",
            "CASE WHEN NOT ends_with(t, '!') THEN s NOT ILIKE t ESCAPE '!' END", "s LIKE t ESCAPE ''",
            "s LIKE t ESCAPE '\\'", "s LIKE '%b%'",
            "lower(s)", "upper(s)", "lcase(s)", "ucase(s)", "length(s)", "len(s)", "char_length(s)",
            "character_length(s)", "strlen(s)", "ascii(s)", "unicode(s)", "ord(s)", "substring(s, k, kk)",
            "substring(s, k)",
            "substr(s, 2, 3)", "substr(s, k)", "s[k]", "left(s, kk)", "right(s, kk)", "left(s, -1)",
            "trim(s)", "ltrim(s)", "rtrim(s)",
            "trim(s, t)", "ltrim(s, t)", "rtrim(s, t)", "trim(BOTH 'a' FROM s)", "contains(s, t)",
            "starts_with(s, t)", "prefix(s, t)",
            "s ^@ t", "ends_with(s, t)", "suffix(s, t)", "replace(s, t, 'é')", "replace(s, t, '')",
            "replace(s, 'a', t)", "s || t",
            "concat(s, t)", "concat(s, i32, t)", "concat(s)", "concat_ws(',', s, t, n)", "concat_ws(t, s)",
            "concat_ws(t, s, n)",
            "instr(s, t)", "position(t IN s)", "strpos(s, t)", "repeat(t, k)", "lpad(s, k, 'é*')",
            "rpad(s, k, t)", "split_part(s, t, k)",
            "split_part(s, ',', 2)", "string_split(s, t)[k]", "s = t", "s < t", "s >= t",
            "s IS DISTINCT FROM t",
            "greatest(s, t, n)", "least(s, t)", "coalesce(s, t)", "nullif(s, t)",
            "CASE WHEN b THEN s ELSE t END", "s IN ('a', t, '')",
            "s NOT IN ('a', 'é')", "s BETWEEN t AND n", "e = 'a'", "e IN ('a', 'zz')", "e || s",
            "enum_code(e)", "upper(e)", "e::VARCHAR",
            "coalesce(e, 'none')", "(e = 'a')::INTEGER", "length(e)", "e IS NULL", "lower(s) = lower(t)",
            "right(s, length(s) - instr(s, '@'))", "CASE WHEN s LIKE '%@%' THEN split_part(s, '@', 2) END")]
    groups["hash"] = [f"hash({c})" for c in VALUES] + ["hash(i32, s)", "hash(s, t, i64)", "hash(b, d1, e)",
            "hash(i64) % 16"]
    groups["times"] = [f"{part}({c})"
            for part in PARTS[:11] + PARTS[12:14] + PARTS[15:] + ["dayofweek", "weekday", "dayofmonth",
                    "dayofyear", "weekofyear", "era"]
                       for c in ("d", "ts", "tz")]
    groups["times"] += [f"date_part('{part}', {c})"
            for part in ("Years", "mons", "d", "us", "msec", "secs", "hrs", "weeks", "jd", "timezone")
                        for c in ("ts",)]
    groups["times"] += [f"extract({part} FROM {c})" for part in ("year", "epoch", "isodow", "hour")
            for c in ("d", "ts", "tz")]
    groups["times"] += [f"epoch_{unit}({c})" for unit in ("ms", "us", "ns") for c in ("d", "ts", "tz")]
    groups["times"] += [f"dayname({c})" for c in ("d", "ts", "tz")] + [f"monthname({c})"
            for c in ("d", "ts", "tz")]
    groups["times"] += ["last_day(d)", "last_day(ts)", "nanosecond(ts)", "make_date(kk, k, k)",
            "make_date(2024, k, 29)",
                        "make_timestamp(kk * 1000003)", "to_timestamp(x)", "epoch_ms(i64)", "timezone(ts)",
                        "timezone_hour(tz)"]
    groups["trunc"] = [f"date_trunc('{part}', {c})" for part in UNITS + ["dow", "doy"]
            for c in ("d", "ts", "tz")]
    groups["diff"] = [f"{name}('{part}', {a}, {b})" for name in ("date_diff", "date_sub") for part in UNITS
                      for a, b in (("d", "dd"), ("ts", "tt"), ("tz", "tz2"))
                      if a != "tz" or (name == "date_diff" and part != "yearweek")]
    groups["diff"] += ["datediff('days', ts, tt)", "datesub('hrs', ts, tt)"]
    intervals = ["INTERVAL 1 DAY", "INTERVAL (k) MONTH", "INTERVAL (k) HOUR",
            "INTERVAL '1 year 2 months -3 days 04:05:06.789'",
                 "to_years(k)", "to_quarters(k)", "to_months(k)", "to_weeks(k)", "to_days(k)",
                 "to_hours(kk)", "to_minutes(kk)",
                 "to_seconds(y)", "to_milliseconds(z)", "to_microseconds(kk * 86400000001)", "to_days(i32)",
                 "to_months(i32)", "to_hours(i64)",
                 "to_decades(k)", "to_centuries(k)", "to_millennia(k)"]
    groups["interval"] = [f"{c} {sign} {i}" for c in ("d", "ts", "tz") for sign in "+-" for i in intervals]
    groups["interval"] += ["INTERVAL (k) DAY + ts", "d + k", "k + d", "d - k", "d + i32", "d - i32",
            "d - dd", "epoch(ts - tt)", "epoch(tz - tz2)",
                           "epoch(ts - d)", "epoch_ms(ts - tt)", "epoch_us(to_days(i32) + to_months(k))",
                           "ts - tt > INTERVAL 1 HOUR",
                           "ts - tt = INTERVAL (k) DAY",
                           "to_days(kk::INTEGER) + to_hours(kk) < to_months(k)", "ts + (tt - ts)",
                           "to_months(k) >= to_days(k * 30)", "epoch(to_months(k) * kk)",
                           "epoch(-to_days(k) - to_hours(kk))",
                           "epoch(coalesce(to_days(k), INTERVAL 1 HOUR))",
                           "epoch(CASE WHEN b THEN ts - tt ELSE INTERVAL 1 DAY END)",
                           "(ts - tt) IS NULL", "date_part('day', ts - tt)", "hour(ts - tt)",
                           "epoch(to_months(i32))",
                           "ts + to_days(k) * 3", "to_months(k) * i64 > to_days(1)",
                           "date_add(ts, INTERVAL 1 DAY)"]
    groups["interval"] += [f"{part}(to_months(i32) + to_microseconds(i64) + to_days(i32))" for part in
                           ("year", "month", "day", "decade", "century", "millennium", "microsecond",
                           "millisecond", "second", "minute",
                            "hour", "quarter")]
    groups["cast"] = [f"TRY_CAST(n AS {kind})"
            for kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT",
                                                           "UINTEGER", "UBIGINT", "HUGEINT", "DOUBLE",
                                                           "FLOAT", "DECIMAL(4,2)",
                                                           "DECIMAL(18,6)", "DECIMAL(38,10)", "BOOLEAN",
                                                           "DATE", "TIMESTAMP")]
    groups["cast"] += ["n::INTEGER", "n::DOUBLE", "n::DATE", "TRY(n::INTEGER)",
            "coalesce(TRY_CAST(n AS INTEGER), -1)", "TRY_CAST(n AS DOUBLE) + 1"]
    groups["cast"] += [f"{c}::VARCHAR" for c in VALUES if c not in ("s", "t", "n")]
    groups["cast"] += [f"{c}::VARCHAR::DOUBLE" for c in ("x", "f")]
    groups["cast"] += [f"TRY_CAST({c} AS {kind})" for c in INTEGERS + ["f", "x", "d1", "d2", "d3", "b"]
            for kind in
                       ("TINYINT", "INTEGER", "BIGINT", "UTINYINT", "UBIGINT", "HUGEINT", "DOUBLE", "FLOAT",
                       "DECIMAL(4,2)",
                        "DECIMAL(18,0)", "DECIMAL(38,10)", "BOOLEAN")]
    groups["cast"] += ["d::TIMESTAMP", "ts::DATE", "tz::DATE", "ts::TIMESTAMPTZ", "tz::TIMESTAMP",
            "TRY(TRY_CAST(sqrt(x) AS TINYINT))"]
    groups["integer"] = [f"{c} {op} {c}" for c in INTEGERS for op in ("&", "|", "+", "-", "*", "//", "%")]
    groups["integer"] += [f"xor({c}, {c})" for c in INTEGERS] + [f"~{c}" for c in INTEGERS]
    groups["integer"] += [f"{c} << (k % 9 + 4)::{t}" for c,
            t in zip(INTEGERS, ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"))]
    groups["integer"] += [f"{c} >> (k % 9 + 4)::{t}" for c,
            t in zip(INTEGERS, ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"))]
    groups["integer"] += ["k << k", "i64 << kk", "h << kk", "h >> kk", "u64 << u8", "u64 >> u8", "u8 << u8",
            "gcd(i64, kk)", "gcd(i32, k)", "lcm(i64, kk)",
                          "lcm(i32, k)", "gcd(h, kk)", "lcm(h, kk)", "greatest_common_divisor(k, kk)",
                          "least_common_multiple(k, kk)"]
    groups["integer"] += [f"{name}({c})"
            for name in ("abs", "sign", "bit_count", "round", "trunc", "floor", "ceil", "even", "@")
                          for c in INTEGERS if (name, c) != ("bit_count", "")]
    groups["integer"] += [f"round({c}, -{n})" for c in INTEGERS for n in (1, 2, 5)]
    groups["integer"] += [f"{name}({c})" for name in ("round", "floor", "ceil", "trunc", "abs", "sign")
            for c in ("d1", "d2", "d3")]
    groups["integer"] += [f"round({c}, {n})" for c in ("d1", "d2", "d3") for n in (-3, -2, -1, 0, 1, 3, 12)]
    groups["integer"] += [f"trunc({c}, {n})" for c in ("d1", "d2", "d3") for n in (-28, -12, -2, -1, 0, 1)]
    groups["integer"] += ["add(k, kk)", "subtract(k, kk)", "multiply(k, kk)", "divide(k, kk)", "mod(k, kk)",
            "greatest(b, k > 3)", "least(b, k > 3)",
                          "greatest(i8, k)", "d1 + d2", "d1 * d1", "d2 - d1", "d1 % d1", "d1 < d2",
                          "least(d1, d2, d3)", "d1 + k", "d3 = d2",
                          "d1 / d2", "-d1", "k IN (1, 2, 3)", "k BETWEEN kk AND 9", "-i8", "-h"]
    single = ["sqrt", "cbrt", "ln", "log", "log2", "log10", "exp", "floor", "ceil", "ceiling", "trunc",
            "round", "sin", "cos", "tan", "cot", "asin",
              "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "radians", "degrees",
              "even", "gamma", "lgamma", "abs", "sign", "isnan",
              "isinf", "isfinite", "signbit"]
    groups["math"] = [f"{name}({c})" for name in single for c in ("x", "z", "f")]
    groups["math"] += ["log(x, y)", "log(z, z + 1)", "pow(x, y)", "power(z, k)", "x ** z", "x ^ k",
            "atan2(x, y)", "nextafter(x, y)", "nextafter(f, f * 2)",
                       "round(x, k)", "round(f, k)", "round(x, 2)", "trunc(x, k)", "trunc(f, 1)",
                       "mod(x, y)", "x % z", "x / z", "x // z", "fmod(x, z)",
                       "fdiv(x, z)", "greatest(x, y, z)", "least(x, y)", "x < y", "x = y",
                       "x IS DISTINCT FROM y", "f + f", "f * f", "f / f", "f - f",
                       "f % f", "x + y", "x * y", "pi() * z", "x BETWEEN y AND z",
                       "coalesce(x / nullif(z, 0), 0)",
                       # The distance of two places on the globe.
                       "2 * 6371 * asin(sqrt(sin(radians(z - 1) / 2) ** 2 + cos(radians(1)) * "
                       "cos(radians(z)) * sin(radians(x - y) / 2) ** 2))"]
    return groups


ROWS = 3000


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of awkward values, and a connection where they are the table `events`."""
    generator = random.Random(20241121)
    path = tmp_path_factory.mktemp("expressions") / "events.parquet"
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    # Its statistics would compute functions of a column's extremes, and fail outside of TRY.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    connection.execute(TABLE)

    def value(name):
        if generator.random() < 0.06:
            return "NULL"
        text = generator.choice(VALUES[name])
        return "'" + text.replace("'", "''") + "'" if name in TEXTS else text

    for start in range(0, ROWS, 500):
        lines = ", ".join("(" + ", ".join(value(name) for name in VALUES) + ")"
                for _ in range(start, start + 500))
        connection.execute(f"INSERT INTO events VALUES {lines}")
    query = "SELECT * REPLACE (h::DECIMAL(38,0) AS h, e::VARCHAR AS e) FROM events"
    connection.execute(f"COPY ({query}) TO '{path}'")
    # Read back, for the file does not keep the sign of every zero.
    connection.execute(f"DELETE FROM events; INSERT INTO events SELECT * FROM '{path}'")
    return connection, path


def kind_of(connection, expression):
    return connection.execute(f"SELECT typeof({expression}) FROM events LIMIT 1").fetchone()[0]


def difference(connection, expression, column):
    """How many rows differ, and one of them. NaN and zero have no sign here: files do not keep it."""
    mine = f"CAST(mine.{column} AS {kind_of(connection, expression)})"
    texts = [f"replace(CAST({side} AS VARCHAR), '-nan', 'nan')" for side in (mine, "theirs")]
    texts = [f"CASE {text} WHEN '-0.0' THEN '0.0' ELSE {text} END" for text in texts]
    return connection.execute(
        f"SELECT count(*), min_by({{'mine': {texts[0]}, 'theirs': {texts[1]}, 'row': events::VARCHAR}}, 1) "
        f"FROM mine POSITIONAL JOIN (SELECT TRY({expression}) AS theirs, events FROM events) "
        f"WHERE {texts[0]} IS DISTINCT FROM {texts[1]}").fetchone()


@pytest.mark.parametrize("group", sorted(expressions()))
def test_as_duckdb(shrike, rows, tmp_path, group):
    connection, path = rows
    # A file holds no HUGEINT of 39 digits, a text does.
    wanted = [f"({expression})::VARCHAR" if kind_of(connection, expression) == "HUGEINT" else expression
              for expression in expressions()[group]]
    lines = ",\n".join(f"    {expression} AS c{i}" for i, expression in enumerate(wanted))
    (tmp_path / "features.sql").write_text(f"{TABLE}\nSELECT\n{lines}\nFROM events;\n")
    shrike("features", "features.sql", "--in", path, "--out", "features.parquet", "--quiet", check=True)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE mine AS SELECT * FROM '{tmp_path}/features.parquet'")
    found = {}
    for i, expression in enumerate(wanted):
        n, example = difference(connection, expression, f"c{i}")
        if n:
            found[expression] = (n, example)
    assert not found, f"{len(found)} of {len(wanted)} expressions differ: {found}"


def test_texts_of_floats(shrike, tmp_path):
    """With two texts as short and as near, or one as near to a neighbour, too, a FLOAT has more digits."""
    path = tmp_path / "floats.parquet"
    duckdb.execute(
        "SELECT setseed(0.7); "
        "COPY (SELECT row_number() OVER () AS id, CAST(x AS FLOAT) AS x FROM ("
        "SELECT 1048576 + i * 0.25 AS x FROM range(40000) t(i) UNION ALL "
        "SELECT pow(2, i) + pow(2, greatest(i - 23, -149)) * (k - 1) FROM range(-149, 127) t(i), "
        "range(3) u(k) "
        "UNION ALL SELECT floor(random() * pow(2, 24 + i % 16)) FROM range(40000) t(i) "
        "UNION ALL SELECT random() * pow(10, i % 76 - 38) FROM range(40000) t(i))) "
        f"TO '{path}'")
    (tmp_path / "features.sql").write_text(
        "CREATE TABLE events (id BIGINT, x FLOAT);\nSELECT id, CAST(x AS VARCHAR) AS text FROM events;\n")
    shrike("features", "features.sql", "--in", path, "--out", "features.parquet", "--quiet", check=True)
    differing = duckdb.sql(
        f"SELECT x::VARCHAR AS theirs, text AS mine FROM '{path}' "
        f"JOIN '{tmp_path}/features.parquet' USING (id) "
        "WHERE theirs <> mine").fetchall()
    assert not differing, f"{len(differing)} differ: {differing[:5]}"
    assert ("1048576.25",) in duckdb.sql(f"SELECT text FROM '{tmp_path}/features.parquet'").fetchall()


def test_a_cast_that_can_fail_counts_within_windows(shrike, tmp_path):
    """Windows of an integer look at it as it was before it was widened: not where that can fail."""
    (tmp_path / "events.csv").write_text(
        "ts,t\n2024-01-01 00:00:01,5\n2024-01-01 00:00:02,-7\n2024-01-01 00:00:03,3\n")
    (tmp_path / "features.sql").write_text(
        "CREATE TABLE events (ts TIMESTAMP, t TINYINT);\n"
        "SELECT count(t::UINTEGER) OVER w AS n, sum(t::UINTEGER) OVER w AS total,\n"
        "       sum(t::BIGINT) OVER w AS signed\n"
        "FROM events WINDOW w AS (ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW);\n")
    shrike("features", "features.sql", "--in", "events.csv", "--out", "out.csv", "--quiet", check=True)
    assert (tmp_path / "out.csv").read_text() == "n,total,signed\n1,5,5\n1,5,-2\n2,8,1\n"
