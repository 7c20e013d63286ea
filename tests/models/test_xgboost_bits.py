"""Models that XGBoost trains, by the system's library and by the newest wheel: Shrike's scores have the bits
of the library's own, for every booster and objective, from JSON and UBJSON by chance."""

import pytest

numpy = pytest.importorskip("numpy")
xgboost = pytest.importorskip("xgboost")

import xgboost_c  # noqa: E402
from bits import assert_same_bits, random_rows  # noqa: E402

BOOSTERS = ["gbtree", "dart", "gblinear"]
OBJECTIVES = ["binary:logistic", "reg:logistic", "binary:logitraw", "binary:hinge", "multi:softprob",
              "multi:softmax", "reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror",
              "reg:pseudohubererror", "reg:quantileerror", "reg:gamma", "reg:tweedie", "count:poisson",
              "survival:cox", "survival:aft", "rank:pairwise", "rank:ndcg", "rank:map"]
ROWS = 240
NEEDS_2 = {"reg:quantileerror"}


class Wheel:
    """The Python package, with the interface of xgboost_c."""

    class Matrix(xgboost.DMatrix):
        def __init__(self, x, y=None, types=None):
            super().__init__(x, y, feature_types=types, enable_categorical=types is not None)

        def set(self, field, values):
            self.set_float_info(field, values)

    train = staticmethod(xgboost.train)

    @staticmethod
    def version():
        return tuple(map(int, xgboost.__version__.split(".")))


LIBRARIES = {"wheel": Wheel, "system": xgboost_c}


def make_rows(random, booster, categorical):
    features = int(random.integers(2, 12))
    rows = random_rows(random, ROWS, features)
    if booster == "gblinear":  # its training ends in NaN with numbers of any size
        rows = rows.clip(-10, 10)
    if not categorical:
        return rows, None
    types = ["q"] * features
    for f in range(0, features, 2):
        rows[:, f] = random.integers(0, random.integers(3, 70), ROWS)
        rows[random.random(ROWS) < 0.1, f] = numpy.nan
        types[f] = "c"
    return rows, types


def make_params(random, objective, booster, categorical):
    params = {"objective": objective, "booster": booster, "nthread": 1, "seed": 1, "verbosity": 0,
              "min_child_weight": 0.1}
    if booster != "gblinear":
        params["max_depth"] = int(random.integers(1, 9))
        params["tree_method"] = "hist" if categorical or random.random() < 0.7 else "exact"
        params["num_parallel_tree"] = 2 if booster == "gbtree" and random.random() < 0.3 else 1
    if booster == "dart":
        params["rate_drop"] = 0.5
    if objective.startswith("multi"):
        params["num_class"] = 4
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = 0.3
    if random.random() < 0.5:
        params["base_score"] = 0.3
    return params


def make_matrix(random, library, objective, rows, types):
    first = numpy.nan_to_num(rows[:, 0]).clip(-5, 5) + numpy.nan_to_num(rows[:, 1]).clip(-5, 5)
    label = (first > first.mean()).astype(float)
    positive = random.gamma(2, size=len(rows))
    if objective.startswith("multi"):
        label = random.integers(0, 4, len(rows))
    elif objective in ("reg:gamma", "reg:tweedie", "count:poisson", "survival:cox"):
        label = positive
    matrix = library.Matrix(rows, label, types)
    if objective == "survival:aft":
        matrix.set("label_lower_bound", positive)
        matrix.set("label_upper_bound", positive + 1)
    if objective.startswith("rank"):
        matrix.set_group([ROWS // 8] * 8)
    return matrix


def awkward_categories(rows, types):
    """Categories that training did not see, or that are none."""
    rows = rows.copy()
    for f, kind in enumerate(types or []):
        if kind == "c":
            rows[:17, f] = [-1, -0.5, 99, 1e7, 3e7, 0.5, 1.9, -0.0, 1e-40, 63, 64, 31, 32, 33, 2, 1, 0]
    return rows


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("booster", BOOSTERS)
def test_bits(name, booster, score_rows, tmp_path):
    library, compared, models = LIBRARIES[name], 0, 0
    random = numpy.random.default_rng([BOOSTERS.index(booster), list(LIBRARIES).index(name)])
    for objective in OBJECTIVES:
        if objective in NEEDS_2 and library.version() < (2,):
            continue
        for categorical in (False, True) if booster != "gblinear" else (False, False):
            rows, types = make_rows(random, booster, categorical)
            params = make_params(random, objective, booster, categorical)
            matrix = make_matrix(random, library, objective, rows, types)
            model = library.train(params, matrix, int(random.integers(1, 13)))
            asked = awkward_categories(rows, types)
            expected = model.predict(library.Matrix(asked, None, types))
            path = tmp_path / f"model.{random.choice(['json', 'ubj'])}"
            model.save_model(path)
            compared += assert_same_bits(score_rows(path, asked), expected, f"{params} {types} {path.suffix}")
            models += 1
    print(f"XGBoost {library.version()} {booster}: 0 mismatches in {compared} predictions of {models} models")


def test_several_targets_are_refused(tmp_path, score_rows):
    random = numpy.random.default_rng(3)
    rows = random_rows(random, 50, 3)
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        params = {"tree_method": "hist", "multi_strategy": strategy, "nthread": 1}
        model = xgboost.train(params, xgboost.DMatrix(rows, random.normal(size=(50, 2))), 2)
        model.save_model(tmp_path / "model.json")
        with pytest.raises(AssertionError, match="2 targets; Shrike scores models with one target"):
            score_rows(tmp_path / "model.json", rows)
