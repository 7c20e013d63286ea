"""The handbook's plans: DuckDB makes the same of the same SQL, no label is seen early, figures are kept."""

import json
import re
import subprocess

import pytest

from surroundings import ROOT, clean_environment

duckdb = pytest.importorskip("duckdb", reason="DuckDB is the oracle of the plans")

PLANS = sorted(path.name for path in (ROOT / "examples/handbook").glob("*.sql") if path.name != "rules.sql")
TWO_MONTHS = "ts < TIMESTAMP '2018-06-01'"


def payments_of(data):
    path = data / "data/handbook/transactions.parquet"
    if not path.exists():
        pytest.skip(f"the published payments are absent: no {path}")
    return path


def without_ties(source, where, path):
    """The payments that share their time with none of their customer or terminal: SQL shows both to both."""
    duckdb.sql(f"""
        COPY (SELECT tx_id, ts, customer_id, terminal_id, amount, is_fraud FROM '{source}' WHERE {where}
              QUALIFY count(*) OVER (PARTITION BY customer_id, ts) = 1
                  AND count(*) OVER (PARTITION BY terminal_id, ts) = 1
              ORDER BY ts, tx_id) TO '{path}' (FORMAT parquet)""")
    return path


@pytest.fixture(scope="module")
def generated(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    made = folder / "all.parquet"
    run = [binary, "generate", "--customers", "300", "--terminals", "150", "--days", "70", "--seed", "5"]
    subprocess.run([*run, "--out", made], check=True, capture_output=True, env=clean_environment())
    return without_ties(made, "true", folder / "payments.parquet")


@pytest.fixture
def payments(request, tmp_path, generated):
    if request.param == "generated":
        return generated
    source = payments_of(request.getfixturevalue("data"))
    return without_ties(source, f"customer_id % 4 = 0 AND {TWO_MONTHS}", tmp_path / "payments.parquet")


def by_duckdb(plan, payments):
    """A table of the plan's features, and tx_id, as DuckDB computes them from the plan's own text."""
    text, selects = re.subn(r"^SELECT$", "SELECT tx_id,", plan.read_text(), flags=re.M)
    assert selects == 1, "the plan's outer SELECT stands on a line of its own"
    connection = duckdb.connect()
    *before, select = connection.extract_statements(text)
    for statement in before:
        connection.execute(statement)
    connection.execute(f"INSERT INTO transactions BY NAME FROM '{payments}'")
    connection.execute(f"CREATE TABLE theirs AS {select.query}")
    return connection


@pytest.mark.parametrize("payments", ["generated", "published"], indirect=True)
@pytest.mark.parametrize("name", PLANS)
def test_duckdb_computes_the_same_of_the_same_sql(shrike, root, tmp_path, name, payments):
    plan, out = root / "examples/handbook" / name, tmp_path / "features.parquet"
    shrike("features", plan, "--in", payments, "--keep", "tx_id", "--out", out, check=True)
    connection = by_duckdb(plan, payments)
    columns = [column for column, *_ in connection.execute("DESCRIBE theirs").fetchall() if column != "tx_id"]
    assert len(columns) > 10
    differ, seen = [], []
    for column in columns:
        ours, theirs = f"o.{column}::DOUBLE", f"t.{column}::DOUBLE"
        near = f"abs({ours} - {theirs}) <= 1e-9 * greatest(1, abs({theirs}))"
        same = f"({ours} IS NULL AND {theirs} IS NULL) OR coalesce({near}, false)"
        differ.append(f"count(*) FILTER (NOT ({same}))")
        seen.append(f"count(DISTINCT t.{column})")
    query = f"SELECT count(*), {{}} FROM theirs t JOIN '{out}' o USING (tx_id)"
    rows, *differ = connection.execute(query.format(", ".join(differ))).fetchone()
    assert rows == duckdb.sql(f"SELECT count(*) FROM '{payments}'").fetchone()[0] > 20000
    assert {column: count for column, count in zip(columns, differ) if count} == {}
    # A column that never changes would agree for nothing.
    assert min(connection.execute(query.format(", ".join(seen))).fetchone()[1:]) > 1


@pytest.mark.parametrize("name", PLANS)
def test_no_feature_sees_a_label_of_the_last_seven_days(shrike, root, tmp_path, generated, name):
    """Every label of the file's last seven days said the other way round moves nothing; those before do."""
    last = duckdb.sql(f"SELECT max(ts) FROM '{generated}'").fetchone()[0]

    def features(flipped):
        events = tmp_path / "events.parquet"
        duckdb.sql(f"""
            COPY (SELECT * REPLACE (if({flipped}, 1 - is_fraud, is_fraud)::TINYINT AS is_fraud)
                  FROM '{generated}' ORDER BY ts, tx_id) TO '{events}' (FORMAT parquet)""")
        shrike("features", root / "examples/handbook" / name, "--in", events, "--out", tmp_path / "f.jsonl",
               check=True)
        return (tmp_path / "f.jsonl").read_bytes()

    known = f"ts <= TIMESTAMP '{last}' - INTERVAL 7 DAY"
    assert features("false") == features(f"NOT ({known})")
    assert features("false") != features(known)


def test_the_second_plan_beats_every_published_figure(binary, root, data, tmp_path):
    """On the test week, and as the mean over the four weeks of which the tuned models' figures are means."""
    payments_of(data)
    environment = clean_environment({"SHRIKE": str(binary), "SHRIKE_DATA": str(data)})
    run = [root / "examples/handbook/strong.sh", tmp_path]
    result = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    names = ("strong", "2018-08-15", "2018-08-22", "2018-08-29")
    answers = [json.loads((tmp_path / f"strong/{name}.json").read_text()) for name in names]
    assert (answers[0]["rows"], answers[0]["frauds"]) == (58264, 385)
    assert answers[0]["model"]["training"] == "2018-07-04..2018-08-01"
    assert answers[3]["protocol"]["test_to"].startswith("2018-09-05")
    metrics = ("auc", "average_precision", "precision_at_k")
    week, *_ = figures = [[answer["metrics"][name] for name in metrics] for answer in answers]
    means = [sum(column) / 4 for column in zip(*figures)]
    # The best published of the week: 0.871, 0.658, 0.291; of the four weeks: 0.879, 0.694, 0.305.
    assert all(figure >= floor for figure, floor in zip(week, (0.890, 0.730, 0.300))), week
    assert all(figure >= floor for figure, floor in zip(means, (0.880, 0.730, 0.305))), means
    for line, printed in (("the test week", week), ("mean of the four weeks", means)):
        columns = re.search(rf"^second plan, {line} +(\S+) +(\S+) +(\S+)$", result.stdout, re.M).groups()
        assert columns == tuple(f"{figure:.3f}" for figure in printed)
