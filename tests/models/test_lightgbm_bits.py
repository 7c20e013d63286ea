"""Models that LightGBM trains: Shrike's scores are the library's own, rounded to float32, for every
objective and way of boosting, for each kind of missing value, with categories, and where thresholds and zero
are hit."""

import pytest

numpy = pytest.importorskip("numpy")
lightgbm = pytest.importorskip("lightgbm")

from bits import assert_same_bits, random_rows  # noqa: E402

ROWS = 300
OBJECTIVES = ["binary", "cross_entropy", "cross_entropy_lambda", "multiclass", "multiclassova", "regression",
              "regression sqrt", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma",
              "tweedie", "lambdarank", "rank_xendcg"]
BOOSTINGS = ["gbdt", "dart", "rf"]


def make_rows(random):
    features = int(random.integers(2, 10))
    rows = random_rows(random, ROWS, features, infinite=True)
    categorical = [f for f in range(1, features, 3)]
    for f in categorical:
        rows[:, f] = random.integers(0, random.integers(3, 90), ROWS)
        rows[random.random(ROWS) < 0.1, f] = numpy.nan
    return rows, categorical


def make_label(random, objective, rows):
    label = (numpy.nan_to_num(rows[:, 0]).clip(-3, 3) + random.normal(size=len(rows)) > 0).astype(float)
    if objective.startswith("multiclass"):
        return random.integers(0, 3, len(rows))
    if objective in ("poisson", "gamma", "tweedie", "mape", "regression sqrt"):
        return random.gamma(2, size=len(rows)) + label
    return label


def awkward_categories(rows, categorical):
    rows = rows.copy()
    for f in categorical:
        rows[:14, f] = [-1, -0.5, 99, 1e7, 3e7, 0.5, 1.9, -0.0, 1e-40, 63, 64, 31, 32, 33]
        rows[14:16, f] = [numpy.inf, -numpy.inf]
    return rows


@pytest.mark.parametrize("boosting", BOOSTINGS)
def test_bits(boosting, score_rows, tmp_path):
    random = numpy.random.default_rng(BOOSTINGS.index(boosting))
    compared = 0
    for objective in OBJECTIVES:
        for missing in ({}, {"zero_as_missing": True}, {"use_missing": False}):
            rows, categorical = make_rows(random)
            name, *sqrt = objective.split()
            params = {"objective": name, "boosting": boosting, "verbose": -1, "num_threads": 1, "seed": 1,
                      "num_leaves": int(random.integers(2, 40)), "min_data_in_leaf": 3, "deterministic": True,
                      "min_data_per_group": 5, "cat_smooth": 1, "learning_rate": 0.3, **missing}
            if sqrt:
                params["reg_sqrt"] = True
            if boosting == "rf":
                params.update(bagging_freq=1, bagging_fraction=0.6)
            if name == "binary":
                params["sigmoid"] = 1.7
            if name.startswith("multiclass"):
                params["num_class"] = 3
            data = lightgbm.Dataset(rows, make_label(random, objective, rows),
                                    categorical_feature=categorical,
                                    group=[ROWS // 6] * 6 if "rank" in name else None,
                                    feature_name=[f"f{i}" for i in range(rows.shape[1])])
            model = lightgbm.train(params, data, int(random.integers(1, 10)))
            path = tmp_path / "model.txt"
            model.save_model(path)
            asked = awkward_categories(rows, categorical)
            expected = model.predict(asked, num_threads=1)
            compared += assert_same_bits(score_rows(path, asked), expected, f"{params} {categorical}")
    print(f"LightGBM {lightgbm.__version__} {boosting}: 0 mismatches in {compared} predictions")


def test_linear_trees_are_refused(score_rows, tmp_path):
    random = numpy.random.default_rng(9)
    rows = random.normal(size=(200, 3))
    data = lightgbm.Dataset(rows, rows[:, 0] * 2, params={"linear_tree": True, "verbose": -1})
    model = lightgbm.train({"linear_tree": True, "verbose": -1, "num_threads": 1}, data, 2)
    model.save_model(tmp_path / "model.txt")
    with pytest.raises(AssertionError, match="tree 0 has linear leaves, which are not supported"):
        score_rows(tmp_path / "model.txt", rows)
