"""--memory: windows that would take more end the command with an error, and nothing is left half done."""

import json

import pytest

PLAN = """
CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card BIGINT, amount DOUBLE, y TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 hour';
SELECT amount, count(*) OVER (PARTITION BY card ORDER BY ts
                              RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW) AS n
FROM tx;
"""
EVENTS = 40_000  # some batches: the limit is looked at before each of up to 16384 events
LIMIT = 8  # the exit status of CODE_LIMIT


@pytest.fixture
def folder(shrike, tmp_path):
    """Events each of a card of its own, so that the windows only grow, and a model."""
    rows = [{"id": i, "ts": f"2024-03-01T{i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}", "card": i,
             "amount": i % 100, "y": int(i % 7 == 0)} for i in range(EVENTS)]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "plan.sql").write_text(PLAN)
    shrike(*TRAIN, check=True)
    return tmp_path


TRAIN = ["train", "--name", "m", "--plan", "plan.sql", "--in", "events.jsonl",
         "--train", "2024-03-01..2024-03-02", "--rounds", "2", "--threads", "1"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("verb", [
    ["features", "plan.sql", "--in", "events.jsonl", "--out", "out.parquet"],
    ["score", "models:/m/1", "--in", "events.jsonl", "--out", "out.csv"],
    ["run", "models:/m/1", "--source", "events.jsonl", "--sink", "out.jsonl"],
    TRAIN,
    ["evaluate", "models:/m/1", "--in", "events.jsonl", "--test", "2024-03-01..2024-03-02"],
], ids=lambda verb: verb[0])
def test_the_limit_is_an_error_and_leaves_no_file(shrike, folder, verb):
    before, models = names(folder), shrike("models", "list", check=True).stdout
    result = shrike(*verb, "--memory", "1MiB", "--quiet")
    assert result.returncode == LIMIT
    assert "more than the memory limit of 1 MiB" in result.stderr
    assert "raise the limit (--memory)" in result.stderr
    assert names(folder) == before
    assert shrike("models", "list", check=True).stdout == models


def test_run_has_answered_all_before(shrike, folder):
    whole = shrike("run", "models:/m/1", "--source", "-", "--sink", "-", "--memory", "0",
                   input=(folder / "events.jsonl").read_text(), check=True)
    result = shrike("run", "models:/m/1", "--source", "-", "--sink", "-", "--memory", "1MiB", "--batch", "1",
                    "--threads", "1", input=(folder / "events.jsonl").read_text())
    assert result.returncode == LIMIT
    answered = result.stdout.splitlines()
    assert 1000 < len(answered) < EVENTS
    assert answered == whole.stdout.splitlines()[:len(answered)]
    assert f"after {len(answered)} events the windows take" in result.stderr
    assert f"{len(answered)} events scored" in result.stderr
    assert f"{len(answered)} entities hold {len(answered)} events" in result.stderr


def test_rows_that_training_keeps_count(shrike, folder):
    """The windows alone have room enough here: one card has them all."""
    lines = (folder / "events.jsonl").read_text().splitlines()
    (folder / "events.jsonl").write_text(
        "".join(json.dumps(json.loads(line) | {"card": 1}) + "\n" for line in lines))
    shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "out.csv", "--memory", "1100KiB",
           check=True)
    result = shrike(*TRAIN, "--memory", "1100KiB")
    assert result.returncode == LIMIT
    assert "windows and 32768 rows of 2 features take" in result.stderr
    assert "choose a shorter span" in result.stderr


def test_zero_and_much_are_enough(shrike, folder):
    for size in ("0", "1GiB"):
        shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "out.jsonl", "--memory", size,
               check=True)
    (folder / "shrike.yaml").write_text("memory: 1MiB\n")
    assert shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "out.jsonl").returncode == LIMIT
    assert shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "out.jsonl",
                  env={"SHRIKE_MEMORY": "1GiB"}).returncode == 0
    result = shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "out.jsonl",
                    "--memory", "64 apples")
    assert result.returncode == 2


def test_the_summary_says_what_windows_take(shrike, folder):
    result = shrike("score", "models:/m/1", "--in", "events.jsonl", "--out", "out.csv", "--json", check=True)
    summary = json.loads(result.stdout)
    assert summary["entities"] == summary["retained_events"] == EVENTS
    assert summary["state_bytes"] > 1 << 20
    result = shrike("features", "plan.sql", "--in", "events.jsonl", "--out", "out.csv", check=True)
    assert f"{EVENTS} entities hold {EVENTS} events in " in result.stderr
