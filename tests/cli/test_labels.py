"""--labels: labels from a file of their own, each known from when it arrived."""

import json
import random

import pytest

PLAN = """CREATE TABLE tx (id VARCHAR PRIMARY KEY, ts TIMESTAMP, shop INTEGER, amount INTEGER,
                 is_fraud TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.is_fraud IS 'shrike: label, late after=1 hour';
SELECT amount,
       coalesce(sum(is_fraud) OVER (PARTITION BY shop ORDER BY ts
           RANGE BETWEEN INTERVAL 4 HOUR PRECEDING AND INTERVAL 1 HOUR PRECEDING), -1) AS frauds,
       count(*) FILTER (WHERE is_fraud = 1) OVER (ORDER BY ts
           RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 HOUR PRECEDING) AS ever
FROM tx"""
HOUR = 60


def time(minute):
    return f"2024-03-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00"


def make(rows=3000, seed=1):
    """Events by minute, and labels (id, value, minute): some late, some corrected, some of no event."""
    dice = random.Random(seed)
    minute, events, labels = 0, [], []
    for i in range(rows):
        minute += dice.choice([0, 0, 1, 3])
        events.append({"id": f"tx-{i}", "minute": minute, "shop": dice.randrange(3),
                       "amount": dice.randrange(50)})
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            labels.append((f"tx-{i}", dice.randrange(2), minute + dice.choice([0, 5, 50, 70, 200, 5000])))
    labels += [(f"nobody-{i}", 1, 7) for i in range(5)]
    dice.shuffle(labels)
    return events, labels


def expect(events, labels):
    """The definition: of each event the label with the highest time that has arrived before it."""
    order = sorted(range(len(labels)), key=lambda i: (labels[i][2], i))
    position = {event["id"]: i for i, event in enumerate(events)}
    due, at = {}, 0
    for i in order:
        event, value, minute = labels[i]
        if event in position:
            behind = range(position[event] + 1, len(events))
            first = next((n for n in behind if events[n]["minute"] >= minute), None)
            due.setdefault(first, []).append((event, value))
    known, out = {}, []
    for at, event in enumerate(events):
        known.update(due.get(at, []))
        frauds, ever = None, 0
        for other in events[:at]:
            age, fraud = event["minute"] - other["minute"], known.get(other["id"], 0)
            if age < HOUR:
                break
            ever += fraud
            if age <= 4 * HOUR and other["shop"] == event["shop"]:
                frauds = (frauds or 0) + fraud
        out.append({"amount": event["amount"], "frauds": -1 if frauds is None else frauds, "ever": ever})
    return out


@pytest.fixture(scope="module")
def truth():
    events, labels = make()
    return events, labels, expect(events, labels)


def write(folder, events, labels, lie=1):
    """Events say of themselves what is never to be looked at."""
    with open(folder / "events.jsonl", "w", encoding="utf-8") as file:
        for event in events:
            row = event | {"ts": time(event["minute"]), "is_fraud": lie}
            file.write(json.dumps(row) + "\n")
    with open(folder / "labels.csv", "w", encoding="utf-8") as file:
        file.write("id,noise,is_fraud,label_time\n")
        file.writelines(f"{event},x,{value},{time(minute)}\n" for event, value, minute in labels)
    (folder / "plan.sql").write_text(PLAN)


def features(shrike, *options, check=True):
    result = shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "out.jsonl", *options)
    assert result.returncode == 0 or not check, result.stderr
    return result


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("threads", [1, 3])
def test_each_label_counts_from_its_arrival(shrike, tmp_path, truth, threads):
    events, labels, expected = truth
    write(tmp_path, events, labels)
    result = features(shrike, "--labels", "labels.csv", "--json", "--threads", str(threads))
    assert rows_of(tmp_path / "out.jsonl") == expected
    counts = json.loads(result.stdout)["labels"]
    last = events[-1]["minute"]
    assert counts["rows"] == len(labels) and counts["unknown"] == 5 and counts["outside"] == 0
    assert counts["pending"] == sum(minute > last and event[0] == "t" for event, _, minute in labels)
    assert counts["told"] == len(labels) - 5 - counts["pending"] or counts["told"] < len(labels) - 5


def test_formats_and_the_time_column(shrike, tmp_path, truth):
    events, labels, expected = truth
    write(tmp_path, events, labels)
    with open(tmp_path / "labels.jsonl", "w", encoding="utf-8") as file:
        for event, value, minute in labels:
            file.write(json.dumps({"seen": time(minute), "is_fraud": value, "id": event}) + "\n")
    features(shrike, "--labels", "labels.jsonl", "--label-time", "seen")
    assert rows_of(tmp_path / "out.jsonl") == expected


def test_rows_that_where_leaves_out(shrike, tmp_path, truth):
    events, labels, _ = truth
    write(tmp_path, events, labels)
    (tmp_path / "plan.sql").write_text(PLAN + " WHERE amount > 9")
    result = features(shrike, "--labels", "labels.csv", "--json")
    kept = [event for event in events if event["amount"] > 9]
    rows = rows_of(tmp_path / "out.jsonl")
    assert [row["amount"] for row in rows] == [event["amount"] for event in kept]
    assert json.loads(result.stdout)["labels"]["outside"] > 0
    assert max(row["ever"] for row in rows) <= sum(
        any(value for other, value, _ in labels if other == event["id"]) for event in kept)


def test_what_is_refused(shrike, tmp_path, truth):
    events, labels, _ = truth
    write(tmp_path, events[:20], labels[:20])
    cases = [
        (PLAN.replace(" PRIMARY KEY", ""), "id,is_fraud,label_time\na,1,2024-03-01",
         "declare the id of tx as PRIMARY KEY"),
        (PLAN, "id,is_fraud,when\na,1,2024-03-01", "label_time"),
        (PLAN, "id,fraud,label_time\na,1,2024-03-01", "none of the plan's late columns (is_fraud)"),
        (PLAN, "id,is_fraud,label_time\na,1,", "row 1: label_time is NULL"),
        (PLAN.replace("count(*) FILTER (WHERE is_fraud = 1)", "max(is_fraud)"),
         "id,is_fraud,label_time\na,1,2024-03-01",
         "min, max, first and last of is_fraud cannot follow labels in a frame without a start"),
    ]
    for plan, file, words in cases:
        (tmp_path / "plan.sql").write_text(plan)
        (tmp_path / "bad.csv").write_text(file + "\n")
        result = features(shrike, "--labels", "bad.csv", check=False)
        assert result.returncode != 0 and words in result.stderr, (words, result.stderr)
        assert not (tmp_path / "out.jsonl").exists()
    (tmp_path / "plan.sql").write_text(PLAN)
    result = features(shrike, "--labels", "labels.csv", "--verify", "duckdb", check=False)
    assert result.returncode == 2 and "--verify knows no --labels" in result.stderr
    write(tmp_path, events[:20] + events[:20], [("tx-3", 1, 1)])
    result = features(shrike, "--labels", "labels.csv", check=False)
    assert result.returncode == 6
    assert "row 24: its id has labels and was there before, in row 4" in result.stderr


def test_training_learns_from_what_was_known(shrike, tmp_path):
    """The amount says everything of the labels that came at once, nothing of those that came later."""
    events = [{"id": f"tx-{i}", "minute": i, "shop": i % 3, "amount": i % 40} for i in range(4000)]
    at_once = [(event["id"], int(event["amount"] < 8), event["minute"] + 5) for event in events]
    later = [(event["id"], int(event["amount"] >= 30), 9000) for event in events]
    write(tmp_path, events, at_once + later)
    train = ["train", "--name", "m", "--plan", "plan.sql", "--in", "events.jsonl", "--split", "stratified",
             "--json", "--rounds", "3", "--labels", "labels.csv"]
    answers = {}
    for until in ([], ["--labels-until", time(8000)]):
        result = shrike(*train, *until)
        assert result.returncode == 0, result.stderr
        answers[bool(until)] = json.loads(result.stdout)
    assert answers[False]["training"]["labels"] == answers[True]["training"]["labels"] == "as they arrived"
    assert "labels_until" not in answers[False]["training"]
    assert answers[True]["training"]["labels_until"].startswith("2024-03-06")
    frauds = {key: answer["metrics"]["train"]["frauds"] for key, answer in answers.items()}
    assert frauds == {False: round(4000 * 0.25 * 0.8), True: round(4000 * 0.2 * 0.8)}
    result = shrike("evaluate", "models:/m/1", "--in", "events.jsonl", "--test", "2024-03-01..2024-03-03",
                    "--labels", "labels.csv", "--json", check=True)
    answer = json.loads(result.stdout)
    assert answer["protocol"]["labels"] == "as they arrived"
    assert answer["frauds"] == sum(event["amount"] >= 30 for event in events[:2880])
    result = shrike(*train, "--labels-until", time(3))  # before the first label arrives
    assert result.returncode == 3 and "there are 0 with fraud" in result.stderr
    result = shrike(*train[:-2], "--labels-until", time(3))
    assert result.returncode == 2 and "--labels-until says which of --labels count" in result.stderr
