"""shrike models import: models of other libraries become versions that score with the library's bits."""

import json

import pytest

numpy = pytest.importorskip("numpy")
xgboost = pytest.importorskip("xgboost")
pandas = pytest.importorskip("pandas")

INVALID, UNSUPPORTED, CORRUPT = 3, 4, 7
PLAN = """CREATE TABLE payments (id BIGINT PRIMARY KEY, ts TIMESTAMP, a FLOAT, b FLOAT, kind INTEGER);
SELECT a, b, kind, a > 0 AS positive FROM payments;
"""
NAMES = ["a", "b", "kind", "positive"]


@pytest.fixture
def project(tmp_path):
    """A plan and a file of events; the events' features too, as the plan gives them."""
    random = numpy.random.default_rng(5)
    times = pandas.date_range("2024-01-01", periods=400, freq="min")
    events = pandas.DataFrame({"id": range(400), "ts": times,
                               "a": random.normal(size=400).astype("float32"),
                               "b": random.normal(size=400).astype("float32"),
                               "kind": random.integers(0, 9, 400).astype("int32")})
    events.loc[::17, "b"] = numpy.nan
    events.to_parquet(tmp_path / "events.parquet")
    (tmp_path / "features.sql").write_text(PLAN)
    return tmp_path


def features_of(project):
    events = pandas.read_parquet(project / "events.parquet")
    return events[["a", "b", "kind"]].assign(positive=events.a > 0).astype("float32")


def label_of(features):
    return ((features.a > 0.3) ^ (features.kind % 3 == 1)).astype(int)


def xgboost_model(project, columns=None, name="model.ubj", types=None, **params):
    features = features_of(project)
    features = features[columns or NAMES]
    matrix = xgboost.DMatrix(features, label_of(features), feature_types=types,
                             enable_categorical=types is not None)
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 4, **params}, matrix, 8)
    model.save_model(project / name)
    return model.predict(matrix)


def scores(shrike, project, model="models:/fraud/latest"):
    shrike("score", model, "--in", "events.parquet", "--out", "scores.parquet", "--quiet", check=True)
    return pandas.read_parquet(project / "scores.parquet")["score"].to_numpy().astype("float32")


@pytest.mark.parametrize("columns", [NAMES, ["positive", "kind", "a", "b"]])
@pytest.mark.parametrize("booster", ["gbtree", "gblinear"])
def test_xgboost_matched_by_name(shrike, project, columns, booster):
    expected = xgboost_model(project, columns, booster=booster)
    result = shrike("models", "import", "model.ubj", "--plan", "features.sql", "--name", "fraud", "--alias",
                    "champion", check=True)
    assert result.stdout.startswith(f"XGBoost UBJSON {xgboost.__version__}, 4 features, matched by name\n")
    assert "fraud version 1 in models/fraud/1, alias champion" in result.stdout
    assert (scores(shrike, project, "models:/fraud@champion") == expected).all()
    assert (project / "models/fraud/1/model.ubj").read_bytes() == (project / "model.ubj").read_bytes()


def test_reasons_follow_the_plans_order(shrike, project):
    xgboost_model(project, ["positive", "kind", "a", "b"], max_depth=1)
    xgboost_model(project, name="same.json", max_depth=1)
    shrike("models", "import", "model.ubj", "--name", "fraud", check=True)
    shrike("models", "import", "same.json", "--name", "same", check=True)
    answers = []
    for name in ("fraud", "same"):
        shrike("score", f"models:/{name}/1", "--in", "events.parquet", "--out", f"{name}.parquet",
               "--explain", "2", "--quiet", check=True)
        answers.append(pandas.read_parquet(project / f"{name}.parquet"))
    pandas.testing.assert_frame_equal(*answers)


def test_lightgbm(shrike, project):
    lightgbm = pytest.importorskip("lightgbm")
    features = features_of(project)
    data = lightgbm.Dataset(features, label_of(features), categorical_feature=["kind"])
    model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 8)
    model.save_model(project / "model.txt")
    result = shrike("models", "import", "model.txt", "--name", "fraud", "--json", check=True)
    answer = json.loads(result.stdout)
    assert (answer["format"], answer["matched"], answer["features"]) == ("LightGBM text", "by name", 4)
    assert (scores(shrike, project) == model.predict(features).astype("float32")).all()
    shown = json.loads(shrike("models", "show", "models:/fraud/1", "--json", check=True).stdout)
    assert shown["model"]["file"] == "model.txt" and shown["model"]["flavor"] == "lightgbm"
    assert shown["training"]["imported"]["file"] == "model.txt"


def onnx_model(project, by_column):
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    features = features_of(project).fillna(0)[["kind", "a", "positive", "b"]]
    scaled = ["a", "b"] if by_column else [1, 3]
    steps = make_pipeline(ColumnTransformer([("scale", StandardScaler(), scaled)], remainder="passthrough"),
                          RandomForestClassifier(7, max_depth=5))
    given = features if by_column else features.to_numpy()
    steps.fit(given, label_of(features))
    model = skl2onnx.to_onnx(steps, given[:1], options={"zipmap": False})
    (project / "model.onnx").write_bytes(model.SerializeToString())
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = features_of(project)[features.columns].to_numpy()
    feed = {"X": rows}
    if by_column:
        feed = {one.name: rows[:, [i]] for i, one in enumerate(session.get_inputs())}
    return session.run(None, feed)[1][:, 1]


def test_onnx_matched_by_the_names_of_its_inputs(shrike, project):
    expected = onnx_model(project, by_column=True)
    result = shrike("models", "import", "model.onnx", "--name", "fraud", check=True)
    assert "4 features, matched by name" in result.stdout and result.stdout.startswith("ONNX skl2onnx 1.")
    numpy.testing.assert_allclose(scores(shrike, project), expected, rtol=1e-6)
    shrike("score", "models:/fraud/1", "--in", "events.parquet", "--out", "x.parquet", "--explain", "3",
           check=True)
    mlflow_onnx = pytest.importorskip("mlflow.onnx")
    graph = mlflow_onnx.load_model(str(project / "models/fraud/1"))
    assert [one.name for one in graph.graph.input] == ["kind", "a", "positive", "b"]


def test_onnx_by_position(shrike, project):
    expected = onnx_model(project, by_column=False)
    plan = PLAN.replace("a, b, kind, a > 0 AS positive", "kind, a, a > 0 AS p, b")
    (project / "features.sql").write_text(plan)
    result = shrike("models", "import", "model.onnx", "--name", "fraud", check=True)
    assert "matched by position" in result.stdout
    numpy.testing.assert_allclose(scores(shrike, project), expected, rtol=1e-6)


def test_without_names_by_position(shrike, project):
    features = features_of(project)
    matrix = xgboost.DMatrix(features.to_numpy(), label_of(features))
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 3)
    model.save_model(project / "model.json")
    result = shrike("models", "import", "model.json", "--name", "fraud", check=True)
    assert "matched by position: the model has no names" in result.stdout
    assert (scores(shrike, project) == model.predict(matrix)).all()
    xgboost.train({"nthread": 1}, xgboost.DMatrix(features.to_numpy()[:, :3], label_of(features)),
                  2).save_model(project / "three.json")
    result = shrike("models", "import", "three.json", "--name", "fraud")
    assert result.returncode == INVALID
    assert "the model takes 3 features, without names, and the plan gives 4" in result.stderr


def test_what_does_not_match_is_listed(shrike, project):
    features = features_of(project).rename(columns={"b": "balance"}).assign(country=1.0)
    features["a"] = numpy.arange(400) % 5
    matrix = xgboost.DMatrix(features, features.a == 2, feature_types=["c", "q", "q", "q", "q"],
                             enable_categorical=True)
    xgboost.train({"tree_method": "hist", "nthread": 1}, matrix, 2).save_model(project / "model.json")
    result = shrike("models", "import", "model.json", "--name", "fraud")
    assert result.returncode == INVALID
    assert ("model.json: the model's features are not the plan's; missing from the plan: balance, country; "
            "not in the model: b; of another type: a (categories for the model, FLOAT in the plan)"
            ) in result.stderr
    assert not (project / "models").exists()


def test_categories_are_integers_of_the_plan(shrike, project):
    expected = xgboost_model(project, types=["q", "q", "c", "q"], tree_method="hist")
    shrike("models", "import", "model.ubj", "--name", "fraud", check=True)
    assert (scores(shrike, project) == expected).all()


def test_several_classes_are_refused(shrike, project):
    xgboost_model(project, objective="multi:softprob", num_class=3)
    result = shrike("models", "import", "model.ubj", "--name", "fraud")
    assert result.returncode == UNSUPPORTED and "3 classes" in result.stderr


@pytest.mark.parametrize("data, status, part", [
    (b"", CORRUPT, "not whole JSON"), (b"hello", CORRUPT, "not whole JSON"), (b"{}", INVALID, "not a model"),
    (b"{L\0\0\0\0", CORRUPT, "not whole UBJSON"), (b"tree\nversion=v4\n", CORRUPT, "before its first tree"),
])
def test_other_files(shrike, project, data, status, part):
    (project / "model").write_bytes(data)
    result = shrike("models", "import", "model", "--name", "fraud")
    assert result.returncode == status and part in result.stderr and "model: " in result.stderr
    assert not (project / "models").exists()


def test_mlflow_loads_what_was_imported(shrike, project):
    pytest.importorskip("mlflow")
    import mlflow.pyfunc
    features = features_of(project).astype({"kind": "float64", "a": "float64", "b": "float64",
                                            "positive": "bool"})
    expected = xgboost_model(project)
    shrike("models", "import", "model.ubj", "--name", "fraud", check=True)
    assert (mlflow.pyfunc.load_model(str(project / "models/fraud/1")).predict(features) == expected).all()
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(features_of(project), label_of(features_of(project)))
    model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 3)
    model.save_model(project / "model.txt")
    shrike("models", "import", "model.txt", "--name", "light", check=True)
    answer = mlflow.pyfunc.load_model(str(project / "models/light/1")).predict(features)
    assert (answer == model.predict(features)).all()
