"""What docs/plans.md says of plans is so: its example compiles, and so does every function that it names."""

import re

import pytest

TABLE = "CREATE TABLE t (ts TIMESTAMP, k BIGINT, x DOUBLE, s VARCHAR);\n"


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs/plans.md").read_text()


def row(page, kind):
    """The names in one row of the page's table."""
    return re.search(rf"^\| {kind} \| (.*) \|$", page, re.M).group(1).split(", ")


def compiled(shrike, tmp_path, sql):
    (tmp_path / "plan.sql").write_text(sql)
    return shrike("plan", "check", tmp_path / "plan.sql")


def test_the_examples_compile(shrike, tmp_path, page):
    whole, *selects = re.findall(r"```sql\n(.*?)```", page, re.S)
    result = compiled(shrike, tmp_path, whole)
    assert result.returncode == 0, result.stderr
    assert "shop_risk" in result.stdout
    assert len(selects) >= 2
    for select in selects:
        result = compiled(shrike, tmp_path, whole[: whole.index("SELECT")] + select)
        assert result.returncode == 0, result.stderr


def test_every_function_is_there(shrike, tmp_path, page):
    two = {"pow": "x, x", "atan2": "x, x", "nextafter": "x, x", "gcd": "k, k", "lcm": "k, k", "xor": "k, k"}
    texts = {"substring": "s, 1, k", "left": "s, k", "right": "s, k", "replace": "s, 'a', s",
            "concat": "s, k", "concat_ws": "s, s, k",
             "contains": "s, s", "starts_with": "s, s", "ends_with": "s, s", "instr": "s, 'a'",
             "split_part": "s, ',', 2",
             "lpad": "s, 3, 'x'", "rpad": "s, 3, 'x'", "repeat": "s, k"}
    calls = [f"{name}({two.get(name, 'x')})" for name in row(page, "functions of DOUBLE")]
    calls += [f"{name}({two.get(name, 'k')})" for name in row(page, "functions of integers")]
    calls += [f"{name}({texts.get(name, 's')})" for name in row(page, "strings")]
    calls += [f"{name}(ts)" for name in row(page, "time") if not name.startswith("date_")]
    calls += ["date_part('hour', ts)", "date_trunc('hour', ts)", "date_trunc('day', ts)",
            "date_diff('day', ts, ts)",
              "date_sub('week', ts, ts)", "hash(s, k)", "ts + INTERVAL 1 MONTH", "ts - to_days(k::INTEGER)",
              "ts - ts > INTERVAL 1 HOUR", "epoch(ts - ts)", "s LIKE '%a'", "s[2]", "k::VARCHAR",
              "TRY_CAST(s AS DATE)"]
    calls += ["CASE WHEN k IN (1, 2) THEN abs(k) ELSE k % 3 END", "coalesce(nullif(x, 0), greatest(x, 1))"]
    assert len(calls) > 100
    features = ", ".join(f"{call} AS f{i}" for i, call in enumerate(calls))
    result = compiled(shrike, tmp_path, f"{TABLE}SELECT {features} FROM t")
    assert result.returncode == 0, result.stderr


def test_every_kernel_is_named(root, page):
    """The other way round: what the tables of functions have, the page says."""
    tables = "".join(path.read_text() for path in sorted((root / "src/feature").glob("kernels_*.c")))
    names = set(re.findall(r'^    \{"([a-z_0-9]+)", "', tables, re.M))
    assert len(names) > 120
    inner = {"like_escape", "ilike_escape", "not_like_escape", "not_ilike_escape", "normalized_interval"}
    words = set(re.findall(r"[a-z_0-9]+", page.lower()))
    assert sorted(names - inner - words) == []


def test_every_call_over_a_window_is_there(shrike, tmp_path, page):
    rows = re.findall(r"^\| (.*\)) \| .* \|$", page.split("## Windows")[1].split("\n\n")[1], re.M)
    calls = re.findall(r"\w+\((?:[^()]|\([^()]*\))*\)", ", ".join(rows))
    assert len(calls) > 20 and "lag(x, n, d)" in calls and "count(DISTINCT x)" in calls
    features = []
    for frame in ["", "RANGE INTERVAL 1 DAY PRECEDING", "ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING",
                  "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW"]:
        for call in calls:
            call = call.replace("n, d", "2, 0").replace(", n)", ", 2)").replace("(b)", "(x > 1)")
            features.append(f"{call} OVER (PARTITION BY k ORDER BY ts {frame}) AS f{len(features)}")
    result = compiled(shrike, tmp_path, f"{TABLE}SELECT {', '.join(features)} FROM t")
    assert result.returncode == 0, result.stderr


REFUSED = ["random() + x", "now() > ts", "count(*) OVER (PARTITION BY k)", "lead(x) OVER w", "ts - ts",
           "median(x) OVER w", "sum(DISTINCT x) OVER w", "avg(ts) OVER w",
           "date_sub('day', ts::TIMESTAMPTZ, ts::TIMESTAMPTZ)", "s::TIMESTAMPTZ"]


@pytest.mark.parametrize("call", REFUSED)
def test_what_it_refuses_is_refused(shrike, tmp_path, call):
    window = "WINDOW w AS (PARTITION BY k ORDER BY ts)"
    result = compiled(shrike, tmp_path, f"{TABLE}SELECT {call} AS f FROM t {window}")
    assert result.returncode == 4, result.stdout + result.stderr
