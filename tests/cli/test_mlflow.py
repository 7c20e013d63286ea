"""A registered version loads with MLflow as it stands, and MLflow's predictions are Shrike's."""

import json
import pathlib

import pytest

duckdb = pytest.importorskip("duckdb", reason="the tests' data is made with duckdb")
numpy = pytest.importorskip("numpy")
xgboost = pytest.importorskip("xgboost", reason="MLflow loads the model with it")
mlflow_xgboost = pytest.importorskip("mlflow.xgboost", reason="it is what this file tests")

PLAN = """
CREATE TABLE payments (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, amount DOUBLE,
                       is_fraud TINYINT DEFAULT 0);
COMMENT ON COLUMN payments.is_fraud IS 'shrike: label, late after=3 days';
SELECT amount,
       hour(ts) <= 6                                        AS night,
       CASE WHEN hour(ts) = 5 THEN NULL ELSE amount * 3 END AS sometimes,
       count(*)    OVER card_1d                             AS card_count_1d,
       avg(amount) OVER card_1d                             AS card_mean_1d
FROM payments
WINDOW card_1d AS (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW);
"""
ROWS = 4000


@pytest.fixture
def version(shrike, tmp_path):
    """The directory of a trained version; features.parquet and scores.parquet lie beside the registry."""
    (tmp_path / "features.sql").write_text(PLAN)
    duckdb.sql(f"""
        COPY (SELECT i AS id, TIMESTAMP '2024-01-01' + INTERVAL (10 * i) MINUTE AS ts,
                     (hash(i) % 50)::INTEGER AS card, a AS amount,
                     (hash(i + 100000) % 1000 < 20 + 5 * a)::TINYINT AS is_fraud
              FROM (SELECT i, ((hash(i + 50000) % 10000) / 100.0)::DOUBLE AS a
                    FROM range({ROWS}) t(i)) ORDER BY i)
        TO '{tmp_path}/payments.parquet' (FORMAT parquet)""")
    answer = shrike(
        "train",
        "--name",
        "cards",
        "--plan",
        "features.sql",
        "--in",
        "payments.parquet",
        "--train",
        "2024-01-02..2024-01-20",
        "--rounds",
        "30",
        "--threads",
        "1",
        "--json",
        check=True,
    )
    directory = pathlib.Path(json.loads(answer.stdout)["directory"])
    shrike(
        "features", "features.sql", "--in", "payments.parquet", "--out", "features.parquet", check=True
    )
    shrike("score", directory, "--in", "payments.parquet", "--out", "scores.parquet", check=True)
    return tmp_path / directory


def rows_and_scores(folder):
    frame = duckdb.sql(f"SELECT * FROM '{folder}/features.parquet'").df()
    scores = duckdb.sql(f"SELECT score FROM '{folder}/scores.parquet'").fetchnumpy()["score"]
    return frame.astype("float32"), numpy.asarray(scores, dtype=numpy.float32)


def ulps_apart(a, b):
    """For positive floats, the distance of their bit patterns is the number of floats between them."""
    return numpy.abs(
        a.view(numpy.int32).astype(numpy.int64) - b.view(numpy.int32).astype(numpy.int64)
    ).max()


def test_same_predictions_through_mlflow(version, tmp_path):
    frame, ours = rows_and_scores(tmp_path)
    assert len(ours) == ROWS and len(numpy.unique(ours)) > 100
    assert frame["sometimes"].isna().any()
    booster = mlflow_xgboost.load_model(str(version))
    assert isinstance(booster, xgboost.Booster)
    assert booster.feature_names == list(frame.columns)
    theirs = booster.predict(xgboost.DMatrix(frame))
    assert ulps_apart(ours, theirs) <= 1
    # Margins are sums in a fixed order; only the last rounding of expf may differ.
    assert (ours == theirs).mean() > 0.9


def test_same_predictions_through_pyfunc(version, tmp_path):
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    frame, ours = rows_and_scores(tmp_path)
    schema = pyfunc.load_model(str(version)).metadata.get_input_schema()
    assert schema.input_names() == list(frame.columns)
    types = duckdb.sql(f"SELECT * FROM '{tmp_path}/features.parquet'").df()
    theirs = numpy.asarray(pyfunc.load_model(str(version)).predict(types), dtype=numpy.float32)
    assert ulps_apart(ours, theirs) <= 1


def test_early_stopped_version_predicts_with_its_best_rounds(shrike, version, tmp_path):
    answer = shrike(
        "train",
        "--name",
        "stopped",
        "--plan",
        "features.sql",
        "--in",
        "payments.parquet",
        "--train",
        "2024-01-02..2024-01-15",
        "--valid",
        "2024-01-18..2024-01-28",
        "--rounds",
        "300",
        "--early-stopping",
        "5",
        "--param",
        "eta=0.5",
        "--threads",
        "1",
        "--json",
        check=True,
    )
    answer = json.loads(answer.stdout)
    shrike(
        "score", answer["directory"], "--in", "payments.parquet", "--out", "scores.parquet", check=True
    )
    frame, ours = rows_and_scores(tmp_path)
    booster = mlflow_xgboost.load_model(str(tmp_path / answer["directory"]))
    assert booster.num_boosted_rounds() == answer["training"]["early_stopping"]["best_round"] + 1
    assert ulps_apart(ours, booster.predict(xgboost.DMatrix(frame))) <= 1
