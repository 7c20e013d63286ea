"""Parquet files as other programs read them: every type, NULLs, bits, and how the values are laid out."""

import decimal
import math
import random
import struct
import subprocess

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

TYPES = {
    "flag": "BOOLEAN",
    "i8": "TINYINT",
    "i16": "SMALLINT",
    "i32": "INTEGER",
    "i64": "BIGINT",
    "u8": "UTINYINT",
    "u16": "USMALLINT",
    "u32": "UINTEGER",
    "u64": "UBIGINT",
    "huge": "HUGEINT",
    "f32": "FLOAT",
    "f64": "DOUBLE",
    "d4": "DECIMAL(4,1)",
    "d9": "DECIMAL(9,3)",
    "d18": "DECIMAL(18,2)",
    "d38": "DECIMAL(38,5)",
    "day": "DATE",
    "moment": "TIMESTAMP",
    "instant": "TIMESTAMPTZ",
    "text": "VARCHAR",
    "kind": "ENUM('pos', 'web', '')",
}
# What the file says instead, since Parquet has neither.
WRITTEN = {"huge": "DECIMAL(38,0)", "kind": "VARCHAR"}

# The uppermost and lowest values, and ordinary ones, as SQL.
VALUES = {
    "flag": ["true", "false"],
    "i8": ["-128", "127", "0"],
    "i16": ["-32768", "32767", "5"],
    "i32": ["-2147483648", "2147483647", "17"],
    "i64": ["-9223372036854775808", "9223372036854775807", "17"],
    "u8": ["255", "0", "9"],
    "u16": ["65535", "0", "9"],
    "u32": ["4294967295", "0", "9"],
    "u64": ["18446744073709551615", "0", "9"],
    "huge": ["-" + "9" * 38, "9" * 38, "0"],
    "f32": ["'nan'", "'-0.0'", "'inf'", "'-inf'", "1.5", "3.4e38"],
    "f64": ["'nan'", "'-0.0'", "'inf'", "'-inf'", "0.1", "5e-324"],
    "d4": ["-999.9", "999.9", "0"],
    "d9": ["-999999.999", "999999.999", "0"],
    "d18": ["-9999999999999999.99", "9999999999999999.99", "0.01"],
    "d38": ["-" + "9" * 33 + ".99999", "9" * 33 + ".99999", "0.00001"],
    "day": ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'"],
    "moment": ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"],
    "instant": ["'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59.999999+00'", "'2024-02-29 12:00:00+00'"],
    "text": ["''", "'Zürich 🏦'", "'plain'"],
    "kind": ["'web'", "''", "'pos'"],
}

ROWS = 300

# Which of row i's values are NULL.
NULLS = {
    "none": lambda i: False,
    "all": lambda i: True,
    "first": lambda i: i == 0,
    "last": lambda i: i == ROWS - 1,
    "words": lambda i: i % 64 in (0, 63),
    "most": lambda i: i % 100 != 7,
    "later": lambda i: i >= ROWS // 2,
}


def plan_of(columns):
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE events (id BIGINT PRIMARY KEY, ts TIMESTAMP, {listed}); SELECT id FROM events;"


@pytest.fixture
def through(shrike, tmp_path):
    """A function that puts rows (SQL of a relation with id and ts) through `features`, all columns kept, and
    returns the path of the file it wrote."""

    def run(columns, relation, out="out.parquet", threads=1):
        (tmp_path / "plan.sql").write_text(plan_of(columns))
        duckdb.execute("SET TimeZone = 'UTC'")
        duckdb.execute(f"COPY ({relation}) TO '{tmp_path / 'in.parquet'}' (FORMAT parquet)")
        keep = [word for name in columns for word in ("--keep", name)]
        arguments = ["--in", "in.parquet", "--out", out, "--threads", threads]
        shrike("features", "plan.sql", *arguments, *keep, check=True)
        return tmp_path / out

    return run


def bits(value):
    """Something that is equal only for the same bits; of NaN only that it is one."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


def rows_of(table):
    """Of an Arrow table, as Python's values; times as those of UTC, without saying so."""
    columns = []
    for column in table.columns:
        if pyarrow.types.is_timestamp(column.type):
            column = column.cast(pyarrow.timestamp("us"))
        columns.append(map(bits, column.to_pylist()))
    return list(zip(*columns))


def rows_of_duckdb(path):
    return rows_of(duckdb.sql(f"FROM read_parquet('{path}')").to_arrow_table())


def rows_of_pyarrow(path):
    return rows_of(pyarrow.parquet.read_table(path))


def rows_of_polars(path):
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    return rows_of(polars.read_parquet(path).to_arrow())


READERS = {"DuckDB": rows_of_duckdb, "pyarrow": rows_of_pyarrow, "Polars": rows_of_polars}


def every_type(nulls, rows=ROWS):
    values = []
    for i in range(rows):
        row = [
            "NULL" if NULLS[nulls](i) else f"({kind[i % len(kind)]})::{TYPES[name]}"
            for name, kind in VALUES.items()
        ]
        values.append(f"({i}, TIMESTAMP '2024-01-01' + INTERVAL {i} SECOND, {', '.join(row)})")
    names = ", ".join(["id", "ts", *TYPES])
    casts = ", ".join(f"{name}::{TYPES[name]} AS {name}" for name in TYPES)
    return f"SELECT id, ts, {casts} FROM (VALUES {', '.join(values)}) AS events({names})"


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("nulls", NULLS)
def test_every_type_and_null(through, nulls, reader):
    relation = every_type(nulls)
    # The input holds HUGEINT by its digits, too.
    columns = ", ".join(f"{name}::{WRITTEN.get(name, kind)} AS {name}" for name, kind in TYPES.items())
    path = through(TYPES, f"SELECT id, ts, {columns} FROM ({relation})")
    expected = duckdb.sql(f"SELECT {columns}, id FROM ({relation}) ORDER BY id").to_arrow_table()
    assert READERS[reader](path) == rows_of(expected)


def test_the_types_are_told(through):
    path = through(TYPES, every_type("none", rows=3).replace("huge::HUGEINT", "huge::DECIMAL(38,0)"))
    described = duckdb.sql(f"DESCRIBE FROM read_parquet('{path}')").fetchall()
    expected = {name: WRITTEN.get(name, kind) for name, kind in TYPES.items()} | {"id": "BIGINT"}
    expected["instant"] = "TIMESTAMP WITH TIME ZONE"
    assert {row[0]: row[1] for row in described} == expected
    schema = pyarrow.parquet.read_schema(path)
    assert schema.field("moment").type == pyarrow.timestamp("us")
    assert schema.field("instant").type == pyarrow.timestamp("us", "UTC")
    assert schema.field("u16").type == pyarrow.uint16()
    assert schema.field("d38").type == pyarrow.decimal128(38, 5)
    # What readers go by that know only the older annotations.
    older = duckdb.sql(
        f"SELECT name, converted_type FROM parquet_schema('{path}') WHERE converted_type IS NOT NULL"
    ).fetchall()
    assert dict(older) == {
        "i8": "INT_8",
        "i16": "INT_16",
        "u8": "UINT_8",
        "u16": "UINT_16",
        "u32": "UINT_32",
        "u64": "UINT_64",
        "huge": "DECIMAL",
        "d4": "DECIMAL",
        "d9": "DECIMAL",
        "d18": "DECIMAL",
        "d38": "DECIMAL",
        "day": "DATE",
        "moment": "TIMESTAMP_MICROS",
        "instant": "TIMESTAMP_MICROS",
        "text": "UTF8",
        "kind": "UTF8",
    }


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row(through, rows, reader):
    path = through(
        {"amount": "DOUBLE", "text": "VARCHAR"},
        f"SELECT i AS id, TIMESTAMP '2024-01-01' AS ts, i + 0.5::DOUBLE AS amount, 'a' AS text "
        f"FROM range({rows}) t(i)",
    )
    assert READERS[reader](path) == [(struct.pack("<d", 0.5), "a", 0)] * rows
    assert pyarrow.parquet.read_schema(path).names == ["amount", "text", "id"]


# Columns that lead to each encoding, over rows i of two full row groups and a part.
MANY = 2 * 122880 + 20001
SHAPES = {
    "small_range": ("BIGINT", "i % 100 - 50", "RLE_DICTIONARY"),
    "few_and_far": ("BIGINT", "(hash(i % 900) >> 1)::BIGINT", "RLE_DICTIONARY"),
    "rising": ("BIGINT", "i * 1000 + i % 7", "DELTA_BINARY_PACKED"),
    "narrow_rising": ("INTEGER", "i * 3", "DELTA_BINARY_PACKED"),
    "any_integer": ("UBIGINT", "hash(i)", "PLAIN"),
    "steps": (
        "TIMESTAMP",
        "TIMESTAMP '2024-01-01' + INTERVAL (i * i % 1000003) SECOND",
        "DELTA_BINARY_PACKED",
    ),
    "prices": ("DOUBLE", "(i * 7919 % 2000) / 100", "RLE_DICTIONARY"),
    "any_real": ("DOUBLE", "sqrt(i)", "PLAIN"),
    "any_float": ("FLOAT", "sqrt(i)::FLOAT", "PLAIN"),
    "runs": ("DOUBLE", "(i // 5000)::DOUBLE", "RLE_DICTIONARY"),
    "gone": ("DOUBLE", "CASE WHEN i % 3 > 0 THEN sqrt(i) END", "PLAIN"),
    "wide": ("DECIMAL(38,2)", "(i * 1234567)::DECIMAL(38,2)", "PLAIN"),
    "shop": ("VARCHAR", "'shop ' || i % 1000", "RLE_DICTIONARY"),
    "name": ("VARCHAR", "'name ' || i", "PLAIN"),
    "odd": ("BOOLEAN", "i % 5 = 0", "PLAIN"),
}


@pytest.fixture(scope="module")
def many(binary, tmp_path_factory):
    """The files of 1 and of 3 threads, and the relation they hold."""
    folder = tmp_path_factory.mktemp("many")
    columns = {name: kind for name, (kind, _, _) in SHAPES.items()}
    listed = ", ".join(f"({value})::{kind} AS {name}" for name, (kind, value, _) in SHAPES.items())
    order = "SELECT i AS id, TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND AS ts"
    duckdb.sql(f"COPY ({order}, {listed} FROM range({MANY}) t(i)) TO '{folder / 'in.parquet'}'")
    (folder / "plan.sql").write_text(plan_of(columns))
    keep = [word for name in columns for word in ("--keep", name)]
    for threads in (1, 3):
        arguments = ["--in", "in.parquet", "--out", f"{threads}.parquet", "--threads", str(threads)]
        subprocess.run(
            [binary, "features", "plan.sql", *arguments, *keep], cwd=folder, check=True, capture_output=True
        )
    return folder


def test_many_row_groups(many):
    metadata = pyarrow.parquet.read_metadata(many / "1.parquet")
    assert [metadata.row_group(i).num_rows for i in range(3)] == [122880, 122880, 20001]
    ours, theirs = (
        f"(SELECT {', '.join(['id', *SHAPES])} FROM read_parquet('{many / name}.parquet'))"
        for name in ("1", "in")
    )
    assert duckdb.sql(f"SELECT count(*) FROM {ours}").fetchone() == (MANY,)
    assert duckdb.sql(f"FROM {ours} EXCEPT ALL FROM {theirs}").fetchall() == []


@pytest.mark.parametrize("reader", ["pyarrow", "Polars"])
def test_other_readers_agree(many, reader):
    """Value by value, in Arrow."""
    expected = pyarrow.parquet.read_table(many / "in.parquet", columns=["id", *SHAPES])
    if reader == "pyarrow":
        found = pyarrow.parquet.read_table(many / "1.parquet", columns=["id", *SHAPES])
    else:
        polars = pytest.importorskip("polars", reason="Polars is not installed")
        found = polars.read_parquet(many / "1.parquet").to_arrow().select(["id", *SHAPES])
    for name in ["id", *SHAPES]:
        column = found.column(name).cast(expected.column(name).type)
        assert column.equals(expected.column(name)), name


@pytest.mark.parametrize("name", SHAPES)
def test_the_encoding_that_suits(many, name):
    chunk = pyarrow.parquet.read_metadata(many / "1.parquet").row_group(0).column(list(SHAPES).index(name))
    wanted = SHAPES[name][2]
    assert wanted in chunk.encodings
    assert chunk.has_dictionary_page == (wanted == "RLE_DICTIONARY")


def test_damage_is_seen(many):
    """By readers that check pages, in a page of values and in one of a dictionary."""
    whole = (many / "1.parquet").read_bytes()
    group = pyarrow.parquet.read_metadata(many / "1.parquet").row_group(0)

    def read(content, name):
        source = pyarrow.BufferReader(bytes(content))
        file = pyarrow.parquet.ParquetFile(source, page_checksum_verification=True)
        return file.read_row_group(0, columns=[name])

    for i, name in enumerate(SHAPES):
        chunk = group.column(i)
        read(whole, name)
        start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
        places = [start + chunk.total_compressed_size - 1]
        if chunk.has_dictionary_page:
            places.append(chunk.data_page_offset - 1)
        for place in places:
            damaged = bytearray(whole)
            damaged[place] ^= 1
            with pytest.raises(OSError, match="CRC"):
                read(damaged, name)


def test_threads_do_not_change_the_file(many):
    assert (many / "1.parquet").read_bytes() == (many / "3.parquet").read_bytes()


def test_files_are_not_larger_than_duckdbs(many):
    """By default DuckDB compresses with Snappy; a quarter more would be too much."""
    duckdb.sql(f"COPY (FROM '{many / '1.parquet'}') TO '{many / 'duckdb.parquet'}' (FORMAT parquet)")
    ours, theirs = ((many / name).stat().st_size for name in ("1.parquet", "duckdb.parquet"))
    assert ours < 1.25 * theirs


def test_statistics_are_true(many):
    metadata = pyarrow.parquet.read_metadata(many / "1.parquet")
    table = duckdb.read_parquet(str(many / "in.parquet"))
    for i, name in enumerate(SHAPES):
        statistics = metadata.row_group(1).column(i).statistics
        part = table.filter("id >= 122880 AND id < 245760")
        least, greatest, there = part.aggregate(f"min({name}), max({name}), count({name})").fetchone()
        assert statistics.null_count == 122880 - there, name
        if name in ("odd", "wide", "name"):
            assert not statistics.has_min_max
        else:
            assert (statistics.min, statistics.max) == (least, greatest), name


def test_bounds_with_nan_and_zeros(through):
    """Skipping row groups by bounds loses nothing: no bounds beside NaN, both zeros between them."""
    rows = "SELECT i AS id, TIMESTAMP '2024-01-01' AS ts, (i % 2)::DOUBLE AS low, -(i % 2)::DOUBLE AS high, "
    rows += "CASE WHEN i = 50 THEN 'nan'::DOUBLE ELSE sqrt(i) END AS hole FROM range(100) t(i)"
    path = through({"low": "DOUBLE", "high": "DOUBLE", "hole": "DOUBLE"}, rows)
    chunks = pyarrow.parquet.read_metadata(path).row_group(0)
    assert struct.pack("<d", chunks.column(0).statistics.min) == struct.pack("<d", -0.0)
    assert struct.pack("<d", chunks.column(1).statistics.max) == struct.pack("<d", 0.0)
    assert not chunks.column(2).statistics.has_min_max
    assert duckdb.sql(f"SELECT count(*) FROM '{path}' WHERE hole > 100").fetchone() == (1,)
    assert duckdb.sql(f"SELECT count(*) FROM '{path}' WHERE low = 0").fetchone() == (50,)


@pytest.mark.parametrize("reader", READERS)
def test_huge_strings(through, reader):
    """Some fill a page each, and together more than one row group's bytes."""
    sizes = [0, 1, 1 << 20, (1 << 20) - 1, 300000] * 30
    texts = ", ".join(f"({i}, {size})" for i, size in enumerate(sizes))
    path = through(
        {"text": "VARCHAR"},
        "SELECT id, TIMESTAMP '2024-01-01' AS ts, "
        "CASE WHEN size = 1 THEN NULL ELSE left(repeat(id || '-', size), size) END AS text "
        f"FROM (VALUES {texts}) AS t(id, size)",
    )
    expected = [(None if size == 1 else (f"{i}-" * size)[:size], i) for i, size in enumerate(sizes)]
    assert READERS[reader](path) == expected


def test_strings_end_a_row_group_early(through):
    """Memory is bounded: 50,000 texts of 2,000 bytes are more than one group holds."""
    path = through(
        {"text": "VARCHAR"},
        "SELECT i AS id, TIMESTAMP '2024-01-01' AS ts, repeat('x', 2000) || i AS text FROM range(50000) t(i)",
    )
    metadata = pyarrow.parquet.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert len(groups) > 1 and max(group.total_byte_size for group in groups) < 120 << 20
    assert [row[0] for row in rows_of_duckdb(path)] == ["x" * 2000 + str(i) for i in range(50000)]


def test_strings_that_stop_repeating(through):
    """A column that begins with few strings and goes on with ever new ones."""
    path = through(
        {"text": "VARCHAR"},
        "SELECT i AS id, TIMESTAMP '2024-01-01' AS ts, "
        "CASE WHEN i < 30000 THEN 'x' || i % 10 WHEN i % 2 = 0 THEN 'new ' || i END AS text "
        "FROM range(150000) t(i)",
    )
    expected = [f"x{i % 10}" if i < 30000 else f"new {i}" if i % 2 == 0 else None for i in range(150000)]
    assert [row[0] for row in rows_of_duckdb(path)] == expected
    assert [row[0] for row in rows_of_pyarrow(path)] == expected


def test_a_million_rows_of_every_bit(through):
    """Doubles of random bits, among them NaNs of every kind, come back as they went."""
    generator = random.Random(5)
    rows = 1_000_000
    values = pyarrow.py_buffer(generator.randbytes(8 * rows))
    amounts = pyarrow.Array.from_buffers(pyarrow.float64(), rows, [None, values])
    events = pyarrow.table({"id": pyarrow.array(range(rows)), "amount": amounts})
    duckdb.register("any_bits", events)
    relation = "SELECT id, TIMESTAMP '2024-01-01' AS ts, amount FROM any_bits"
    path = through({"amount": "DOUBLE"}, relation, threads=2)
    duckdb.unregister("any_bits")
    found = pyarrow.parquet.read_table(path).column("amount").combine_chunks()
    assert found.buffers()[1].to_pybytes()[: 8 * rows] == values.to_pybytes()


def test_decimals_of_windows(shrike, tmp_path):
    """Sums of integers are HUGEINT, written as a DECIMAL that every reader knows."""
    (tmp_path / "plan.sql").write_text(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, n BIGINT); SELECT sum(n) OVER (ORDER BY ts "
        "RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) AS total FROM t;"
    )
    n = 2**62
    (tmp_path / "in.jsonl").write_text(
        "".join(f'{{"id":{i},"ts":"2024-01-01 00:00:0{i}","n":{-n}}}\n' for i in range(5))
    )
    shrike("features", "plan.sql", "--in", "in.jsonl", "--out", "out.parquet", check=True)
    expected = [(decimal.Decimal(-n * (i + 1)),) for i in range(5)]
    assert rows_of_pyarrow(tmp_path / "out.parquet") == expected
