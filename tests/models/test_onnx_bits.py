"""Models that scikit-learn, XGBoost and LightGBM export to ONNX: Shrike's scores have the bits of ONNX
Runtime's on one thread, for trees with every kind of step around them that converters write."""

import warnings

import pytest

numpy = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
onnxmltools = pytest.importorskip("onnxmltools")

import lightgbm  # noqa: E402
import xgboost  # noqa: E402
from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: E402
from sklearn import ensemble, tree  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, StandardScaler  # noqa: E402

from bits import assert_same_bits, random_rows  # noqa: E402

FEATURES, ROWS = 6, 300
warnings.filterwarnings("ignore")


def runtime_scores(data, rows, two_classes):
    """What the runtime gives: of two classes the second one's column."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) == 1:
        feed = {inputs[0].name: rows}
    else:
        feed = {one.name: rows[:, [i]] for i, one in enumerate(inputs)}
    scores = session.run(None, feed)[-1]
    if isinstance(scores, list):  # a ZipMap
        scores = numpy.array([list(row.values()) for row in scores], numpy.float32)
    return scores[:, 1] if two_classes else scores


def train_rows(random):
    rows = random_rows(random, ROWS, FEATURES).clip(-1000, 1000)
    return rows, numpy.nan_to_num(rows)


def labels(random, rows, classes):
    if classes == 2:
        return (rows[:, 0] + random.normal(size=len(rows)) * 0.3 > 0).astype(int)
    if classes:
        return random.integers(0, classes, len(rows))
    return rows[:, 0] * 2 + random.normal(size=len(rows))


def scikit_models(random, classes):
    depth, n = int(random.integers(1, 8)), int(random.integers(1, 20))
    if classes:
        return [tree.DecisionTreeClassifier(max_depth=depth),
                ensemble.RandomForestClassifier(n, max_depth=depth),
                ensemble.ExtraTreesClassifier(n, max_depth=depth),
                ensemble.GradientBoostingClassifier(n_estimators=n, max_depth=depth)]
    return [tree.DecisionTreeRegressor(max_depth=depth), ensemble.RandomForestRegressor(n, max_depth=depth),
            ensemble.ExtraTreesRegressor(n, max_depth=depth),
            ensemble.GradientBoostingRegressor(n_estimators=n, max_depth=depth)]


def columns_apart(names):
    return ColumnTransformer([("scaled", StandardScaler(), names[:2]),
                              ("filled", SimpleImputer(), names[2:4]), ("kept", "passthrough", names[4:])])


CHAINS = {"": lambda: [], "scaler": lambda: [StandardScaler()],
          "imputer": lambda: [SimpleImputer(strategy="median"), MaxAbsScaler()],
          "range": lambda: [MinMaxScaler()],
          "l2": lambda: [Normalizer("l2")], "l1": lambda: [StandardScaler(), Normalizer("l1")],
          "max": lambda: [Normalizer("max")], "columns": lambda: [columns_apart(list(range(FEATURES)))]}


@pytest.mark.parametrize("classes", [2, 3, 0])
@pytest.mark.parametrize("chain", CHAINS)
def test_scikit_learn(chain, classes, score_rows, tmp_path):
    random = numpy.random.default_rng([classes, len(chain)])
    rows, filled = train_rows(random)
    asked = rows if chain in ("imputer", "") else filled
    for model in scikit_models(random, classes):
        steps = make_pipeline(*CHAINS[chain](), model)
        steps.fit(filled, labels(random, filled, classes))
        options = {"zipmap": bool(random.integers(2))} if classes else None
        data = skl2onnx.to_onnx(steps, filled[:1], options=options).SerializeToString()
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        expected = runtime_scores(data, asked, classes == 2)
        assert_same_bits(score_rows(path, asked), expected, f"{chain} {model}")


def test_named_columns(score_rows, tmp_path):
    pandas = pytest.importorskip("pandas")
    random = numpy.random.default_rng(11)
    rows, filled = train_rows(random)
    frame = pandas.DataFrame(filled, columns=[f"column {i}" for i in range(FEATURES)])
    steps = make_pipeline(columns_apart(list(frame.columns)), ensemble.RandomForestClassifier(5, max_depth=4))
    steps.fit(frame, labels(random, filled, 2))
    data = skl2onnx.to_onnx(steps, frame[:1]).SerializeToString()
    (tmp_path / "model.onnx").write_bytes(data)
    assert_same_bits(score_rows(tmp_path / "model.onnx", rows), runtime_scores(data, rows, True), "named")


@pytest.mark.parametrize("classes", [2, 3, 0])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_boosters(library, classes, score_rows, tmp_path):
    random = numpy.random.default_rng([classes, len(library)])
    compared = 0
    for i in range(6):
        rows, _ = train_rows(random)
        n, depth = int(random.integers(1, 25)), int(random.integers(1, 8))
        target = labels(random, numpy.nan_to_num(rows), classes)
        if library == "xgboost":
            kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
            model = kind(n_estimators=n, max_depth=depth, n_jobs=1).fit(rows, target)
            convert = onnxmltools.convert_xgboost
        else:
            kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
            model = kind(n_estimators=n, num_leaves=2 ** depth, min_child_samples=3, verbose=-1,
                         zero_as_missing=False, n_jobs=1).fit(rows, target)
            convert = onnxmltools.convert_lightgbm
        data = convert(model, initial_types=[("in", FloatTensorType([None, FEATURES]))]).SerializeToString()
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        expected = runtime_scores(data, rows, classes == 2)
        compared += assert_same_bits(score_rows(path, rows), expected, f"{library} {classes} {i}")
    print(f"{library} through ONNX Runtime {onnxruntime.__version__}: 0 mismatches in {compared} predictions")


def test_exponential_of_poisson(score_rows, tmp_path):
    """The runtime's Exp is an approximation of its own: the last bits may differ."""
    random = numpy.random.default_rng(4)
    rows, filled = train_rows(random)
    models = {"xgboost": xgboost.XGBRegressor(objective="count:poisson", n_estimators=5),
              "lightgbm": lightgbm.LGBMRegressor(objective="poisson", n_estimators=5, verbose=-1)}
    for library, model in models.items():
        model.fit(rows, random.poisson(2, ROWS))
        convert = getattr(onnxmltools, f"convert_{library}")
        data = convert(model, initial_types=[("in", FloatTensorType([None, FEATURES]))]).SerializeToString()
        (tmp_path / "model.onnx").write_bytes(data)
        expected = runtime_scores(data, rows, False).ravel()
        numpy.testing.assert_allclose(score_rows(tmp_path / "model.onnx", rows), expected, rtol=3e-7)


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


@pytest.mark.parametrize("tracks", [0, 1])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
def test_every_mode_and_transform(transform, tracks, score_rows, tmp_path):
    """Trees that no converter writes: each mode of a node, hit and missed, with NaN and infinities."""
    random = numpy.random.default_rng(tracks)
    rows = random_rows(random, ROWS, 2, infinite=True)
    for classes in (2, 3):
        trees = len(MODES) * 2
        nodes = {"nodes_treeids": [t for t in range(trees) for _ in range(3)],
                 "nodes_nodeids": [0, 1, 2] * trees,
                 "nodes_modes": [mode for t in range(trees) for mode in (MODES[t % 6], "LEAF", "LEAF")],
                 "nodes_featureids": [f for t in range(trees) for f in (t % 2, 0, 0)],
                 "nodes_values": [v for t in range(trees) for v in (float(t % 3 - 1), 0.0, 0.0)],
                 "nodes_truenodeids": [1, 0, 0] * trees, "nodes_falsenodeids": [2, 0, 0] * trees,
                 "nodes_missing_value_tracks_true": [tracks, 0, 0] * trees}
        leaves = [(t, n, c) for t in range(trees) for n in (1, 2) for c in range(classes)]
        node = onnx.helper.make_node(
            "TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
            post_transform=transform,
            class_treeids=[t for t, _, _ in leaves], class_nodeids=[n for _, n, _ in leaves],
            class_ids=[c for _, _, c in leaves],
            class_weights=[float(w) for w in random.normal(size=len(leaves)).astype("float32")],
            classlabels_int64s=list(range(classes)), **nodes)
        graph = onnx.helper.make_graph(
            [node], "g", [onnx.helper.make_tensor_value_info("x", 1, [None, 2])],
            [onnx.helper.make_tensor_value_info("label", 7, [None]),
             onnx.helper.make_tensor_value_info("scores", 1, [None, classes])])
        data = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("ai.onnx.ml", 1)],
                                      ir_version=8).SerializeToString()
        (tmp_path / "model.onnx").write_bytes(data)
        expected = runtime_scores(data, rows, False)
        assert_same_bits(score_rows(tmp_path / "model.onnx", rows), expected, f"{transform} {classes}")


def test_what_is_refused_by_name(score_rows, tmp_path):
    random = numpy.random.default_rng(2)
    _, filled = train_rows(random)
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    steps = make_pipeline(PCA(2), ensemble.RandomForestClassifier(2)).fit(filled, labels(random, filled, 2))
    linear = LogisticRegression().fit(filled, labels(random, filled, 2))
    for model, part in ((steps, "operator MatMul before the trees is not supported"),
                        (linear, "operator LinearClassifier before the trees is not supported")):
        (tmp_path / "model.onnx").write_bytes(skl2onnx.to_onnx(model, filled[:1]).SerializeToString())
        with pytest.raises(AssertionError, match=part):
            score_rows(tmp_path / "model.onnx", filled)
