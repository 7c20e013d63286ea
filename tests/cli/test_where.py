"""WHERE: what every verb does with events that it leaves out."""

import csv
import json
import random

import pytest

TABLE = """
CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, kind VARCHAR, amount DOUBLE,
                 y TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 hour';
"""
SELECT = """
SELECT amount, count(*) OVER (card RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND CURRENT ROW) AS n,
       avg(amount) OVER (card RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS mean,
       amount - lag(amount) OVER card AS change
FROM tx {where} WINDOW card AS (PARTITION BY card ORDER BY ts);
"""
WHERE = "WHERE kind <> 'refund' AND amount > 5"  # NULL kinds are left out, too


@pytest.fixture
def folder(shrike, tmp_path):
    draw = random.Random(5)
    rows, second = [], 0
    for number in range(3000):
        second += draw.choice([0, 0, 0, 1, 7, 60])
        late = draw.choice([0] * 9 + [200])
        time = f"2024-03-01T{(second + 300 - late) // 3600:02}:{(second + 300 - late) // 60 % 60:02}:00"
        rows.append({"id": number, "ts": time, "card": draw.randrange(40),
                     "kind": draw.choice(["buy", "buy", "refund", None]),
                     "amount": round(draw.lognormvariate(3, 1), 2), "y": int(draw.random() < 0.2)})
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "wanted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if is_wanted(row)))
    (tmp_path / "plan.sql").write_text(TABLE + SELECT.format(where=WHERE))
    (tmp_path / "all.sql").write_text(TABLE + SELECT.format(where=""))
    return tmp_path


def is_wanted(row):
    return row["kind"] == "buy" and row["amount"] > 5


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def features(shrike, plan, events, out, *options):
    return shrike("features", plan, "--in", events, "--out", out, "--lateness", "1min", *options, check=True)


def train(shrike, plan, events, name="m"):
    return shrike("train", "--name", name, "--plan", plan, "--in", events, "--rounds", "5", "--threads", "1",
                  "--train", "2024-03-01..2024-03-02", "--json", check=True)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_features_are_those_of_a_file_without_the_rows(shrike, folder, threads):
    result = features(shrike, "plan.sql", "events.jsonl", "a.jsonl", "--threads", threads, "--keep", "id")
    features(shrike, "all.sql", "wanted.jsonl", "b.jsonl", "--keep", "id")
    a, b = (folder / "a.jsonl").read_text(), (folder / "b.jsonl").read_text()
    assert a == b
    left_out = 3000 - len(b.splitlines())
    assert 1000 < left_out < 2900
    assert f"{left_out} of 3000 events left out by the plan's WHERE" in result.stderr
    result = features(shrike, "plan.sql", "events.jsonl", "a.parquet", "--json", "--verify", "duckdb")
    assert json.loads(result.stdout)["filtered"] == left_out
    assert "0 mismatches" in result.stderr


def test_where_that_leaves_out_all(shrike, folder):
    (folder / "none.sql").write_text(TABLE + SELECT.format(where="WHERE amount < 0"))
    features(shrike, "none.sql", "events.jsonl", "none.jsonl")
    assert (folder / "none.jsonl").read_text() == ""


def test_run_and_score_say_filtered(shrike, folder):
    train(shrike, "plan.sql", "events.jsonl")
    features(shrike, "plan.sql", "events.jsonl", "features.jsonl")
    result = shrike("run", "models:/m/1", "--source", "events.jsonl", "--sink", "-", "--lateness", "1min",
                    "--batch", "7", check=True)
    shrike("score", "models:/m/1", "--in", "events.jsonl", "--out", "scores.csv", "--lateness", "1min",
           "--explain", "2", check=True)
    events = lines(folder / "events.jsonl")
    decided = [json.loads(line) for line in result.stdout.splitlines()]
    with open(folder / "scores.csv", newline="", encoding="utf-8") as file:
        scored = list(csv.DictReader(file))
    assert len(decided) == len(scored) == len(events)
    for event, row, line in zip(events, decided, scored):
        assert row["id"] == int(line["id"]) == event["id"]
        assert (row["decision"] == "filtered") == (not is_wanted(event))
        assert line["decision"] == row["decision"]
        if is_wanted(event):
            assert abs(float(line["score"]) - row["score"]) < 1e-7
            assert line["reason_1"] != "filtered"
            continue
        assert row["score"] is None and row["reasons"] == [{"reason": "filtered"}]
        assert set(row["features"].values()) == {None}
        assert (line["score"], line["reason_1"], line["contribution_1"]) == ("", "filtered", "")
        assert line["reason_2"] == ""
    judged = [row["features"] for row in decided if row["decision"] != "filtered"]
    assert judged == lines(folder / "features.jsonl")
    wanted = len(lines(folder / "wanted.jsonl"))
    assert f"{wanted} events scored, 0 set aside" in result.stderr
    assert f"{3000 - wanted} of 3000 events left out by the plan's WHERE" in result.stderr
    result = shrike("score", "models:/m/1", "--in", "events.jsonl", "--out", "scores.csv", "--json",
                    check=True)
    summary = json.loads(result.stdout)
    assert summary["filtered"] == 3000 - wanted
    assert summary["approve"] + summary["review"] + summary["decline"] == wanted


def test_training_and_evaluation_leave_them_out(shrike, folder):
    with_where = json.loads(train(shrike, "plan.sql", "events.jsonl").stdout)
    without = json.loads(train(shrike, "all.sql", "wanted.jsonl", "other").stdout)
    assert with_where["metrics"] == without["metrics"]
    wanted = len(lines(folder / "wanted.jsonl"))
    assert with_where["training"]["data"]["rows"] == 3000
    assert with_where["training"]["data"]["rows_filtered"] == 3000 - wanted
    assert without["training"]["data"]["rows_filtered"] == 0
    options = ["--test", "2024-03-01..2024-03-02", "--json"]
    evaluate = ["evaluate", "models:/m/1", "--in", "events.jsonl", *options]
    one = json.loads(shrike(*evaluate, check=True).stdout)
    other = json.loads(shrike("evaluate", "models:/other/1", "--in", "wanted.jsonl", *options,
                              check=True).stdout)
    assert one["data"]["rows_filtered"] == 3000 - wanted
    assert one["metrics"] == other["metrics"]
    text = shrike(*evaluate[:-1], check=True).stdout
    assert f"{3000 - wanted:,} of 3,000 rows in the files left out by the plan's WHERE" in text
