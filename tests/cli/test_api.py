"""Shrike as a library, installed: examples for C and Python, the bits of `shrike features` and of models."""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAN = ROOT / "examples/handbook/features.sql"
ROWS = 30000
HOUR_US = 3600 * 1000 * 1000


@pytest.fixture(scope="module")
def prefix(tmp_path_factory, binary):
    """An installation into a folder of its own."""
    build = binary.parent
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{build} is not a build folder")
    prefix = tmp_path_factory.mktemp("installed")
    run = ["cmake", "--install", build, "--prefix", prefix]
    result = subprocess.run(run, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return prefix


def library_of(prefix):
    return sorted(prefix.rglob("libshrike.so.0"))[0]


def example(prefix, name):
    """A file of examples/python as a module that uses the installed library."""
    os.environ["SHRIKE_LIBRARY"] = str(library_of(prefix))
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/python/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    del os.environ["SHRIKE_LIBRARY"]
    return module


@pytest.fixture(scope="module")
def shrike_features(prefix):
    return example(prefix, "shrike_features")


@pytest.fixture(scope="module")
def shrike_scorer(prefix):
    return example(prefix, "shrike_scorer")


@pytest.fixture(scope="module")
def events(tmp_path_factory, binary):
    """A Parquet file of generated payments, with ties of time and rows that come late."""
    folder = tmp_path_factory.mktemp("events")
    made = folder / "all.parquet"
    run = [binary, "generate", "--profile", "handbook", "--days", "40", "--seed", "3", "--out", made]
    subprocess.run(run, check=True, capture_output=True)
    table = pq.read_table(made).slice(0, ROWS)
    order = list(range(len(table)))
    for i in range(0, len(order) - 40, 97):
        order[i], order[i + 40] = order[i + 40], order[i]
    table = table.take(order)
    pq.write_table(table, folder / "events.parquet")
    return folder / "events.parquet", table


@pytest.fixture(scope="module")
def expected(events, tmp_path_factory, binary):
    """What `shrike features` makes of them."""
    out = tmp_path_factory.mktemp("expected") / "features.parquet"
    run = [binary, "features", PLAN, "--in", events[0], "--out", out, "--lateness", "1h"]
    subprocess.run(run, check=True, capture_output=True)
    return pq.read_table(out)


def bits(table):
    """Every value of a table, a floating one by its bits."""
    columns = []
    for name in table.column_names:
        column = pa.concat_arrays(table.column(name).chunks)
        if pa.types.is_floating(column.type):
            column = column.view(pa.int64())
        columns.append((name, column.to_pylist()))
    return columns


def cut(table, size):
    """The table as record batches of `size` rows."""
    parts = (table.slice(start, size).combine_chunks() for start in range(0, len(table), size))
    return [batch for part in parts for batch in part.to_batches()]


CUTS = [(ROWS, 1, ROWS), (5000, 2, ROWS), (777, 1, ROWS), (1, 1, 3000)]


@pytest.mark.parametrize("size, threads, rows", CUTS)
def test_the_bits_are_those_of_the_program(shrike_features, events, expected, size, threads, rows):
    plan = shrike_features.Plan.load(PLAN)
    with shrike_features.State(plan, threads=threads, lateness_us=HOUR_US) as state:
        batches = [state.take(batch) for batch in cut(events[1].slice(0, rows), size)]
    features = pa.Table.from_batches(batches)
    assert features.schema.names == expected.schema.names
    assert features.schema.types == expected.schema.types
    assert bits(features) == bits(expected.slice(0, rows))


def test_states_do_not_know_each_other(shrike_features, events, expected):
    plan = shrike_features.Plan.load(PLAN)
    first, second = (shrike_features.State(plan, lateness_us=HOUR_US) for _ in range(2))
    del plan  # states keep what they need
    taken = [(first.take(batch), second.take(batch)) for batch in cut(events[1].slice(0, 6000), 2000)]
    first.close()
    second.close()
    for features in zip(*taken):
        assert bits(pa.Table.from_batches(features)) == bits(expected.slice(0, 6000))


def test_a_plan_tells_its_columns(shrike_features):
    plan = shrike_features.Plan.load(PLAN)
    assert plan.events.names == ["tx_id", "ts", "customer_id", "terminal_id", "amount", "is_fraud"]
    assert plan.events.field("ts").type == pa.timestamp("us")
    assert plan.features.names[:4] == ["amount", "weekend", "night", "customer_count_1d"]
    assert plan.features.field("night").type == pa.bool_()


def test_types_that_lose_nothing_are_converted(shrike_features, events, expected):
    table = events[1].slice(0, 500)
    table = table.set_column(1, "TS", table.column("ts").cast(pa.timestamp("ns")))
    table = table.set_column(2, "customer_id", table.column("customer_id").cast(pa.int64()))
    table = table.set_column(4, "amount", table.column("amount").cast(pa.decimal128(12, 2)))
    table = table.append_column("note", pa.array(["x"] * len(table)))
    with shrike_features.State(shrike_features.Plan.load(PLAN), lateness_us=HOUR_US) as state:
        features = state.take(table.combine_chunks().to_batches()[0])
    assert bits(pa.Table.from_batches([features])) == bits(expected.slice(0, 500))


def test_a_bad_plan_is_an_exception_with_its_place(shrike_features):
    sql = "CREATE TABLE t (ts TIMESTAMP, k INTEGER);\nSELECT k AS a,\n       nothing(k) AS b\nFROM t"
    with pytest.raises(shrike_features.ShrikeError, match=r"^wrong\.sql:3:8: .*nothing") as caught:
        shrike_features.Plan(sql, "wrong.sql")
    assert (caught.value.line, caught.value.column, caught.value.code) == (3, 8, 3)
    with pytest.raises(shrike_features.ShrikeError, match="leakage"):
        shrike_features.Plan(PLAN.read_text().replace("INTERVAL 7 DAY PRECEDING)", "CURRENT ROW)"))


def test_bad_events_are_exceptions_with_column_and_row(shrike_features, events, expected):
    table = events[1].slice(0, 10)
    with shrike_features.State(shrike_features.Plan.load(PLAN), lateness_us=HOUR_US) as state:

        def refused(batch, *words):
            with pytest.raises(shrike_features.ShrikeError) as caught:
                state.take(batch.combine_chunks().to_batches()[0])
            assert caught.value.place == "events"
            for word in words:
                assert word in caught.value.message, caught.value.message
            return caught.value

        few = table.drop_columns(["amount", "ts"])
        refused(few, "lack ts, amount; they have tx_id, customer_id, terminal_id")
        seconds = table.column("ts").cast(pa.int64())
        refused(table.set_column(1, "ts", seconds), 'column "ts": is BIGINT, where TIMESTAMP is expected')
        text = pa.array(["c7"] * 10)
        refused(table.set_column(2, "customer_id", text), 'column "customer_id": is VARCHAR')
        large = pa.array([1, 2, 3, 2**40] + [5] * 6)
        error = refused(table.set_column(2, "customer_id", large), 'column "customer_id"', str(2**40))
        assert error.line == 4
        gap = pa.array([None if i == 6 else 0 for i in range(10)], pa.timestamp("us"))
        error = refused(table.set_column(1, "ts", gap), "ts is NULL")
        assert error.line == 7
        # None of it was taken.
        features = state.take(table.combine_chunks().to_batches()[0])
        assert bits(pa.Table.from_batches([features])) == bits(expected.slice(0, 10))


def test_memory_is_given_back(shrike_features, events):
    """States, batches and errors by the hundred leave nothing behind that grows."""

    def resident_kib():
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    plan = shrike_features.Plan.load(PLAN)
    batch = events[1].slice(0, 2000).combine_chunks().to_batches()[0]
    sizes = []
    for _ in range(4):
        for _ in range(60):
            with shrike_features.State(plan) as state:
                state.take(batch)
                with pytest.raises(shrike_features.ShrikeError):
                    state.take(batch.select(["ts"]))
        sizes.append(resident_kib())
    assert sizes[3] - sizes[1] < 4096, sizes


def test_the_python_example_runs(prefix, events, tmp_path):
    out = tmp_path / "features.parquet"
    result = subprocess.run(
        [sys.executable, ROOT / "examples/python/shrike_features.py", PLAN, events[0], out],
        capture_output=True,
        text=True,
        env={**os.environ, "SHRIKE_LIBRARY": str(library_of(prefix))},
    )
    assert result.returncode == 0, result.stderr
    assert pq.read_metadata(out).num_rows == ROWS


def compiled(prefix, tmp_path, compiler, source, *flags):
    pc = sorted(prefix.rglob("shrike.pc"))[0]
    environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
    ask = ["pkg-config", "--cflags", "--libs", "shrike"]
    found = subprocess.run(ask, capture_output=True, text=True, env=environment, check=True).stdout.split()
    program = tmp_path / "program"
    run = [compiler, *flags, "-Wall", "-Wextra", "-Werror", source, *found]
    run += [f"-Wl,-rpath,{pc.parent.parent}", "-o", program]
    result = subprocess.run(run, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return program


def test_the_c_example_compiles_and_runs(prefix, tmp_path):
    source = ROOT / "examples/c/features.c"
    program = compiled(prefix, tmp_path, "cc", source, "-std=c17", "-pedantic", "-Wstrict-prototypes")
    result = subprocess.run([program], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["count_1d sum_1d", "1 10.50", "2 30.50", "2 25.25"]


@pytest.mark.parametrize("header", ["features", "scorer"])
def test_the_headers_are_good_for_cplusplus(prefix, tmp_path, header):
    if not shutil.which("c++"):
        pytest.skip("no C++ compiler")
    source = tmp_path / "main.cpp"
    source.write_text(f"#include <shrike/{header}.h>\nint main() {{ return shrike_version()[0] != '0'; }}\n")
    assert subprocess.run([compiled(prefix, tmp_path, "c++", source)]).returncode == 0


def logit(scores):
    scores = scores.astype("float64")
    return np.log(scores / (1 - scores))


def stumps():
    """An XGBoost model of two trees with names, and what it makes of rows of three features."""
    trees = [
        {
            "tree_param": {"num_nodes": "3"},
            "left_children": [1, -1, -1],
            "right_children": [2, -1, -1],
            "split_indices": [feature, 0, 0],
            "split_conditions": [threshold, low, high],
            "default_left": [1, 0, 0],
            "sum_hessian": [4, 1, 3],
            "loss_changes": [1, 0, 0],
        }
        for feature, threshold, low, high in [(0, 0.5, -1, 0.5), (2, -1, 2, 0.25)]
    ]
    learner = {
        "feature_names": ["amount", "night", "count"],
        "learner_model_param": {"base_score": "0", "num_feature": "3"},
        "objective": {"name": "reg:squarederror"},
        "gradient_booster": {"name": "gbtree", "model": {"trees": trees}},
    }
    return json.dumps({"learner": learner}).encode()


STUMP_ROWS = [[0, 7, -2], [0.5, 7, -1], [float("nan"), 7, 5]]
STUMP_SCORES = [1, 0.75, -0.75]


def test_a_scorer_gives_scores_and_contributions(shrike_scorer):
    scorer = shrike_scorer.Scorer(stumps())
    assert (scorer.format, scorer.names) == ("XGBoost JSON", ["amount", "night", "count"])
    rows = np.array(STUMP_ROWS, "float32")
    assert scorer.predict(rows).ravel().tolist() == STUMP_SCORES
    contributions = scorer.explain(rows)
    assert contributions.shape == (3, 1, 4)
    assert np.allclose(contributions.sum(axis=2).ravel(), STUMP_SCORES, atol=1e-6)
    assert (contributions[:, 0, 1] == 0).all()
    assert scorer.predict(rows[:0]).shape == (0, 1)
    nameless = shrike_scorer.Scorer(stumps().replace(b"feature_names", b"other"))
    assert nameless.names is None
    assert nameless.predict(rows).ravel().tolist() == STUMP_SCORES


def test_arrow_rows_are_not_copied(shrike_scorer):
    flat = pa.array(np.array([[9, 9, 9], *STUMP_ROWS], "float32").ravel())
    array = pa.FixedSizeListArray.from_arrays(flat, 3).slice(1)
    rows = shrike_scorer.rows_of(array)
    assert rows.ctypes.data == flat.buffers()[1].address + 3 * 4
    assert shrike_scorer.Scorer(stumps()).predict(rows).ravel().tolist() == STUMP_SCORES
    with pytest.raises(ValueError, match="NULL"):
        shrike_scorer.rows_of(pa.array([[1, 2, 3], None], pa.list_(pa.float32(), 3)))


def test_rows_that_would_be_copied_or_do_not_fit_are_exceptions(shrike_scorer):
    scorer = shrike_scorer.Scorer(stumps())
    rows = np.zeros((4, 3), "float32")
    for wrong in rows.astype("float64"), np.asfortranarray(rows), rows[:, ::2], rows[0]:
        with pytest.raises(ValueError, match="rows are float32, n x features"):
            scorer.predict(wrong)
    for ask in scorer.predict, scorer.explain:
        with pytest.raises(shrike_scorer.ShrikeError, match="rows of 2 features, the model has 3") as caught:
            ask(np.zeros((4, 2), "float32"))
        assert caught.value.code == 3
    with pytest.raises(shrike_scorer.ShrikeError, match="not whole JSON") as caught:
        shrike_scorer.Scorer(stumps()[:-9])
    assert caught.value.code == 7
    with pytest.raises(shrike_scorer.ShrikeError, match="nowhere") as caught:
        shrike_scorer.Scorer.load("/nowhere/model.json")
    assert caught.value.code == 5


@pytest.fixture(scope="module")
def recorded(data):
    """XGBoost's model of higgs, rows, and the predictions that XGBoost recorded."""
    if not (data / "models/higgs.json").exists():
        pytest.skip("no models/higgs.json")
    table = np.loadtxt(data / "models/higgs.rows.csv", delimiter=",", dtype="float64")
    return data / "models/higgs.json", table[:, :-1].astype("float32"), table[:, -1].astype("float32")


def test_recorded_predictions_to_the_bit(shrike_scorer, recorded):
    path, rows, expected = recorded
    scorer = shrike_scorer.Scorer.load(path)
    scores = scorer.predict(rows).ravel()
    assert (scores.view("int32") == expected.view("int32")).all()
    assert scorer.names == [str(i) for i in range(28)]
    margins = scorer.explain(rows[:50])[:, 0].sum(axis=1)
    assert np.allclose(margins, logit(expected[:50]), atol=1e-4)


def test_the_c_example_of_scores(prefix, tmp_path):
    source = ROOT / "examples/c/score.c"
    program = compiled(prefix, tmp_path, "cc", source, "-std=c17", "-pedantic", "-Wstrict-prototypes")
    (tmp_path / "model.json").write_bytes(stumps())

    def run(*arguments):
        result = subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True)
        return result.returncode, result.stdout, result.stderr

    assert run("model.json", "nan", "7", "5") == (0, "-0.75\n", "")
    assert run("model.json", "1")[::2] == (3, ": rows of 1 features, the model has 3\n")
    assert run()[0] == 2


def test_the_python_example_of_scores(prefix, tmp_path):
    (tmp_path / "model.json").write_bytes(stumps())
    np.save(tmp_path / "rows.npy", np.array(STUMP_ROWS, "float32"))
    run = [sys.executable, ROOT / "examples/python/shrike_scorer.py", "model.json", "rows.npy", "scores.npy"]
    environment = {**os.environ, "SHRIKE_LIBRARY": str(library_of(prefix))}
    subprocess.run(run, cwd=tmp_path, env=environment, check=True)
    assert np.load(tmp_path / "scores.npy").ravel().tolist() == STUMP_SCORES
