"""`features` of several plans at once: each plan's own, from windows that they share."""

import json

import pytest

TABLE = "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, amount DOUBLE);\n"
WINDOW = "(PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW)"
FIRST = TABLE + f"SELECT amount, count(*) OVER {WINDOW} AS n, sum(amount) OVER {WINDOW} AS total FROM tx"
SECOND = (TABLE + f"SELECT id, sum(amount) OVER {WINDOW} / 2 AS total, max(amount) OVER {WINDOW} AS most "
          "FROM tx")


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": i, "ts": f"2024-03-01T{i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}", "card": i * i % 700,
             "amount": i % 97 / 8} for i in range(20_000)]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.sql").write_text(FIRST)
    (tmp_path / "b.sql").write_text(SECOND)
    return tmp_path


def features(shrike, *plans, options=()):
    return shrike("features", *plans, "--in", "events.jsonl", "--out", "out.jsonl", "--json", *options)


def test_two_plans_give_what_each_gives(shrike, folder):
    rows, bytes_of = {}, {}
    for plans in (["a.sql"], ["b.sql"], ["a.sql", "b.sql"], ["a.sql", "a.sql"]):
        result = features(shrike, *plans, options=["--threads", "1"])
        assert result.returncode == 0, result.stderr
        name = " ".join(plans)
        rows[name] = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
        bytes_of[name] = json.loads(result.stdout)["state_bytes"]
    for a, b, both in zip(rows["a.sql"], rows["b.sql"], rows["a.sql b.sql"], strict=True):
        # A name that is taken gets the number of its plan in front.
        assert both == a | {"id": b["id"], "plan2_total": b["total"], "most": b["most"]}
    assert list(rows["a.sql b.sql"][0]) == ["amount", "n", "total", "id", "plan2_total", "most"]
    assert bytes_of["a.sql a.sql"] == bytes_of["a.sql"]
    assert bytes_of["a.sql b.sql"] < 1.2 * max(bytes_of["a.sql"], bytes_of["b.sql"])


def test_what_does_not_go_together(shrike, folder):
    (folder / "c.sql").write_text("CREATE TABLE tx (ts TIMESTAMP, shop INTEGER); SELECT shop FROM tx")
    result = features(shrike, "a.sql", "c.sql")
    assert result.returncode == 6
    assert "c.sql: the table tx has no column shop in a.sql" in result.stderr
    (folder / "d.sql").write_text(FIRST + " WHERE amount > 1")
    result = features(shrike, "a.sql", "d.sql")
    assert result.returncode == 6
    assert "d.sql: the WHERE is not that of a.sql" in result.stderr
    assert features(shrike, "a.sql", "absent.sql").returncode == 5
    result = features(shrike, "a.sql", "b.sql", options=["--verify", "duckdb"])
    assert result.returncode == 2
    assert "--verify takes one plan at a time" in result.stderr
    assert not (folder / "out.jsonl").exists()
