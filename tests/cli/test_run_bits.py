"""`run`, event by event, gives the bits that `features` and `score` give over the whole file."""

import json
import random

import pytest

PLAN = """
CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, shop VARCHAR, amount DOUBLE,
                 y TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 hour';
SELECT amount,
       count(*)    OVER (card RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND CURRENT ROW) AS n,
       avg(amount) OVER (card RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS mean,
       max(amount) OVER (card RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS most,
       avg(y)      OVER (PARTITION BY shop ORDER BY ts
                         RANGE BETWEEN INTERVAL 5 HOUR PRECEDING AND INTERVAL 1 HOUR PRECEDING) AS risk
FROM tx WINDOW card AS (PARTITION BY card ORDER BY ts);
"""


@pytest.fixture
def folder(shrike, tmp_path):
    folder = tmp_path
    draw = random.Random(5)
    rows, second = [], 0
    for number in range(3000):
        second += draw.choice([0, 0, 0, 1, 7, 60])
        time = f"2024-03-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        rows.append({"id": number, "ts": time, "card": draw.randrange(40),
                     "shop": f"shop {draw.randrange(9)}",
                     "amount": round(draw.lognormvariate(3, 1), 2), "y": int(draw.random() < 0.2)})
    (folder / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "plan.sql").write_text(PLAN)
    shrike("train", "--name", "m", "--plan", "plan.sql", "--in", "events.jsonl",
           "--train", "2024-03-01..2024-03-02", "--rounds", "5", "--threads", "1", cwd=folder, check=True)
    shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "features.jsonl", cwd=folder, check=True)
    shrike("score", "models:/m/1", "--in", "events.jsonl", "--out", "scores.jsonl", cwd=folder, check=True)
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("threads, batch", [("1", "1"), ("2", "1"), ("1", "64"), ("2", "4096")])
def test_run_gives_the_bits_of_features_and_score(shrike, folder, threads, batch):
    shrike("run", "models:/m/1", "--source", "events.jsonl", "--sink", "out.jsonl", "--explain", "0",
           "--threads", threads, "--batch", batch, cwd=folder, check=True)
    decided = lines(folder / "out.jsonl")
    # Doubles and floats are written so that they read back to the same bits: equal numbers are equal bits.
    assert [row["features"] for row in decided] == lines(folder / "features.jsonl")
    assert [row["score"] for row in decided] == [row["score"] for row in lines(folder / "scores.jsonl")]
    times = [row["ts"] for row in lines(folder / "events.jsonl")]
    assert sum(a == b for a, b in zip(times, times[1:])) > 1000
