"""Reasons for people: texts per feature, kept with the version and shown with each reason of a score."""

import json

import pytest

USAGE, INVALID, CORRUPT = 2, 3, 7
PLAN = """CREATE TABLE tx (
    id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, amount DOUBLE, kind ENUM('chip', 'web'),
    price DECIMAL(9,2), y TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 day';
SELECT amount, kind, price, amount > 50 AS large,
       count(*) OVER (PARTITION BY card ORDER BY ts
                      RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n
FROM tx
"""
REASONS = """
reasons:
  n: "{value} payments by this card in 1 hour"
  amount: "{value:.1} is {value:.0%} of {{one}}, exactly {value}"
  kind: "paid by {value}"
  large: "large: {value}"
"""
EXPECTED = {
    "n": lambda v: f"{v} payments by this card in 1 hour",
    "amount": lambda v: "unknown is unknown of {one}, exactly unknown" if v is None else
    f"{v:.1f} is {100 * v:.0f}% of {{one}}, exactly {int(v) if v == int(v) else v}",
    "kind": lambda v: f"paid by {v}",
    "large": lambda v: "large: " + ("unknown" if v is None else str(v).lower()),
}


@pytest.fixture
def project(shrike, tmp_path):
    rows = [{"id": i, "ts": f"2024-03-01T{i // 60:02}:{i % 60:02}:00", "card": i * i % 5,
             "amount": None if i % 50 == 3 else i * 37 % 100 / 4, "kind": ["chip", "web"][i * 5 % 7 % 2],
             "price": i % 13 + 0.25, "y": int((i * 37 % 100 > 60) != (i % 5 == 0))} for i in range(600)]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "features.sql").write_text(PLAN)
    (tmp_path / "shrike.yaml").write_text(REASONS)
    return tmp_path


def train(shrike, *arguments, **options):
    return shrike("train", "--name", "m", "--in", "events.jsonl", "--train", "2024-03-01..2024-03-02",
                  "--delay", "0", "--rounds", "5", *arguments, **options)


def run(shrike, sink, reasons):
    shrike("run", "models:/m/1", "--source", "events.jsonl", "--sink", sink, "--explain", reasons, check=True)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_texts_stand_beside_the_reasons(shrike, project):
    train(shrike, check=True)
    run(shrike, "out.jsonl", 5)
    seen = set()
    for row in lines(project / "out.jsonl"):
        assert row["reasons"]
        for reason in row["reasons"]:
            seen.add((reason["feature"], reason["value"] is None))
            expected = EXPECTED.get(reason["feature"])
            assert reason.get("text") == (expected(reason["value"]) if expected else None)
    assert {("n", False), ("amount", False), ("amount", True), ("price", False)} <= seen


def test_score_has_a_column_of_texts(shrike, project):
    train(shrike, check=True)
    shrike("score", "models:/m/1", "--in", "events.jsonl", "--out", "out.jsonl", "--explain", "2", check=True)
    run(shrike, "run.jsonl", 2)
    for scored, ran in zip(lines(project / "out.jsonl"), lines(project / "run.jsonl")):
        texts = [reason.get("text") for reason in ran["reasons"]]
        assert [scored[f"reason_text_{i + 1}"] for i in range(len(texts))] == texts


def test_without_texts_there_is_no_column(shrike, project):
    (project / "shrike.yaml").unlink()
    train(shrike, check=True)
    shrike("score", "models:/m/1", "--in", "events.jsonl", "--out", "out.jsonl", "--explain", "2", check=True)
    assert "reason_1" in lines(project / "out.jsonl")[0]
    assert "reason_text_1" not in lines(project / "out.jsonl")[0]


def test_they_are_part_of_the_version(shrike, project):
    train(shrike, check=True)
    (project / "shrike.yaml").unlink()
    shown = json.loads(shrike("models", "show", "models:/m/1", "--json", check=True).stdout)
    assert shown["reasons"]["n"] == "{value} payments by this card in 1 hour"
    assert "kind                           paid by {value}" in shrike("models", "show", "models:/m/1").stdout
    run(shrike, "out.jsonl", 3)
    assert '"text":' in (project / "out.jsonl").read_text()
    # A version that was not entered by a name is not protected by the registry's sum, but still by the plan.
    manifest = project / "models/m/1/shrike.json"
    manifest.write_text(manifest.read_text().replace('"n": "{value}', '"m": "{value}'))
    assert shrike("run", "models:/m/1", "--source", "events.jsonl", "--sink", "-").returncode == CORRUPT
    result = shrike("run", "models/m/1", "--source", "events.jsonl", "--sink", "-")
    assert result.returncode == INVALID
    assert 'models/m/1: reason of "m": the plan has no such feature' in result.stderr


@pytest.mark.parametrize("reason, status, message", [
    ("x=text", INVALID, 'reason of "x": the plan has no such feature'),
    ("n={count}", INVALID, 'reason of "n": {count} is not a placeholder; expected {value}, {value:.2} '),
    ("n={value:.2f}", INVALID, "{value:.2f} is not a placeholder"),
    ("n={value:.16}", INVALID, "{value:.16} is not a placeholder"),
    ("n=a {value", INVALID, "{value is not a placeholder"),
    ("n=a } b", INVALID, "a } without its other half; }} stands for the brace itself"),
    ("kind={value:.2}", INVALID, "{value:.2} needs a number, and the feature is ENUM('chip', 'web')"),
    ("n=", INVALID, "expected a text of 1 to 1000 bytes, found 0"),
    ("n=" + "x" * 1001, INVALID, "expected a text of 1 to 1000 bytes, found 1001"),
    ("n", USAGE, "--reasons n: expected FEATURE=TEXT"),
])
def test_what_is_wrong_is_said_before_training(shrike, project, reason, status, message):
    result = train(shrike, "--reasons", reason)
    assert result.returncode == status and message in result.stderr
    assert not (project / "models").exists()


def test_a_feature_has_one_text(shrike, project):
    result = train(shrike, "--reasons", "n=once", "n=twice")
    assert result.returncode == INVALID and 'reason of "n": given twice' in result.stderr
