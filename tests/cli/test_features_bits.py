"""`features` gives the same bits for every format of files, split of the events and number of threads."""

import csv
import datetime
import json
import random
import struct
import subprocess

import duckdb
import pytest

PLAN = """
CREATE TABLE payments (id BIGINT PRIMARY KEY, ts TIMESTAMP, card VARCHAR, shop INTEGER, amount DOUBLE,
                       price DECIMAL(10,2), is_fraud TINYINT DEFAULT 0);
COMMENT ON COLUMN payments.is_fraud IS 'shrike: label, late after=1 day';
SELECT id, count(*) OVER day AS n, sum(amount) OVER day AS total, avg(amount) OVER week AS mean,
       min(amount) OVER week AS low, max(amount) FILTER (WHERE shop > 3) OVER week AS high,
       avg(price) OVER shop AS price, amount / nullif(avg(amount) OVER week, 0) AS ratio,
       avg(is_fraud) OVER (PARTITION BY shop ORDER BY ts RANGE BETWEEN INTERVAL 9 DAY PRECEDING AND
                           INTERVAL 1 DAY PRECEDING) AS risk
FROM payments
WINDOW card AS (PARTITION BY card ORDER BY ts),
       day  AS (card RANGE BETWEEN INTERVAL 86399 SECOND PRECEDING AND CURRENT ROW),
       week AS (card RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW),
       shop AS (PARTITION BY shop, card ORDER BY ts RANGE BETWEEN INTERVAL 3 DAY PRECEDING AND CURRENT ROW);
"""
COMMAND = ["features", "plan.sql", "--lateness", "30m"]
COLUMNS = ["id", "ts", "card", "shop", "amount", "price", "is_fraud"]
REALS = ["total", "mean", "low", "high", "price", "ratio", "risk"]
ROWS = 6000


def events():
    """Bursts of events at one time, entities shuffled, some rows up to an hour late, some without a label."""
    generator = random.Random(11)
    now = 1_600_000_000
    for number in range(ROWS):
        now += generator.choice([0, 0, 1, 40, 400])
        late = generator.randrange(3600) if generator.random() < 0.05 else 0
        amount = generator.choice([round(generator.uniform(0, 500), 2), generator.random() / 3, 1e-9, 1e17])
        yield {
            "id": number,
            "ts": timestamp(now - late),
            "card": f"card-{generator.randrange(40)}",
            "shop": generator.randrange(7),
            "amount": amount,
            "price": f"{generator.randrange(100000) / 100:.2f}",
            "is_fraud": generator.choice([0, 0, 0, 1, None]),
        }


def timestamp(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(["" if row[name] is None else row[name] for name in COLUMNS] for row in rows)


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(path, rows):
    write_csv(path.with_suffix(".source.csv"), rows)
    duckdb.sql(
        f"COPY (SELECT * FROM read_csv('{path.with_suffix('.source.csv')}', types = {{'ts': 'TIMESTAMP', "
        f"'price': 'DECIMAL(10,2)', 'is_fraud': 'TINYINT', 'amount': 'DOUBLE', 'card': 'VARCHAR'}})) "
        f"TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
    )


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def bits(path):
    """The features of a file as integers: doubles by their bits."""
    rows = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    names = rows.columns
    return [
        [
            struct.unpack("<Q", struct.pack("<d", value))[0] if name in REALS and value is not None else value
            for name, value in zip(names, row)
        ]
        for row in rows.fetchall()
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bits")
    rows = list(events())
    (path / "plan.sql").write_text(PLAN)
    for kind, write in WRITERS.items():
        write(path / f"all.{kind}", rows)
        cuts = [0, 1, 700, 701, 4096, ROWS]
        for part, (start, end) in enumerate(zip(cuts, cuts[1:])):
            write(path / f"part{part}.{kind}", rows[start:end])
    return path


@pytest.fixture(scope="module")
def expected(folder, binary):
    subprocess.run(
        [binary, *COMMAND, "--in", "all.parquet", "--out", "expected.parquet"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    found = bits(folder / "expected.parquet")
    assert len(found) == ROWS and [row[0] for row in found] == list(range(ROWS))
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kind", WRITERS)
def test_the_bits_are_the_same(shrike, folder, expected, kind, split, threads):
    files = [f"part{part}.{kind}" for part in range(5)] if split else [f"all.{kind}"]
    inputs = [word for name in files for word in ("--in", name)]
    out = f"{kind}-{split}-{threads}.parquet"
    shrike(*COMMAND, *inputs, "--out", out, "--threads", threads, cwd=folder, check=True)
    assert bits(folder / out) == expected


def test_ties_and_late_rows_are_there(folder, expected):
    """Else the comparison above would say little: the plan's own SQL, which shows peers, has other counts."""
    peers = duckdb.sql(
        "SELECT count(*) OVER (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 86399 SECOND PRECEDING "
        "AND CURRENT ROW) "
        f"FROM read_parquet('{folder / 'all.parquet'}') ORDER BY id"
    ).fetchall()
    differing = sum(theirs != ours[1] for (theirs,), ours in zip(peers, expected))
    assert differing > 100


def test_duckdb_agrees(shrike, folder, expected):
    """On the definition, by the program's own verification, over the first rows."""
    files = ["--in", "part1.parquet", "--out", "verified.parquet"]
    shrike(*COMMAND, *files, "--verify", "duckdb", cwd=folder, check=True)


def test_more_batches_than_are_read_ahead(binary, tmp_path):
    """Numbers alone: columns keep their room, and change hands with whoever reads ahead."""
    (tmp_path / "plan.sql").write_text(
        "CREATE TABLE tx (ts TIMESTAMP, card INTEGER, amount DOUBLE);"
        "SELECT sum(amount) OVER (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING "
        "AND CURRENT ROW) AS total FROM tx;"
    )
    with open(tmp_path / "tx.jsonl", "w") as out:
        for i in range(120000):
            out.write(f'{{"ts": {1_600_000_000 + i}, "card": {i % 7}, "amount": {i % 101}.25}}\n')
    found = []
    for threads in ("1", "2"):
        words = ["features", "plan.sql", "--in", "tx.jsonl", "--time-unit", "s", "--threads", threads]
        done = subprocess.run(
            [str(binary), *words, "--out", f"{threads}.parquet"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.append((tmp_path / f"{threads}.parquet").read_bytes())
    assert found[0] == found[1]
    rows = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/2.parquet'").fetchone()
    assert rows == (120000,)
