"""Parquet files that Shrike writes, as Spark reads them by default: in vectors; here it checks pages, too."""

import contextlib
import csv
import datetime
import decimal
import io
import random
import struct

import pytest

ROWS = 5000
MOMENT = datetime.datetime(2024, 2, 27, 23, 59, 59)


def integer(bits):
    return lambda source, i: source.randrange(-(2 ** (bits - 1)), 2 ** (bits - 1))


def unsigned(bits):
    return lambda source, i: source.randrange(2**bits)


def digits(precision, scale):
    def value(source, i):
        return decimal.Decimal(source.randrange(1 - 10**precision, 10**precision)).scaleb(-scale, EXACT)

    return value


EXACT = decimal.Context(prec=38)
# Every type that is written, and values for each encoding: those that repeat, that rise, and any.
COLUMNS = {
    "flag": ("BOOLEAN", lambda source, i: source.random() < 0.5),
    "i8": ("TINYINT", integer(8)),
    "i16": ("SMALLINT", integer(16)),
    "i32": ("INTEGER", integer(32)),
    "i64": ("BIGINT", integer(64)),
    "u8": ("UTINYINT", unsigned(8)),
    "u16": ("USMALLINT", unsigned(16)),
    "u32": ("UINTEGER", unsigned(32)),
    "u64": ("UBIGINT", unsigned(64)),
    "huge": ("HUGEINT", digits(38, 0)),
    "f32": ("FLOAT", lambda source, i: struct.unpack("<f", struct.pack("<f", source.uniform(-9, 9)))[0]),
    "f64": ("DOUBLE", lambda source, i: source.uniform(-9, 9)),
    "price": ("DOUBLE", lambda source, i: source.randrange(100) / 4),
    "d9": ("DECIMAL(9,3)", digits(9, 3)),
    "d18": ("DECIMAL(18,2)", digits(18, 2)),
    "d38": ("DECIMAL(38,5)", digits(38, 5)),
    "day": ("DATE", lambda source, i: MOMENT.date() + datetime.timedelta(source.randrange(-9000, 9000))),
    "moment": ("TIMESTAMP", lambda source, i: MOMENT + datetime.timedelta(microseconds=i * 61_000_001)),
    "instant": ("TIMESTAMPTZ", lambda source, i: MOMENT - datetime.timedelta(source.randrange(9000), i)),
    "rising": ("BIGINT", lambda source, i: 10**15 + i * 1000 + source.randrange(7)),
    "narrow": ("INTEGER", lambda source, i: i * 3),
    "text": ("VARCHAR", lambda source, i: f"Zürich 🏦 {source.random()}"),
    "shop": ("VARCHAR", lambda source, i: f"shop {source.randrange(50)}"),
    "kind": ("ENUM('pos', 'web')", lambda source, i: source.choice(["pos", "web"])),
}


def text_of(value):
    return value.isoformat(" ") if isinstance(value, datetime.datetime) else value


def written(shrike, tmp_path, missing):
    """The path of a file of ROWS rows, of which each value is NULL with the given chance; and the rows."""
    source = random.Random(3)
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    (tmp_path / "plan.sql").write_text(
        f"CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, {columns}); SELECT i32 AS feature FROM t;")
    rows = [[None if source.random() < missing else value(source, i) for _, value in COLUMNS.values()]
            for i in range(ROWS)]
    with open(tmp_path / "in.csv", "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "ts", *COLUMNS])
        writer.writerows([i, MOMENT, *map(text_of, row)] for i, row in enumerate(rows))
    keep = [word for name in ["id", *COLUMNS] for word in ("--keep", name)]
    shrike("features", "plan.sql", "--in", "in.csv", "--out", "out.parquet", *keep, check=True)
    return tmp_path / "out.parquet", rows


@pytest.mark.parametrize("missing", [0, 0.2, 1])
def test_every_type(shrike, spark, tmp_path, missing):
    path, rows = written(shrike, tmp_path, missing)
    frame = spark.read.parquet(str(path))
    # As Python's value, an instant would be one of Python's time zone.
    selected = frame.orderBy("id").selectExpr(
        *(f"CAST({name} AS TIMESTAMP_NTZ)" if name == "instant" else name for name in COLUMNS))
    with contextlib.redirect_stdout(io.StringIO()) as plan:
        selected.explain("formatted")
    assert "Batched: true" in plan.getvalue()
    found = selected.collect()
    assert len(found) == ROWS
    for name, theirs, ours in zip(COLUMNS, zip(*found), zip(*rows)):
        assert theirs == ours, name


def test_damage_is_seen(shrike, spark, tmp_path):
    path, _ = written(shrike, tmp_path, 0.2)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match="CRC"):
        spark.read.parquet(str(path)).selectExpr(*(f"max({name})" for name in COLUMNS)).collect()
