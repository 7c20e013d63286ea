"""shrike generate: formats, directories, streams, pacing, refusals."""

import csv
import datetime
import hashlib
import json
import time

import duckdb
import pytest

COLUMNS = ["tx_id", "ts", "customer_id", "terminal_id", "amount", "is_fraud", "fraud_scenario"]
SMALL = ["--days", 12, "--seed", 3, "--customers", 700, "--terminals", 900]


def rows_of(path):
    return duckdb.sql(f"SELECT * FROM read_parquet('{path}')").fetchall()


def test_parquet_and_summary(shrike, tmp_path):
    result = shrike("generate", *SMALL, "--out", "a.parquet", "--json", check=True)
    summary = json.loads(result.stdout)
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{tmp_path}/a.parquet'").fetchall()
    assert [(r[0], r[1]) for r in described] == list(
        zip(COLUMNS, ["BIGINT", "TIMESTAMP", "INTEGER", "INTEGER", "DOUBLE", "TINYINT", "TINYINT"])
    )
    rows = rows_of(tmp_path / "a.parquet")
    assert summary["rows"] == len(rows) > 10000
    assert summary["frauds"] == sum(r[5] for r in rows) > 100
    assert summary["seed"] == 3 and summary["files"] == 1
    assert summary["first"] == str(rows[0][1]) and summary["last"] == str(rows[-1][1])
    assert [r[0] for r in rows] == list(range(len(rows)))
    assert [r[1] for r in rows] == sorted(r[1] for r in rows)
    assert rows[0][1].date() == datetime.date(2018, 4, 1) and rows[-1][1].date() == datetime.date(2018, 4, 12)


def test_every_format_has_the_same_rows(shrike, tmp_path):
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        shrike("generate", *SMALL, "--out", name, check=True)
    stream = shrike("generate", *SMALL, "--out", "-", check=True).stdout
    assert stream == (tmp_path / "a.jsonl").read_text()
    rows = rows_of(tmp_path / "a.parquet")
    lines = [json.loads(line) for line in stream.splitlines()]
    assert list(lines[0]) == COLUMNS
    as_json = [
        (
            r["tx_id"],
            datetime.datetime.fromisoformat(r["ts"]),
            r["customer_id"],
            r["terminal_id"],
            r["amount"],
            r["is_fraud"],
            r["fraud_scenario"],
        )
        for r in lines
    ]
    assert as_json == rows
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == COLUMNS
        as_csv = [
            (
                int(r["tx_id"]),
                datetime.datetime.fromisoformat(r["ts"]),
                int(r["customer_id"]),
                int(r["terminal_id"]),
                float(r["amount"]),
                int(r["is_fraud"]),
                int(r["fraud_scenario"]),
            )
            for r in reader
        ]
    assert as_csv == rows


def test_seed_and_threads(shrike, tmp_path):
    def digest(*arguments):
        out = shrike("generate", "--days", 5, *arguments, "--out", "-", check=True).stdout
        return hashlib.sha256(out.encode()).hexdigest()

    one = digest("--seed", 8)
    assert one == digest("--seed", 8, "--threads", 2) == digest("--seed", 8, "--threads", 7)
    assert one != digest("--seed", 9)
    shrike("generate", "--days", 5, "--threads", 1, "--out", "1.parquet", check=True)
    shrike("generate", "--days", 5, "--threads", 3, "--out", "3.parquet", check=True)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "3.parquet").read_bytes()


@pytest.mark.parametrize("name", ["days/", "new/deep", "made"])
def test_directory_has_a_file_a_day(shrike, tmp_path, name):
    (tmp_path / "made").mkdir()
    summary = json.loads(shrike("generate", *SMALL, "--out", name, "--json", check=True).stdout)
    files = sorted(p.name for p in (tmp_path / name).iterdir())
    assert files == [f"2018-04-{d:02}.parquet" for d in range(1, 13)]
    assert summary["files"] == 12
    shrike("generate", *SMALL, "--out", "all.parquet", check=True)
    together = [row for f in files for row in rows_of(tmp_path / name / f)]
    assert together == rows_of(tmp_path / "all.parquet")
    for f in files:
        assert {str(r[1].date()) for r in rows_of(tmp_path / name / f)} == {f[:10]}


def test_rows_start_and_world(shrike):
    out = shrike("generate", "--rows", 12345, "--start", "2024-02-29", "--out", "-", check=True).stdout
    lines = out.splitlines()
    assert len(lines) == 12345 and json.loads(lines[0])["ts"].startswith("2024-02-29")
    out = shrike(
        "generate",
        "--days",
        3,
        "--customers",
        50,
        "--terminals",
        20,
        "--radius",
        150,
        "--out",
        "-",
        check=True,
    ).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    assert {r["terminal_id"] for r in rows} == set(range(20)) and max(r["customer_id"] for r in rows) < 50


def test_rate_paces_the_stream(shrike):
    shrike("generate", "--rows", 10, "--out", "-", check=True)
    started = time.monotonic()
    out = shrike("generate", "--rows", 301, "--rate", 200, "--out", "-", check=True).stdout
    took = time.monotonic() - started
    assert len(out.splitlines()) == 301
    # The last piece leaves after 300 / 200 s; the rest is starting up on a busy machine.
    assert 1.49 <= took < 6


def test_rate_releases_rows_one_by_one(binary, tmp_path):
    import subprocess

    process = subprocess.Popen(
        [binary, "generate", "--rows", "5", "--rate", "4", "--out", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    times = []
    for _ in process.stdout:
        times.append(time.monotonic())
    assert process.wait() == 0
    assert len(times) == 5
    assert times[4] - times[0] > 0.8, "rows were held back and came together"


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (["--out", "a.parquet", "--profile", "handbok"], 2, "handbook"),
        (["--out", "a.parquet", "--days", "0"], 2, "days"),
        (["--out", "a.parquet", "--customers", "2"], 2, "customers is 2; it must be a whole number from 3"),
        (["--out", "a.parquet", "--radius", "-1"], 2, "radius"),
        (["--out", "a.parquet", "--start", "2018-04-01 10:00"], 2, "midnight"),
        (["--out", "a.parquet", "--rate", "5"], 2, "--rate paces a stream"),
        (["--out", "-", "--json"], 2, "--json prints a summary"),
        (["--out", "a.xls"], 2, ".xls"),
        ([], 2, "--out"),
        (["--out", "no/where/a.parquet"], 5, "no/where"),
        (
            ["--out", "a.parquet", "--customers", "100000", "--terminals", "100000", "--radius", "200"],
            8,
            "smaller radius",
        ),
    ],
)
def test_refused(shrike, tmp_path, arguments, status, message):
    result = shrike("generate", *arguments)
    assert (result.returncode, message in result.stderr) == (status, True), result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []
