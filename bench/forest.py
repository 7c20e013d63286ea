#!/usr/bin/env python3
"""Forests: Shrike against XGBoost, oneDAL, tl2cgen, LightGBM, lleaves and ONNX Runtime, one thread, CPU time.

Batches and single rows of the published models, contributions, two threads, and a table over trees x depth x
features x batch. Libraries with a C interface are called from C (bench_forest), the others from Python;
their single rows carry Python's calls and are marked. Runs alternate; medians. A ratio is the peer's time by
Shrike's."""

import argparse
import os
import statistics
from pathlib import Path

from common import PEER_PYTHON, ROOT, machine, need, run, scratch

BENCH = ROOT / "build/release/bench_forest"
PEER = ROOT / "bench/peer_forest.py"
MODELS = Path(os.environ.get("SHRIKE_DATA", ROOT.parent / "shared")) / "models"
LIBRARIES = next((ROOT / ".deps/venv-bench/lib").glob("python3*"), Path("absent")) / "site-packages"
XGBOOST = LIBRARIES / "xgboost/lib/libxgboost.so"
NEWEST = ROOT / ".deps/xgboost-newest/xgboost/lib/libxgboost.so"
LIGHTGBM = LIBRARIES / "lightgbm/lib/lib_lightgbm.so"
# Of every process one thread; those that do not listen are pinned to one core all the same.
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Model:
    def __init__(self, name, path, rows, features):
        self.name, self.path, self.rows, self.features = name, path, rows, features


def from_c(library, model, batch, *more, cores=1, environment=None):
    words = [BENCH, library, model.path, model.rows, model.features, batch, *more]
    out = run(words, cores, {**ONE, **(environment or {})}).out.split()
    return float(out[0])


def from_python(library, model, batch):
    words = [PEER_PYTHON, PEER, "time", library, model.path, model.rows, model.features, batch]
    return float(run(words, 1, ONE).out.split()[-1])


def prepare(*words):
    return run([PEER_PYTHON, PEER, *words], 1, ONE).out.split()


def alternate(contenders, rounds):
    """Nanoseconds per row by name: the median of runs taken in turn."""
    found = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            found[name].append(measure())
    return {name: statistics.median(times) for name, times in found.items()}


def show(title, times):
    print(f"\n{title}\n{'':34}{'ns a row':>12}{'M rows/s':>10}{'ratio':>9}")
    base = times["Shrike"]
    for name, time in times.items():
        print(f"{name:34}{time:>12.1f}{1e3 / time:>10.3f}{time / base:>8.2f}x")


def published(folder):
    models = []
    for name in ("higgs", "airline"):
        if (MODELS / f"{name}.json").exists():
            rows = folder / f"{name}.f32"
            features = prepare("rows", MODELS / f"{name}.rows.csv", rows, 10)[-1]
            models.append(Model(name, MODELS / f"{name}.json", rows, int(features)))
    if not models:
        print(f"{MODELS} is absent: no published models")
    return models


def trained(folder):
    """Models of other sources, trained here."""
    data = MODELS.parent / "data/handbook"
    path, rows = folder / "handbook.json", folder / "handbook.f32"
    if (data / "features_published.parquet").exists():
        yield Model("handbook", path, rows, int(prepare("handbook", data, path, rows)[-1]))
    path, rows = folder / "digits.json", folder / "digits.f32"
    yield Model("digits", path, rows, int(prepare("digits", path, rows)[-1]))


def batches(model, rounds):
    contenders = {"Shrike": lambda: from_c("shrike", model, 10000)}
    for kernel in ("avx2", "scalar"):
        contenders[f"Shrike, kernel {kernel}"] = lambda kernel=kernel: from_c(
            "shrike", model, 10000, environment={"SHRIKE_KERNEL": kernel}
        )
    contenders["XGBoost 3.2"] = lambda: from_c(XGBOOST, model, 10000)
    contenders["oneDAL (from Python)"] = lambda: from_python("onedal", model, 10000)
    show(f"{model.name}: batches of 10,000", alternate(contenders, rounds))


def head(model, n):
    """The model with the first n rows only."""
    path = model.rows.with_suffix(f".{n}")
    path.write_bytes(model.rows.read_bytes()[: n * 4 * model.features])
    return Model(model.name, model.path, path, model.features)


def rows(model, folder, rounds, compile_c):
    model = head(model, 2000)
    contenders = {
        "Shrike": lambda: from_c("shrike", model, 1),
        "XGBoost 3.2": lambda: from_c(XGBOOST, model, 1),
        "ONNX Runtime (from Python)": lambda: from_python("onnxruntime", model, 1),
    }
    if compile_c:
        library = folder / f"{model.name}.so"
        prepare("tl2cgen", model.path, library)
        contenders["tl2cgen"] = lambda: from_c(library, model, 1)
    show(f"{model.name}: one row", alternate(contenders, rounds))


def lightgbm(model, folder, rounds, with_lleaves):
    """LightGBM cannot read XGBoost's models: one of the same size, trained on the same rows."""
    path = folder / f"{model.name}.txt"
    prepare("lightgbm", model.rows, model.features, path)
    own = Model(model.name, path, model.rows, model.features)
    for batch in (10000, 1):
        own = head(own, 2000) if batch == 1 else own
        contenders = {
            "Shrike": lambda batch=batch, own=own: from_c("shrike", own, batch),
            "LightGBM": lambda batch=batch, own=own: from_c(LIGHTGBM, own, batch),
        }
        if with_lleaves:
            contenders["lleaves (from Python)"] = lambda batch=batch, own=own: from_python(
                "lleaves", own, batch
            )
        title = "one row" if batch == 1 else "batches of 10,000"
        times = alternate(contenders, rounds)
        show(f"LightGBM, 100 trees of 255 leaves, rows of {model.name}: {title}", times)


def contributions(model, folder, rounds):
    few = head(model, 200)
    contenders = {
        "Shrike": lambda: from_c("shrike", few, 200, "--explain"),
        "XGBoost 3.2": lambda: from_c(XGBOOST, few, 200, "--explain"),
    }
    if NEWEST.exists():
        path = folder / f"{model.name}.saved.json"
        prepare("save", model.path, path)
        saved = Model(model.name, path, few.rows, few.features)
        contenders["the newest XGBoost, 3.4"] = lambda: from_c(NEWEST, saved, 200, "--explain")
    show(f"{model.name}: contributions", alternate(contenders, rounds))


def threads(model, rounds):
    contenders = {
        f"{n} thread{'s' * (n > 1)}": lambda n=n: from_c("shrike", model, 2000, "--threads", n, cores=n)
        for n in (1, 2)
    }
    found = alternate(contenders, rounds)
    ratio = found["1 thread"] / found["2 threads"]
    print(f"\n{model.name}: two threads score {ratio:.2f} times as many rows by the wall clock as one")


def table(folder, rounds, quick):
    print(
        "\ntrees x depth x features x batch: Shrike's ns a row, and XGBoost 3.2's by it; below 1 XGBoost wins"
        f"\n{'trees':>6}{'depth':>6}{'features':>9}  {'kernel':8}"
        + "".join(f"{f'batch {n}':>18}" for n in (1, 64, 10000))
    )
    for trees in (10, 100) if quick else (1, 10, 100, 500):
        for depth in (3, 8) if quick else (3, 6, 8, 10):
            for features in (10, 100) if quick else (4, 30, 200, 1000):
                path, data = folder / "made.json", folder / "made.f32"
                prepare("train", trees, depth, features, path, data)
                whole = Model("made", path, data, features)
                words = [BENCH, "shrike", path, data, features, 64]
                line = f"{trees:>6}{depth:>6}{features:>9}  {run(words, 1, ONE).out.split()[2]:8}"
                for batch in (1, 64, 10000):
                    model = head(whole, 500) if batch == 1 else whole
                    found = alternate(
                        {
                            "Shrike": lambda batch=batch, model=model: from_c("shrike", model, batch),
                            "XGBoost": lambda batch=batch, model=model: from_c(XGBOOST, model, batch),
                        },
                        rounds,
                    )
                    ratio = found["XGBoost"] / found["Shrike"]
                    line += f"{found['Shrike']:>10.0f}{ratio:>7.1f}x"
                print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a small table, no tl2cgen (compiles long)")
    parser.add_argument("--lleaves", action="store_true", help="lleaves too, which compiles for many minutes")
    parser.add_argument("--no-table", action="store_true")
    arguments = parser.parse_args()
    need(BENCH, PEER_PYTHON, XGBOOST)
    with scratch() as folder:
        folder = Path(folder)
        print(machine())
        models = published(folder)
        for model in [*models, *trained(folder)]:
            batches(model, arguments.rounds)
            rows(model, folder, arguments.rounds, not arguments.quick)
            contributions(model, folder, arguments.rounds)
            if len(os.sched_getaffinity(0)) > 1:
                threads(model, arguments.rounds)
        if models:
            lightgbm(models[0], folder, arguments.rounds, arguments.lleaves)
        if not arguments.no_table:
            table(folder, arguments.rounds, arguments.quick)


if __name__ == "__main__":
    main()
