"""shrike train: what is learnt from, what is refused, what is written down."""

import json
import pathlib

import pytest

duckdb = pytest.importorskip("duckdb", reason="the tests' data is made with duckdb")

PLAN = """
CREATE TABLE payments (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, amount DOUBLE, kind VARCHAR,
                       is_fraud TINYINT DEFAULT 0);
COMMENT ON COLUMN payments.is_fraud IS 'shrike: label, late after=3 days';
SELECT amount,
       hour(ts)                        AS hour,
       CASE WHEN hour(ts) < 3 THEN NULL ELSE amount / 2 END AS sometimes,
       count(*)    OVER card_1d        AS card_count_1d,
       avg(amount) OVER card_1d        AS card_mean_1d
FROM payments
WINDOW card_1d AS (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW);
"""
ROWS = 6000  # one every 10 minutes from 2024-01-01 on: 144 a day, almost 42 days
SPANS = ["--train", "2024-01-05..2024-01-20", "--valid", "2024-01-23..2024-02-02"]
TRAIN_ROWS, VALID_ROWS = 15 * 144, 10 * 144


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A folder with features.sql and payments.parquet, in which fraud follows the amount."""
    folder = pathlib.Path(tmp_path_factory.mktemp("project"))
    (folder / "features.sql").write_text(PLAN)
    duckdb.sql(f"""
        COPY (SELECT i AS id, TIMESTAMP '2024-01-01' + INTERVAL (10 * i) MINUTE AS ts,
                     (hash(i) % 50)::INTEGER AS card, a AS amount, 'x' AS kind,
                     (hash(i + 100000) % 1000 < 20 + 5 * a)::TINYINT AS is_fraud
              FROM (SELECT i, ((hash(i + 50000) % 10000) / 100.0)::DOUBLE AS a
                    FROM range({ROWS}) t(i)) ORDER BY i)
        TO '{folder}/payments.parquet' (FORMAT parquet)""")
    return folder


@pytest.fixture
def train(shrike, project, tmp_path):
    """Runs shrike train with the project's files, with --json unless told otherwise, and reads the answer."""

    def run(*arguments, json_output=True, name="cards", plan="features.sql"):
        result = shrike(
            "train",
            "--name",
            name,
            "--plan",
            project / plan,
            "--in",
            project / "payments.parquet",
            "--registry",
            tmp_path / "models",
            "--threads",
            "1",
            *arguments,
            *(["--json"] if json_output else []),
        )
        result.answer = json.loads(result.stdout) if json_output and result.returncode == 0 else None
        return result

    return run


def model_file(result):
    return pathlib.Path(result.answer["directory"]) / "model.json"


def test_version_and_what_is_written_down(train, project):
    result = train(*SPANS, "--rounds", "20", "--param", "max_depth=3", "eta=0.2", "--alias", "champion")
    assert result.returncode == 0, result.stderr
    answer = result.answer
    assert answer["name"] == "cards" and answer["version"] == 1 and answer["alias"] == "champion"
    train_rows, valid_rows = answer["metrics"]["train"], answer["metrics"]["valid"]
    assert train_rows["rows"] == TRAIN_ROWS and valid_rows["rows"] == VALID_ROWS
    frauds = duckdb.sql(f"""SELECT count(*) FROM '{project}/payments.parquet' WHERE is_fraud = 1
                            AND ts >= '2024-01-05' AND ts < '2024-01-20'""").fetchone()[0]
    assert train_rows["frauds"] == frauds
    assert valid_rows["auc"] > 0.65
    training = answer["training"]
    assert training["labels"] == "assumed on time" and training["label_delay"] == "3d"
    assert training["data"]["rows"] == ROWS and len(training["data"]["sha256"]) == 64
    parameters = training["parameters"]
    assert float(parameters["base_score"]) == 0.5 and parameters["tree_method"] == "hist"
    assert (
        parameters["max_depth"] == "3"
        and parameters["seed"] == "42"
        and parameters["num_boost_round"] == 20
    )
    assert [f["feature"] for f in training["importance"]] == [
        "amount",
        "hour",
        "sometimes",
        "card_count_1d",
        "card_mean_1d",
    ]
    manifest = json.loads((pathlib.Path(answer["directory"]) / "shrike.json").read_text())
    text = json.dumps(manifest)
    assert '"quantiles"' in text and '"label_delay"' in text
    model = json.loads(model_file(result).read_text())
    assert len(model["learner"]["gradient_booster"]["model"]["trees"]) == 20


def test_same_seed_same_model(train):
    first = train(*SPANS, "--rounds", "5", "--param", "subsample=0.5")
    second = train(*SPANS, "--rounds", "5", "--param", "subsample=0.5")
    other = train(*SPANS, "--rounds", "5", "--param", "subsample=0.5", "--seed", "7")
    assert second.answer["version"] == 2
    assert model_file(first).read_bytes() == model_file(second).read_bytes()
    assert model_file(first).read_bytes() != model_file(other).read_bytes()


def test_table_for_people(train):
    result = train(*SPANS, "--rounds", "3", "--threshold", "0.25", json_output=False)
    assert result.returncode == 0, result.stderr
    assert "assumed on time, 3d after the event" in result.stdout
    assert "threshold 0.25 (given)" in result.stdout
    assert "models:/cards/1" in result.stdout


def test_early_stopping_keeps_the_best_round(train):
    result = train(*SPANS, "--rounds", "400", "--early-stopping", "5", "--param", "eta=0.5")
    stopping = result.answer["training"]["early_stopping"]
    trees = json.loads(model_file(result).read_text())["learner"]["gradient_booster"]["model"]["trees"]
    assert len(trees) == stopping["best_round"] + 1 < 300
    assert stopping["metric"] == "valid-logloss"
    assert abs(stopping["score"] - result.answer["metrics"]["valid"]["log_loss"]) < 1e-4


def test_stratified_split(train, project):
    result = train("--split", "stratified", "--fraction", "0.75", "--rounds", "3")
    assert result.returncode == 0, result.stderr
    frauds = duckdb.sql(
        f"SELECT count(*) FROM '{project}/payments.parquet' WHERE is_fraud = 1"
    ).fetchone()[0]
    metrics = result.answer["metrics"]
    assert metrics["train"]["rows"] + metrics["valid"]["rows"] == ROWS
    assert abs(metrics["train"]["frauds"] - 0.75 * frauds) <= 0.5
    assert abs(metrics["train"]["rows"] - 0.75 * ROWS) <= 1
    within = train("--split", "stratified", "--train", "2024-01-05..2024-01-20", "--rounds", "3")
    metrics = within.answer["metrics"]
    assert metrics["train"]["rows"] + metrics["valid"]["rows"] == TRAIN_ROWS


def test_sample(train):
    result = train(*SPANS, "--rounds", "3", "--sample", "500")
    assert result.answer["metrics"]["train"]["rows"] == 500
    assert result.answer["metrics"]["valid"]["rows"] == VALID_ROWS


def test_balanced_classes_raise_the_scores(train):
    plain = train(*SPANS, "--rounds", "10")
    balanced = train(*SPANS, "--rounds", "10", "--class-weight", "balanced")
    assert float(balanced.answer["training"]["parameters"]["scale_pos_weight"]) > 1
    assert (
        balanced.answer["metrics"]["threshold"]["value"] > plain.answer["metrics"]["threshold"]["value"]
    )


def test_linear_equals_scikit_learn(train, shrike, project, tmp_path):
    numpy = pytest.importorskip("numpy")
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is the oracle here")
    result = train(*SPANS, "--model", "linear")
    assert result.returncode == 0, result.stderr
    ours = json.loads(model_file(result).read_text())
    assert ours["shrike"] == "linear"
    shrike(
        "features",
        project / "features.sql",
        "--in",
        project / "payments.parquet",
        "--out",
        tmp_path / "features.parquet",
        check=True,
    )
    frame = duckdb.sql(f"""SELECT f.*, p.is_fraud, p.ts FROM '{tmp_path}/features.parquet' f
                           POSITIONAL JOIN '{project}/payments.parquet' p
                           WHERE ts >= '2024-01-05' AND ts < '2024-01-20'""").df()
    x = frame[ours["features"]].to_numpy(numpy.float32).astype(float)
    means, sds = numpy.nanmean(x, axis=0), numpy.nanstd(x, axis=0)
    z = numpy.nan_to_num((x - means) / sds)
    theirs = linear_model.LogisticRegression(tol=1e-10, max_iter=10000).fit(z, frame["is_fraud"])
    assert numpy.abs(numpy.array(ours["means"]) - means).max() < 1e-9 * numpy.abs(means).max()
    assert numpy.abs(numpy.array(ours["weights"]) - theirs.coef_[0]).max() < 1e-4
    assert abs(ours["intercept"] - theirs.intercept_[0]) < 1e-4


@pytest.mark.parametrize(
    "arguments, status, part",
    [
        (["--train", "2024-01-05..2024-01-20", "--valid", "2024-01-22..2024-02-01"], 3, "2024-01-23"),
        (["--train", "2025-01-05..2025-01-20"], 3, "empty"),
        (
            ["--train", "2024-01-05..2024-01-20", "--valid", "2025-01-05..2025-01-20"],
            3,
            "valid span has no row",
        ),
        ([*SPANS, "--param", "max_dept=3"], 2, "max_dept"),
        ([*SPANS, "--param", "max_depth"], 2, "NAME=VALUE"),
        ([*SPANS, "--param", "objective=multi:softmax"], 4, "multi:softmax"),
        ([*SPANS, "--label", "nothing", "--delay", "1d"], 3, "nothing"),
        ([*SPANS, "--label", "card"], 2, "--delay"),
        ([*SPANS, "--label", "card", "--delay", "3d"], 3, "label"),
        (["--train", "2024-01-05..2024-01-20", "--early-stopping", "5"], 2, "valid"),
        ([*SPANS, "--split", "stratified"], 2, "stratified"),
        ([], 2, "--train"),
        ([*SPANS, "--model", "linear", "--param", "eta=1"], 2, "eta"),
        ([*SPANS, "--alias", "latest"], 2, "latest"),
        ([*SPANS, "--rules", "absent.sql"], 5, "absent.sql"),
    ],
)
def test_refused(train, tmp_path, arguments, status, part):
    result = train(*arguments, json_output=False)
    assert result.returncode == status, result.stderr
    assert part in result.stderr
    assert not list((tmp_path / "models").glob("cards/*")), "a refused training left a version"


def test_missing_files(shrike, project, tmp_path):
    result = shrike(
        "train",
        "--name",
        "a",
        "--plan",
        tmp_path / "no.sql",
        "--in",
        project / "payments.parquet",
        *SPANS,
    )
    assert result.returncode == 5 and "no.sql" in result.stderr
    result = shrike(
        "train",
        "--name",
        "a",
        "--plan",
        project / "features.sql",
        "--in",
        tmp_path / "no.parquet",
        *SPANS,
    )
    assert result.returncode == 5 and "no.parquet" in result.stderr


def test_infinity_is_an_error(shrike, project, tmp_path):
    plan = PLAN.replace("amount / 2", "CASE WHEN amount > 50 THEN 'inf'::DOUBLE ELSE 1 END")
    (tmp_path / "inf.sql").write_text(plan)
    result = shrike(
        "train",
        "--name",
        "a",
        "--plan",
        tmp_path / "inf.sql",
        "--in",
        project / "payments.parquet",
        *SPANS,
    )
    assert result.returncode == 3, result.stderr
    assert "sometimes" in result.stderr and "row" in result.stderr


def test_rules_are_kept_with_the_version(train, project, tmp_path):
    rules = tmp_path / "rules.sql"
    rules.write_text(
        "SELECT CASE WHEN score > 0.5 THEN 'decline' ELSE 'approve' END AS decision, "
        "amount > 90 AS large FROM scored"
    )
    result = train(*SPANS, "--rounds", "2", "--rules", str(rules))
    assert result.returncode == 0, result.stderr
    assert (pathlib.Path(result.answer["directory"]) / "rules.sql").read_text() == rules.read_text()
    rules.write_text("SELECT CASE WHEN nothing > 0.5 THEN 'decline' END AS decision FROM scored")
    result = train(*SPANS, "--rounds", "2", "--rules", str(rules))
    assert result.returncode == 3 and "nothing" in result.stderr


def test_time_in_steps(shrike, tmp_path):
    (tmp_path / "features.sql").write_text("""
CREATE TABLE payments (step INTEGER, card INTEGER, amount DOUBLE, is_fraud TINYINT DEFAULT 0);
SELECT amount,
       count(*) OVER (PARTITION BY card ORDER BY step RANGE BETWEEN 24 PRECEDING AND CURRENT ROW) AS recent
FROM payments;
""")
    duckdb.sql(f"""
        COPY (SELECT (i // 10)::INTEGER AS step, (hash(i) % 50)::INTEGER AS card,
                     (hash(i + 7) % 100)::DOUBLE AS amount,
                     (hash(i + 7) % 100 > 80)::TINYINT AS is_fraud FROM range(5000) t(i) ORDER BY i)
        TO '{tmp_path}/payments.parquet' (FORMAT parquet)""")
    train = [
        "train",
        "--name",
        "steps",
        "--in",
        "payments.parquet",
        "--rounds",
        "3",
        "--label",
        "is_fraud",
    ]
    train += ["--delay", "24"]
    result = shrike(*train, "--train", "100..300", "--valid", "324..400", "--threads", "1", "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["metrics"]["train"]["rows"] == 2000 and answer["metrics"]["valid"]["rows"] == 760
    assert answer["training"]["train"] == {"from": 100, "to": 300}
    result = shrike(*train, "--train", "100..300", "--valid", "323..400")
    assert result.returncode == 3 and "324" in result.stderr
    result = shrike(*train, "--train", "2018-01-01..2018-02-01")
    assert result.returncode == 2 and "steps" in result.stderr


def test_a_plan_says_its_delay_in_steps(shrike, tmp_path):
    (tmp_path / "features.sql").write_text("""
CREATE TABLE payments (step INTEGER, card INTEGER, amount DOUBLE, is_fraud TINYINT DEFAULT 0);
COMMENT ON COLUMN payments.is_fraud IS 'shrike: label, late after=24 steps';
SELECT amount, avg(is_fraud) OVER (PARTITION BY card ORDER BY step
                                   RANGE BETWEEN 100 PRECEDING AND 24 PRECEDING) AS risk
FROM payments;
""")
    duckdb.sql(f"""
        COPY (SELECT (i // 10)::INTEGER AS step, (hash(i) % 50)::INTEGER AS card,
                     (hash(i + 7) % 100)::DOUBLE AS amount,
                     (hash(i + 7) % 100 > 80)::TINYINT AS is_fraud FROM range(5000) t(i) ORDER BY i)
        TO '{tmp_path}/payments.parquet' (FORMAT parquet)""")
    train = ["train", "--name", "steps", "--in", "payments.parquet", "--rounds", "3", "--threads", "1"]
    result = shrike(*train, "--train", "100..300", "--valid", "323..400")
    assert result.returncode == 3 and "delay of 24: start it at 324" in result.stderr
    result = shrike(*train, "--train", "100..300", "--valid", "324..400", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["training"]["label_delay"] == 24
    manifest = json.loads(next(tmp_path.rglob("shrike.json")).read_text())
    assert manifest["label"] == {"column": "is_fraud", "after": "24 steps"}
    result = shrike("evaluate", "models:/steps/1", "--in", "payments.parquet", "--test", "430..480", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["protocol"]["delay"] == 24
