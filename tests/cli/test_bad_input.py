"""Bad input of every kind: what the message names, the exit status, and that nothing half-made is left."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

duckdb = pytest.importorskip("duckdb", reason="the tests look into Parquet files with duckdb")

# The code table, as scripts rely on it.
USAGE, INVALID, UNSUPPORTED, NOT_FOUND, CORRUPT, NO_SPACE = 2, 3, 4, 5, 7, 11
DENIED = 10

CREATE = """CREATE TABLE payments (tx_id BIGINT PRIMARY KEY, ts TIMESTAMP, customer_id INTEGER,
                       amount DOUBLE, is_fraud TINYINT DEFAULT 0);
COMMENT ON COLUMN payments.is_fraud IS 'shrike: label, late after=7 days';
"""
SELECT = """SELECT amount,
       hour(ts) <= 6 AS night,
       count(*) OVER week AS count_7d,
       coalesce(avg(is_fraud) OVER known, 0) AS risk_30d
FROM payments
WINDOW week AS (PARTITION BY customer_id ORDER BY ts RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW),
       known AS (PARTITION BY customer_id ORDER BY ts
                 RANGE BETWEEN INTERVAL 37 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING);
"""
PLAN = CREATE + SELECT


@pytest.fixture(scope="module")
def made(binary, tmp_path_factory):
    """A folder with a plan, the same events in three formats, and a trained model."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "plan.sql").write_text(PLAN)

    def run(*arguments):
        subprocess.run([binary, *arguments], cwd=folder, check=True, capture_output=True)

    for kind in ("parquet", "csv", "jsonl"):
        run("generate", "--days", "40", "--customers", "200", "--terminals", "100", "--out", f"events.{kind}")
    run(
        *"train --name m --plan plan.sql --in events.parquet".split(),
        *"--train 2018-04-10..2018-04-28 --rounds 3".split(),
    )
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy of it that the test may spoil."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def refused(result, status, *parts, folder=None, out="out.parquet"):
    """It ended with this status and one line that holds all parts, and left nothing of `out`."""
    errors = [line for line in result.stderr.splitlines() if line.startswith("shrike: ")]
    assert result.returncode == status, result.stderr
    assert len(errors) == 1, result.stderr
    for part in parts:
        assert part in errors[0]
    if folder:
        assert not [p.name for p in folder.iterdir() if out in p.name]


def features(shrike, source, plan="plan.sql", out="out.parquet", **more):
    return shrike("features", plan, "--in", source, "--out", out, **more)


# ---- files that are not there, or cannot be read ----


@pytest.mark.parametrize("name", ["nowhere.parquet", "nowhere.csv", "nowhere.jsonl", "sub/nowhere.parquet"])
def test_missing_file(shrike, folder, name):
    refused(features(shrike, name), NOT_FOUND, name, "No such file", folder=folder)


def test_pattern_without_files(shrike, folder):
    refused(features(shrike, "2018-*.parquet"), NOT_FOUND, "2018-*.parquet", "no file matches", folder=folder)


def test_missing_plan_model_and_version(shrike, folder):
    refused(features(shrike, "events.parquet", plan="no.sql"), NOT_FOUND, "no.sql", folder=folder)
    score = ["--in", "events.parquet", "--out", "out.parquet"]
    refused(shrike("score", "no/model", *score), NOT_FOUND, "no/model", folder=folder)
    refused(shrike("score", "models:/m/7", *score), NOT_FOUND, "m", "7", folder=folder)
    refused(shrike("score", "models:/m@champion", *score), NOT_FOUND, "champion", folder=folder)
    refused(shrike("score", "models:/other/1", *score), NOT_FOUND, "other", folder=folder)


def test_directory_in_place_of_a_file(shrike, folder):
    (folder / "dir.parquet").mkdir()
    refused(features(shrike, "dir.parquet"), INVALID, "dir.parquet", "directory", folder=folder)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_unreadable_file(binary, folder, kind):
    # Root may read everything, so the program then runs as a user who may not.
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        shutil.copy(folder / f"events.{kind}", place)
        shutil.copy(folder / "plan.sql", place)
        (place / f"events.{kind}").chmod(0)
        place.chmod(0o777)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        command = [binary, "features", "plan.sql", "--in", f"events.{kind}", "--out", "out.parquet"]
        try:
            result = subprocess.run(command, cwd=place, capture_output=True, text=True, **user)
        except PermissionError:
            pytest.skip(f"user nobody may not run {binary}")
        refused(result, DENIED, f"events.{kind}", "Permission denied", folder=place)


def test_unknown_ending(shrike, folder):
    shutil.copy(folder / "events.csv", folder / "events.xls")
    refused(features(shrike, "events.xls"), USAGE, "events.xls", ".parquet", ".csv", ".jsonl", folder=folder)
    refused(
        features(shrike, "events.csv", out="out.xls"),
        USAGE,
        "out.xls",
        ".parquet",
        folder=folder,
        out="out.xls",
    )


# ---- content ----


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_empty_file(shrike, folder, kind):
    (folder / f"empty.{kind}").write_bytes(b"")
    refused(features(shrike, f"empty.{kind}"), INVALID, f"empty.{kind}", "empty", folder=folder)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_missing_column(shrike, folder, kind):
    duckdb.sql(f"COPY (SELECT * EXCLUDE (amount) FROM '{folder}/events.parquet') TO '{folder}/lacks.{kind}'")
    refused(
        features(shrike, f"lacks.{kind}"),
        INVALID,
        f"lacks.{kind}",
        '"amount"',
        "there are: tx_id, ts,",
        folder=folder,
    )


def test_wrong_type_of_a_column(shrike, folder):
    duckdb.sql(
        f"COPY (SELECT * REPLACE ('x' || amount AS amount) FROM '{folder}/events.parquet')"
        f" TO '{folder}/t.parquet'"
    )
    refused(features(shrike, "t.parquet"), INVALID, "t.parquet", "amount", "VARCHAR", "DOUBLE", folder=folder)
    duckdb.sql(
        f"COPY (SELECT * REPLACE (epoch(ts)::BIGINT AS ts) FROM '{folder}/events.parquet')"
        f" TO '{folder}/u.parquet'"
    )
    refused(features(shrike, "u.parquet"), INVALID, "u.parquet", "ts", "--time-unit", folder=folder)


def test_wrong_value_in_a_row(shrike, folder):
    lines = (folder / "events.csv").read_text().splitlines()
    lines[700] = lines[700].replace("2018-", "no date ", 1)
    (folder / "w.csv").write_text("\n".join(lines) + "\n")
    refused(features(shrike, "w.csv"), INVALID, "w.csv:701", '"ts"', "no date", "TIMESTAMP", folder=folder)
    lines = (folder / "events.jsonl").read_text().splitlines()
    row = json.loads(lines[700])
    lines[700] = json.dumps({**row, "customer_id": "somebody"})
    (folder / "w.jsonl").write_text("\n".join(lines) + "\n")
    refused(
        features(shrike, "w.jsonl"),
        INVALID,
        "w.jsonl:701",
        '"customer_id"',
        "somebody",
        "INTEGER",
        folder=folder,
    )
    duckdb.sql(
        f"COPY (SELECT * REPLACE (if(tx_id = 700, 3000000000, customer_id) AS customer_id)"
        f" FROM '{folder}/events.parquet' ORDER BY tx_id) TO '{folder}/w.parquet'"
    )
    refused(
        features(shrike, "w.parquet"), INVALID, "w.parquet", "701", "customer_id", "3000000000", folder=folder
    )


@pytest.mark.parametrize("broken", ['{"tx_id": 1', '{"tx_id": 1}}', "[1, 2]", "nonsense", '{"tx_id": 01}'])
def test_broken_json_line(shrike, folder, broken):
    lines = (folder / "events.jsonl").read_text().splitlines()
    lines[41] = broken
    (folder / "b.jsonl").write_text("\n".join(lines) + "\n")
    refused(features(shrike, "b.jsonl"), INVALID, "b.jsonl:42", folder=folder)


def test_broken_json_line_on_standard_input(shrike, folder):
    text = (folder / "events.jsonl").read_text().splitlines()[:3]
    result = features(shrike, "-", input="\n".join(text) + '\n{"tx_id":\n')
    refused(result, INVALID, ":4", "JSON", folder=folder)


def test_csv_row_with_too_few_fields(shrike, folder):
    lines = (folder / "events.csv").read_text().splitlines()
    lines[99] = lines[99].rsplit(",", 3)[0]
    (folder / "short.csv").write_text("\n".join(lines) + "\n")
    refused(features(shrike, "short.csv"), INVALID, "short.csv:100", folder=folder)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_truncated_parquet(shrike, folder, share):
    whole = (folder / "events.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: int(len(whole) * share)])
    refused(features(shrike, "cut.parquet"), CORRUPT, "cut.parquet", folder=folder)


def test_parquet_with_a_hole(shrike, folder):
    """In compressed pages, where the reader sees it: values that stand as they are can be anything."""
    duckdb.sql(
        f"COPY (FROM '{folder / 'events.parquet'}') TO '{folder / 'packed.parquet'}' (COMPRESSION zstd)"
    )
    data = bytearray((folder / "packed.parquet").read_bytes())
    middle = len(data) // 3
    data[middle : middle + 2000] = bytes(2000)
    (folder / "hole.parquet").write_bytes(data)
    refused(features(shrike, "hole.parquet"), CORRUPT, "hole.parquet", folder=folder)


def test_no_parquet_at_all(shrike, folder):
    (folder / "text.parquet").write_text("tx_id,ts\n" * 1000)
    refused(features(shrike, "text.parquet"), CORRUPT, "text.parquet", folder=folder)


# ---- plans ----

LEAKS = {
    "bare": ("hour(ts) <= 6 AS night", "is_fraud AS night", 5),
    "frame": ("avg(is_fraud) OVER known", "avg(is_fraud) OVER week", 7),
    "filter": ("count(*) OVER week", "count(*) FILTER (is_fraud = 1) OVER week", 6),
    "case": ("hour(ts) <= 6 AS night", "CASE WHEN is_fraud = 1 THEN 1 END AS night", 5),
    "partition": ("week AS (PARTITION BY customer_id", "week AS (PARTITION BY is_fraud", None),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_leakage_is_refused(shrike, folder, kind):
    old, new, line = LEAKS[kind]
    assert old in PLAN
    (folder / "leak.sql").write_text(PLAN.replace(old, new))
    place = f"leak.sql:{line}:" if line else "leak.sql:"
    name = "the late column is_fraud" if kind in ("bare", "case") else "is_fraud"
    refused(shrike("plan", "check", "leak.sql"), INVALID, place, "leakage: ", name)
    refused(features(shrike, "events.parquet", plan="leak.sql"), INVALID, place, "leakage: ", folder=folder)
    result = shrike(
        "train",
        "--name",
        "x",
        "--plan",
        "leak.sql",
        "--in",
        "events.parquet",
        "--train",
        "2018-04-10..2018-04-28",
    )
    refused(result, INVALID, place)
    assert not (folder / "models" / "x").exists()


@pytest.mark.parametrize(
    "old, new, parts",
    [
        ("hour(ts) <= 6", "hours(ts) <= 6", ["bad.sql:5:8:", "hours"]),
        ("count(*) OVER week", "counted(amount) OVER week", ["bad.sql:6:8:", "counted"]),
        ("AND INTERVAL 7 DAY PRECEDING);", "AND INTERVAL 7 DAY PRECEDING", ["bad.sql:11:", "end of input"]),
        ("'shrike: label", "'shrike: lable", ["bad.sql", "lable"]),
        ("hour(ts) <= 6", "hour(time) <= 6", ["bad.sql:5:13:", "time"]),
        ("SELECT amount", "SELEKT amount", ["bad.sql:4:1:", "SELEKT"]),
        ("FROM payments", "FROM orders", ["bad.sql:", "orders"]),
        ("hour(ts) <= 6 AS night", "amount + 'x' AS night", ["bad.sql:"]),
        ("OVER week", "OVER month", ["bad.sql:", "month"]),
        (SELECT, "", ["bad.sql", "SELECT"]),
        (CREATE, "", ["bad.sql", "CREATE TABLE"]),
    ],
)
def test_plan_that_does_not_compile(shrike, folder, old, new, parts):
    assert old in PLAN
    (folder / "bad.sql").write_text(PLAN.replace(old, new, 1))
    result = shrike("plan", "check", "bad.sql")
    refused(result, INVALID, *parts)
    refused(features(shrike, "events.parquet", plan="bad.sql"), INVALID, *parts, folder=folder)


def test_what_cannot_run_online_is_unsupported(shrike, folder):
    for name, function in {"row_number": "row_number()", "median": "median(amount)"}.items():
        (folder / "bad.sql").write_text(PLAN.replace("count(*) OVER week", f"{function} OVER week"))
        refused(shrike("plan", "check", "bad.sql"), UNSUPPORTED, "bad.sql:6:8:", name)


# ---- models ----


@pytest.mark.parametrize("name", ["model.json", "features.sql", "MLmodel"])
def test_version_whose_checksum_does_not_match(shrike, folder, name):
    files = sorted((folder / "models/m/1").glob(name)) or pytest.fail(f"no {name} in the version")
    data = bytearray(files[0].read_bytes())
    data[len(data) // 2] ^= 1
    files[0].chmod(0o644)
    files[0].write_bytes(data)
    for arguments in (
        ["score", "models:/m/1", "--in", "events.parquet", "--out", "out.parquet"],
        ["run", "models/m/1", "--source", "events.jsonl", "--sink", "out.jsonl"],
        ["evaluate", "models:/m/1", "--in", "events.parquet", "--test", "2018-05-05..2018-05-10"],
    ):
        refused(shrike(*arguments), CORRUPT, f"{name} is not the file", "SHA-256", folder=folder, out="out.")


def test_version_with_a_missing_file(shrike, folder):
    (folder / "models/m/1/model.json").unlink()
    result = shrike("score", "models:/m/1", "--in", "events.parquet", "--out", "out.parquet")
    refused(result, NOT_FOUND, "model.json", folder=folder)


# ---- where results go ----


def test_missing_directory_of_the_output(shrike, folder):
    refused(features(shrike, "events.parquet", out="no/where/out.parquet"), NOT_FOUND, "no/where/out.parquet")


def test_full_device_on_standard_output(binary, folder):
    for arguments in (
        ["generate", "--out", "-"],
        ["features", "plan.sql", "--in", "events.parquet", "--out", "-"],
        ["run", "models:/m/1", "--source", "events.jsonl", "--sink", "-"],
    ):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run(
                [binary, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True
            )
        refused(result, NO_SPACE, "No space left")


def on_small_disk(binary, folder, *arguments):
    """Runs the program in a folder with `disk`, a file system of 256 KiB that exists for this run. Gives the
    result and what lies on the disk afterwards."""
    script = (
        'mount -t tmpfs -o size=256k none disk || exit 99\n"$@"\nstatus=$?\nls -A disk >listing\nexit $status'
    )
    (folder / "disk").mkdir(exist_ok=True)
    unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if not shutil.which("unshare"):
        pytest.skip("unshare is missing, a small disk cannot be made")
    result = subprocess.run(
        [*unshare, "sh", "-c", script, "sh", binary, *arguments], cwd=folder, capture_output=True, text=True
    )
    if result.returncode == 99 or "unshare" in result.stderr:
        pytest.skip(f"a small disk cannot be made: {result.stderr.strip()}")
    return result, (folder / "listing").read_text().split()


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("verb", ["generate", "features", "score"])
def test_full_disk(binary, folder, verb, kind):
    out = f"disk/out.{kind}"
    arguments = {
        "generate": ["generate", "--out", out],
        "features": [
            "features",
            "plan.sql",
            "--in",
            *["events.parquet"] * 9,
            "--keep",
            "tx_id",
            "--lateness",
            "100d",
            "--out",
            out,
        ],
        "score": [
            "score",
            "models:/m/1",
            "--in",
            *["events.parquet"] * 9,
            "--lateness",
            "100d",
            "--out",
            out,
        ],
    }[verb]
    result, left = on_small_disk(binary, folder, *arguments)
    refused(result, NO_SPACE, out)
    assert left == []


def test_full_disk_while_training(binary, folder):
    arguments = [
        "train",
        "--name",
        "x",
        "--plan",
        "plan.sql",
        "--in",
        "events.parquet",
        "--train",
        "2018-04-10..2018-04-28",
        "--rounds",
        "150",
        "--registry",
        "disk/models",
    ]
    result, left = on_small_disk(binary, folder, *arguments)
    assert result.returncode == NO_SPACE, result.stderr
    assert set(left) <= {"models"}


# ---- interruption ----


class Running:
    """The program at work without an end: it waits for more events, or generates for hours."""

    def __init__(self, binary, folder, arguments, events):
        self.process = subprocess.Popen(
            [binary, *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if events:
            self.process.stdin.write(events)
            self.process.stdin.flush()

    def stop(self, number):
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        self.process.stdin.close()
        self.process.stderr.close()
        return status


def wait_for(condition, what):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"no {what} after 30 s"
        time.sleep(0.01)


ENDLESS = {
    "generate parquet": (
        ["generate", "--rows", "1000000000000", "--days", "36500", "--out", "out.parquet"],
        "out.parquet",
    ),
    "generate csv": (
        ["generate", "--rows", "1000000000000", "--days", "36500", "--out", "out.csv"],
        "out.csv",
    ),
    "features": (["features", "plan.sql", "--in", "-", "--out", "out.parquet"], "out.parquet"),
    "score": (["score", "models:/m/1", "--in", "-", "--out", "out.csv"], "out.csv"),
    "run": (["run", "models:/m/1", "--source", "-", "--sink", "out.jsonl"], "out.jsonl"),
}


@pytest.mark.parametrize(
    "number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("existing", [False, True])
def test_interrupted_run(binary, folder, name, number, status, existing):
    arguments, out = ENDLESS[name]
    before = {p.name for p in folder.iterdir()}
    if existing:
        (folder / out).write_text("of an earlier run")
        before.add(out)
    events = (folder / "events.jsonl").read_bytes() if "-" in arguments else None
    running = Running(binary, folder, arguments, events)
    wait_for(lambda: {p.name for p in folder.iterdir()} - before, "file of the run")
    assert running.stop(number) == status
    left = {p.name for p in folder.iterdir()} - before
    assert all(f.startswith(f".{out}.") and f.endswith(".partial") for f in left)
    if number != signal.SIGKILL:
        assert not left
    if existing:
        assert (folder / out).read_text() == "of an earlier run"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_directory_keeps_whole_days(binary, folder, number):
    running = Running(binary, folder, ["generate", "--days", "36500", "--out", "days/"], None)
    wait_for(
        lambda: (folder / "days").is_dir() and len(list((folder / "days").glob("*.parquet"))) > 3,
        "fourth day",
    )
    running.stop(number)
    days = sorted((folder / "days").glob("[0-9]*.parquet"))
    hidden = [p for p in (folder / "days").iterdir() if p not in days]
    assert all(p.name.startswith(".") and p.name.endswith(".partial") for p in hidden)
    assert number == signal.SIGKILL or not hidden
    for day in days:
        assert duckdb.sql(f"SELECT count(*) FROM '{day}'").fetchone()[0] > 9000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_training_registers_nothing(binary, shrike, folder, number):
    listed = shrike("models", "list", "--json", check=True).stdout
    arguments = [
        "train",
        "--name",
        "m",
        "--plan",
        "plan.sql",
        "--in",
        "events.parquet",
        "--train",
        "2018-04-10..2018-04-28",
        "--rounds",
        "1000000",
    ]
    running = Running(binary, folder, arguments, None)
    time.sleep(1.5)
    running.stop(number)
    assert shrike("models", "list", "--json", check=True).stdout == listed
    assert not (folder / "models/m/2").exists()
    assert shrike("models", "show", "models:/m/1").returncode == 0


@pytest.mark.parametrize(
    "verb, option, partner",
    [
        ("run m --source a.jsonl --sink -", option, "--state DIR")
        for option in [
            "--dedupe 1d",
            "--follow",
            "--backfill journal",
            "--fsync never",
            "--snapshot-every 1MiB",
            "--retain 1MiB",
            "--erase-within 1d",
        ]
    ]
    + [
        ("run m --source a.jsonl --sink -", "--label-time t", "--labels FILE"),
        ("score m --in a.jsonl --out -", "--label-time t", "--labels FILE"),
        ("features p.sql --in a.jsonl --out -", "--label-time t", "--labels FILE"),
        ("evaluate m --in a.jsonl --test 2024-01-01..2024-01-02", "--label-time t", "--labels FILE"),
        ("evaluate m --in a.jsonl --test 2024-01-01..2024-01-02", "--top-k 3", "--entity COLUMN"),
        ("train --name n --plan p.sql --in a.jsonl", "--label-time t", "--labels FILE"),
        ("train --name n --plan p.sql --in a.jsonl", "--fraction 0.5", "--split stratified"),
        ("train --name n --plan p.sql --in a.jsonl --split time", "--fraction 0.5", "--split stratified"),
    ],
)
def test_an_option_names_the_one_that_it_needs(shrike, verb, option, partner):
    result = shrike(*verb.split(), *option.split())
    assert result.returncode == USAGE
    assert f"{option.split()[0]} says nothing without {partner}" in result.stderr
