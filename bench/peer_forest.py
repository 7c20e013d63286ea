"""What bench/forest.py needs of the peers' Python packages: models, rows, and times of those that have no C
interface to call. Prints its answer as the last words."""

import statistics
import sys
import time
import warnings

import numpy as np


def rows(source, target, times):
    """The rows of a file of recorded predictions, without the predictions, so many times over."""
    x = np.loadtxt(source, delimiter=",", dtype=np.float32)[:, :-1]
    np.tile(x, (int(times), 1)).tofile(target)
    print(x.shape[1])


def train(trees, depth, features, model, target):
    import xgboost

    random = np.random.default_rng(1)
    x = random.standard_normal((10000, int(features)), dtype=np.float32)
    x[random.random(x.shape) < 0.02] = np.nan
    first = np.nan_to_num(x[:, :8])
    y = (first.sum(axis=1) + np.sin(3 * first[:, 0]) + random.standard_normal(len(x)) > 0).astype(np.float32)
    settings = {"objective": "binary:logistic", "max_depth": int(depth), "tree_method": "hist", "nthread": 1}
    settings |= {"min_child_weight": 0, "colsample_bytree": 0.9, "seed": 1}
    xgboost.train(settings, xgboost.DMatrix(x, y), int(trees)).save_model(model)
    x.tofile(target)


def fit(x, y, model):
    import xgboost

    settings = {"objective": "binary:logistic", "max_depth": 8, "tree_method": "hist", "nthread": 1}
    xgboost.train(settings | {"seed": 1}, xgboost.DMatrix(x, y), 100).save_model(model)


def handbook(folder, model, target):
    """The published features and labels of the simulated card payments."""
    import duckdb

    table = duckdb.sql(
        f"SELECT f.* EXCLUDE (tx_id), t.amount, t.is_fraud FROM '{folder}/features_published.parquet' f "
        f"JOIN '{folder}/transactions.parquet' t USING (tx_id) ORDER BY tx_id LIMIT 300000"
    )
    x = np.stack(list(table.fetchnumpy().values()), axis=1).astype(np.float32)
    fit(x[:-20000, :-1], x[:-20000, -1], model)
    np.ascontiguousarray(x[-20000:, :-1]).tofile(target)
    print(x.shape[1] - 1)


def digits(model, target):
    """Scanned digits of 64 pixels, which scikit-learn carries: whether one is 5 or more."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    fit(x, (y >= 5).astype(np.float32), model)
    np.tile(x, (11, 1)).tofile(target)
    print(x.shape[1])


def save(model, target):
    """The model in the words of XGBoost 3.2: its successors do not read the oldest."""
    import xgboost

    xgboost.set_config(verbosity=0)
    xgboost.Booster(model_file=model).save_model(target)


def lightgbm(source, features, model):
    import lightgbm

    x = np.fromfile(source, dtype=np.float32).reshape(-1, int(features))[:2000]
    y = np.random.default_rng(1).random(len(x)) < 0.5
    settings = {"objective": "binary", "num_leaves": 255, "max_depth": 12, "min_data_in_leaf": 1}
    settings |= {"num_threads": 1, "verbose": -1, "min_sum_hessian_in_leaf": 0}
    lightgbm.train(settings, lightgbm.Dataset(x, y.astype(np.float32)), 100).save_model(model)


def tl2cgen(model, library):
    import tl2cgen as compiler
    import treelite

    forest = treelite.frontend.load_xgboost_model(model)
    compiler.export_lib(
        forest, toolchain="gcc", libpath=library, params={"parallel_comp": 8}, nthread=1, verbose=False
    )


def onedal(model, x):
    import xgboost
    from daal4py.mb import convert_model

    xgboost.set_config(verbosity=0)
    booster = xgboost.Booster(model_file=model)
    booster.feature_names = None
    forest = convert_model(booster)
    return lambda rows: forest.predict_proba(rows)


def onnxruntime(model, x):
    import onnxruntime as runtime
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    xgboost.set_config(verbosity=0)
    booster = xgboost.Booster(model_file=model)
    booster.feature_names = None
    graph = convert_xgboost(booster, initial_types=[("x", FloatTensorType([None, x.shape[1]]))])
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(graph.SerializeToString(), options)
    return lambda rows: session.run(None, {"x": rows})


def lleaves(model, x):
    import lleaves as compiler

    forest = compiler.Model(model_file=model)
    forest.compile(cache=model + ".lleaves")
    return lambda rows: forest.predict(rows, n_jobs=1)


def time_rows(library, model, source, features, batch):
    """CPU nanoseconds a row, the median of five rounds."""
    x = np.fromfile(source, dtype=np.float32).reshape(-1, int(features))
    predict = {"onedal": onedal, "onnxruntime": onnxruntime, "lleaves": lleaves}[library](model, x)
    batch = int(batch)
    x = x[: 2000 if batch == 1 else 20000]
    parts = [np.ascontiguousarray(x[i : i + batch]) for i in range(0, len(x), batch)]
    times = []
    for _ in range(6):
        start = time.process_time()
        for part in parts:
            predict(part)
        times.append((time.process_time() - start) / len(x) * 1e9)
    print(statistics.median(times[1:]))


COMMANDS = {"rows": rows, "train": train, "lightgbm": lightgbm, "tl2cgen": tl2cgen, "time": time_rows}
COMMANDS |= {"handbook": handbook, "digits": digits, "save": save}

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of models written by old versions
    COMMANDS[sys.argv[1]](*sys.argv[2:])
