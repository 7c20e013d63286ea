"""shrike plan check: every error at once, for people and for programs."""

import json

PLAN = """CREATE TABLE t (ts TIMESTAMP, k BIGINT, x DOUBLE, y TINYINT DEFAULT 0);
COMMENT ON COLUMN t.y IS 'shrike: label, late after=7 days';
SELECT xx AS a,
  y AS b,
  x AS c,
  median(x) OVER (PARTITION BY k ORDER BY ts) AS d
FROM t"""


def check(shrike, tmp_path, plan, *options):
    (tmp_path / "plan.sql").write_text(plan)
    return shrike("plan", "check", "plan.sql", *options)


def test_all_errors_are_shown(shrike, tmp_path):
    result = check(shrike, tmp_path, PLAN)
    lines = result.stderr.splitlines()
    assert result.returncode == 3 and result.stdout == ""
    assert len(lines) == 4
    assert lines[0].startswith('shrike: plan.sql:3:8: Referenced column "xx"')
    assert lines[1].startswith("shrike: plan.sql:4:3: leakage: feature b uses the late column y of the event")
    assert lines[2].startswith("shrike: plan.sql:6:3: median: write avg")
    assert lines[3] == "shrike: plan.sql: 3 errors"


def test_one_error_is_one_line(shrike, tmp_path):
    result = check(shrike, tmp_path, PLAN.replace("xx", "x").replace("y AS b", "x AS b"))
    assert result.returncode == 4
    assert result.stderr.startswith("shrike: plan.sql:6:3: median") and result.stderr.count("\n") == 1


def test_errors_as_json(shrike, tmp_path):
    result = check(shrike, tmp_path, PLAN, "--json")
    errors = json.loads(result.stdout)["errors"]
    assert result.returncode == 3
    assert [(e["code"], e["file"], e["line"], e["column"]) for e in errors] == [
        ("invalid", "plan.sql", 3, 8), ("invalid", "plan.sql", 4, 3), ("unsupported", "plan.sql", 6, 3)]
    assert json.loads(result.stderr)["error"]["message"] == errors[0]["message"]


def test_a_good_plan_has_no_errors(shrike, tmp_path):
    result = check(shrike, tmp_path, PLAN.split("SELECT")[0] + "SELECT x FROM t", "--json")
    assert result.returncode == 0, result.stderr
    assert "errors" not in json.loads(result.stdout)
