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


def classes_of(features):
    return (features.kind % 3).astype(int)


def classes_model(project, objective="multi:softprob"):
    """A booster of three classes and its matrix, whose columns are not in the plan's order."""
    features = features_of(project)
    matrix = xgboost.DMatrix(features[NAMES[::-1]], classes_of(features))
    model = xgboost.train({"objective": objective, "num_class": 3, "nthread": 1, "max_depth": 3}, matrix, 6)
    model.save_model(project / "model.ubj")
    return model, matrix


def test_one_class_of_several_is_the_score(shrike, project):
    model, matrix = classes_model(project)
    expected, contributions = model.predict(matrix), model.predict(matrix, pred_contribs=True)
    for number in range(3):
        result = shrike("models", "import", "model.ubj", "--name", "fraud", "--positive-class", number,
                        check=True)
        assert f"the score is the probability of class {number}\n" in result.stdout
        assert (scores(shrike, project) == expected[:, number]).all()
        shrike("score", "models:/fraud/latest", "--in", "events.parquet", "--out", "why.parquet", "--explain",
               "1", check=True)
        why = pandas.read_parquet(project / "why.parquet")
        own = pandas.DataFrame(contributions[:, number, :-1], columns=NAMES[::-1])
        strongest = own.abs().max(axis=1)
        numpy.testing.assert_allclose(why.contribution_1.abs().fillna(0), strongest, rtol=1e-4, atol=1e-6)
    shown = shrike("models", "show", "models:/fraud/3", check=True).stdout
    assert "score       the probability of class 2\n" in shown
    manifest = json.loads(shrike("models", "show", "models:/fraud/2", "--json", check=True).stdout)
    assert manifest["model"]["positive_class"] == 1


def test_one_class_of_lightgbm_and_onnx(shrike, project):
    lightgbm = pytest.importorskip("lightgbm")
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import RandomForestClassifier
    features = features_of(project).fillna(0)
    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    light = lightgbm.train(settings, lightgbm.Dataset(features, classes_of(features)), 5)
    light.save_model(project / "model.txt")
    forest = RandomForestClassifier(5, max_depth=4, random_state=1)
    forest.fit(features.to_numpy(), classes_of(features))
    model = skl2onnx.to_onnx(forest, features.to_numpy()[:1], options={"zipmap": False})
    (project / "model.onnx").write_bytes(model.SerializeToString())
    events = pandas.read_parquet(project / "events.parquet").fillna({"b": 0})
    events.to_parquet(project / "events.parquet")
    answers = {"model.txt": light.predict(features), "model.onnx": forest.predict_proba(features)}
    for file, expected in answers.items():
        shrike("models", "import", file, "--name", "fraud", "--positive-class", "2", check=True)
        numpy.testing.assert_allclose(scores(shrike, project), expected[:, 2], rtol=1e-5)


def test_a_class_that_is_none_is_refused(shrike, project):
    def refused(*arguments):
        result = shrike("models", "import", "model.ubj", "--name", "fraud", *arguments)
        assert not (project / "models").exists()
        return result.returncode, result.stderr

    classes_model(project)
    status, message = refused()
    assert status == UNSUPPORTED and "tells 3 classes apart" in message
    assert "--positive-class 0 to 2" in message
    status, message = refused("--positive-class", "3")
    assert status == INVALID and "the model has no class 3; expected 0 to 2" in message
    classes_model(project, "multi:softmax")
    status, message = refused()
    assert status == UNSUPPORTED and "the number of the likeliest of its 3 classes" in message
    status, message = refused("--positive-class", "1")
    assert status == UNSUPPORTED and "the number of the likeliest of its 3 classes" in message
    xgboost_model(project)
    status, message = refused("--positive-class", "1")
    assert status == INVALID and "class 1 of a model that has one score and no classes" in message


def test_importance(shrike, project):
    xgboost_model(project, ["positive", "kind", "a", "b"])
    booster = xgboost.Booster(model_file=project / "model.ubj")
    shrike("models", "import", "model.ubj", "--name", "fraud", check=True)
    shown = shrike("models", "show", "models:/fraud/1", check=True).stdout.split("\nimportance")[1]
    rows = [row.split() for row in shown.split("\n\n")[0].splitlines()[1:]]
    found = {row[0]: [float(cell) for cell in row[1:]] for row in rows}
    kinds = ["gain", "cover", "weight", "total_gain", "total_cover"]
    expected = {kind: booster.get_score(importance_type=kind) for kind in kinds}
    assert list(found) == sorted(expected["weight"], key=lambda name: -expected["total_gain"][name])
    for name, row in found.items():
        numpy.testing.assert_allclose(row, [expected[kind][name] for kind in kinds], rtol=1e-4)


def test_drivers_are_the_mean_of_absolute_contributions(shrike, project):
    features = features_of(project)
    xgboost_model(project)
    booster = xgboost.Booster(model_file=project / "model.ubj")
    events = pandas.read_parquet(project / "events.parquet").assign(y=label_of(features).astype("int8"))
    events.to_parquet(project / "events.parquet")
    late = "\nCOMMENT ON COLUMN payments.y IS 'shrike: label, late after=1 hour';\nSELECT"
    plan = PLAN.replace("kind INTEGER", "kind INTEGER, y TINYINT DEFAULT 0").replace("\nSELECT", late)
    (project / "features.sql").write_text(plan)
    shrike("models", "import", "model.ubj", "--name", "fraud", check=True)
    report = json.loads(shrike("evaluate", "models:/fraud/1", "--in", "events.parquet", "--test",
                               "2024-01-01..2024-01-02", "--keep-known", "--json", check=True).stdout)
    contributions = booster.predict(xgboost.DMatrix(features), pred_contribs=True)[:, :-1]
    expected = dict(zip(NAMES, numpy.abs(contributions.astype(float)).mean(axis=0)))
    found = {row["feature"]: row["mean_absolute_contribution"] for row in report["drivers"]}
    assert list(found) == sorted(found, key=lambda name: -found[name]) and set(found) == set(NAMES)
    for name in NAMES:
        assert found[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-7)


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
