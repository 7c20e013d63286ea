"""`run --state`: killed anywhere and started again, every event has its decision once, with the bits of a run
without a stop. SHRIKE_KILLS says how often it is killed."""

import json
import os
import random
import signal
import subprocess
import time

import pytest

from surroundings import clean_environment

PLAN = """
CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, shop VARCHAR, amount DOUBLE,
                 y TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 hour';
SELECT amount,
       count(*)    OVER (card RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND CURRENT ROW) AS n,
       avg(amount) OVER (card RANGE UNBOUNDED PRECEDING) AS mean,
       count(DISTINCT shop) OVER (card RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS shops,
       avg(y)      OVER (PARTITION BY shop ORDER BY ts
                         RANGE BETWEEN INTERVAL 5 HOUR PRECEDING AND INTERVAL 1 HOUR PRECEDING) AS risk
FROM tx WINDOW card AS (PARTITION BY card ORDER BY ts);
"""
RULES = (
    "SELECT CASE WHEN amount > 100 THEN 'decline' ELSE 'approve' END AS decision,\n"
    "  n > 5 AS often FROM scored;\n"
)


def write_events(path, number, seed, first=0):
    draw = random.Random(seed)
    second = 0
    with open(path, "w") as out:
        for i in range(number):
            second += draw.random() < 0.3
            stamp = f"2024-03-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            out.write(
                json.dumps(
                    {
                        "id": first + i,
                        "ts": stamp,
                        "card": draw.randrange(60),
                        "shop": f"shop {draw.randrange(9)}",
                        "amount": round(draw.lognormvariate(3, 1), 2),
                        "y": int(draw.random() < 0.2),
                    }
                )
                + "\n"
            )


@pytest.fixture(scope="module")
def project(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    write_events(folder / "a.jsonl", 20000, 1)
    write_events(folder / "b.jsonl", 10000, 2, first=20000)
    (folder / "broken.jsonl").write_text('{"id": 1, "ts": "nonsense"}\n')
    (folder / "plan.sql").write_text(PLAN)
    (folder / "rules.sql").write_text(RULES)
    for name, rounds in [("m", "5"), ("m", "7")]:
        subprocess.run(
            [
                str(binary),
                "train",
                "--name",
                name,
                "--plan",
                "plan.sql",
                "--rules",
                "rules.sql",
                "--in",
                "a.jsonl",
                "--train",
                "2024-03-01..2024-03-02",
                "--rounds",
                rounds,
                "--threads",
                "1",
            ],
            cwd=folder,
            check=True,
            env=clean_environment(),
            capture_output=True,
        )
    return folder


SOURCES = ["--source", "a.jsonl", "broken.jsonl", "b.jsonl", "--explain", "1", "--lateness", "1h"]
HOW = ["--snapshot-every", "300KiB", "--batch", "64"]


@pytest.fixture(scope="module")
def expected(binary, project):
    subprocess.run(
        [str(binary), "run", "models:/m/1", *SOURCES, "--sink", "plain.jsonl"],
        cwd=project,
        check=True,
        env=clean_environment(),
        capture_output=True,
    )
    return (project / "plain.jsonl").read_bytes()


def start(binary, project, *words):
    command = [str(binary), "run", "models:/m/1", *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=project,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_sink_is_known_from_its_first_line_on(binary, project, tmp_path):
    words = ["--source", "-", "--sink", tmp_path / "out.jsonl", "--state", tmp_path / "state"]
    first = start(binary, project, *words)
    with open(project / "a.jsonl") as events:
        first.stdin.writelines(next(events) for _ in range(5))
    first.stdin.flush()
    for _ in range(200):
        if (tmp_path / "out.jsonl").exists() and (tmp_path / "out.jsonl").stat().st_size:
            break
        time.sleep(0.05)
    first.kill()
    first.communicate()
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert lines
    again = start(binary, project, *words)
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert (tmp_path / "out.jsonl").read_text().splitlines()[: len(lines)] == lines


def test_a_source_that_was_cut_is_refused(binary, project, tmp_path):
    source = tmp_path / "events.jsonl"
    lines = (project / "a.jsonl").read_text().splitlines(keepends=True)[:2000]
    source.write_text("".join(lines))
    words = ["--source", source, "--sink", tmp_path / "out.jsonl", "--state", tmp_path / "state"]
    first = start(binary, project, *words)
    assert first.communicate()[0] and first.returncode == 0
    source.write_text("".join(lines[:100]))
    again = start(binary, project, *words)
    output = again.communicate()[0]
    assert again.returncode != 0
    assert "events.jsonl has 100 events, and 2000 of them were taken before" in output
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2000


def test_killed_again_and_again_each_decision_is_written_once(binary, project, expected, tmp_path):
    kills, sink, draw, whole = (
        int(os.environ.get("SHRIKE_KILLS", "25")),
        tmp_path / "out.jsonl",
        random.Random(3),
        0,
    )
    killed = 0
    while killed < kills:
        state = tmp_path / f"state{whole}"
        command = [
            str(binary),
            "run",
            "models:/m/1",
            *SOURCES,
            *HOW,
            "--sink",
            str(sink),
            "--state",
            str(state),
        ]
        sink.unlink(missing_ok=True)
        for _ in range(12):
            process = subprocess.Popen(
                command,
                cwd=project,
                env=clean_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            time.sleep(draw.uniform(0.05, 1.0))
            process.send_signal(signal.SIGKILL)
            output = process.communicate()[0].decode()
            assert process.returncode in (-signal.SIGKILL, 0), output
            killed += process.returncode != 0
        done = subprocess.run(command, cwd=project, env=clean_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert sink.read_bytes() == expected
        whole += 1
    assert whole > 0


def test_a_state_goes_on_and_says_so(shrike, project, expected, tmp_path):
    run = [
        "run",
        "models:/m/1",
        "--explain",
        "1",
        "--lateness",
        "1h",
        "--sink",
        tmp_path / "out.jsonl",
        "--state",
        tmp_path / "state",
    ]
    shrike(*run, "--source", "a.jsonl", cwd=project, check=True)
    result = shrike(*run, "--source", "a.jsonl", "broken.jsonl", "b.jsonl", cwd=project, check=True)
    assert "goes on behind event 20000" in result.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == expected
    # Another sink gets everything from the journal.
    shrike(*run[:-3], tmp_path / "other.jsonl", *run[-2:], "--source", "b.jsonl", cwd=project, check=True)
    assert (tmp_path / "other.jsonl").read_bytes() == expected


def test_standard_input_is_answered_line_by_line(binary, project, tmp_path, expected):
    process = subprocess.Popen(
        [
            str(binary),
            "run",
            "models:/m/1",
            "--source",
            "-",
            "--sink",
            "-",
            "--explain",
            "1",
            "--lateness",
            "1h",
            "--state",
            str(tmp_path / "state"),
        ],
        cwd=project,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with open(project / "a.jsonl", "rb") as events:
        for wanted in expected.splitlines()[:20]:
            process.stdin.write(events.readline())
            process.stdin.flush()
            assert process.stdout.readline().rstrip(b"\n") == wanted
    process.stdin.close()
    assert process.wait() == 0


def test_another_version_takes_over_with_the_windows_as_they_are(shrike, project, tmp_path):
    run = ["--explain", "0", "--state", tmp_path / "state"]
    shrike(
        "run",
        "models:/m/1",
        *run,
        "--source",
        "a.jsonl",
        "--sink",
        tmp_path / "a.out.jsonl",
        cwd=project,
        check=True,
    )
    result = shrike(
        "run",
        "models:/m/2",
        *run,
        "--source",
        "b.jsonl",
        "--sink",
        tmp_path / "b.out.jsonl",
        cwd=project,
        check=True,
    )
    assert "another version decides from now on: models:/m/2 (before: models:/m/1)" in result.stderr
    shrike(
        "run",
        "models:/m/2",
        "--explain",
        "0",
        "--source",
        "a.jsonl",
        "b.jsonl",
        "--sink",
        tmp_path / "all.jsonl",
        cwd=project,
        check=True,
    )
    all_by_2 = (tmp_path / "all.jsonl").read_text().splitlines()
    # The new sink also has what the first version decided.
    both = (tmp_path / "b.out.jsonl").read_text().splitlines()
    assert both[20000:] == all_by_2[20000:]
    assert both[:20000] == (tmp_path / "a.out.jsonl").read_text().splitlines() != all_by_2[:20000]


def test_a_state_of_another_plan_is_refused(shrike, project, tmp_path):
    shrike(
        "run",
        "models:/m/1",
        "--source",
        "b.jsonl",
        "--sink",
        tmp_path / "out.jsonl",
        "--state",
        tmp_path / "state",
        cwd=project,
        check=True,
    )
    (project / "other.sql").write_text(PLAN.replace("10 MINUTE", "20 MINUTE"))
    shrike(
        "train",
        "--name",
        "other",
        "--plan",
        "other.sql",
        "--in",
        "a.jsonl",
        "--train",
        "2024-03-01..2024-03-02",
        "--rounds",
        "2",
        cwd=project,
        check=True,
    )
    result = shrike(
        "run",
        "models:/other/1",
        "--source",
        "a.jsonl",
        "--sink",
        tmp_path / "out.jsonl",
        "--state",
        tmp_path / "state",
        cwd=project,
    )
    assert result.returncode != 0 and "whose plan differs" in result.stderr
    assert "--backfill journal" in result.stderr and "another --state" in result.stderr


def test_two_processes_do_not_share_a_state(binary, shrike, project, tmp_path):
    run = ["run", "models:/m/1", "--sink", "-", "--state", str(tmp_path / "state")]
    first = subprocess.Popen(
        [str(binary), *run, "--source", "-"],
        cwd=project,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with open(project / "a.jsonl", "rb") as events:
        first.stdin.write(events.readline())
    first.stdin.flush()
    first.stdout.readline()
    result = shrike(*run, "--source", "b.jsonl", cwd=project)
    assert result.returncode != 0 and f"process {first.pid}" in result.stderr
    first.stdin.close()
    assert first.wait() == 0


def test_a_sink_that_lost_bytes_is_refused(shrike, project, tmp_path):
    sink = tmp_path / "out.jsonl"
    run = ["run", "models:/m/1", "--source", "b.jsonl", "--sink", sink, "--state", tmp_path / "state"]
    shrike(*run, cwd=project, check=True)
    sink.write_bytes(sink.read_bytes()[:1000])
    result = shrike(*run, cwd=project)
    assert (
        result.returncode != 0
        and "1000 bytes" in result.stderr
        and "were written there before" in result.stderr
    )
    stranger = tmp_path / "stranger.jsonl"
    stranger.write_text("something else\n")
    result = shrike(*run[:4], "--sink", stranger, *run[6:], cwd=project)
    assert result.returncode != 0 and "not of this state" in result.stderr
    assert stranger.read_text() == "something else\n"


def test_a_damaged_snapshot_is_left_out(shrike, project, expected, tmp_path):
    run = [
        "run",
        "models:/m/1",
        *SOURCES,
        *HOW,
        "--sink",
        tmp_path / "out.jsonl",
        "--state",
        tmp_path / "state",
    ]
    shrike(*run, cwd=project, check=True)
    newest = sorted((tmp_path / "state" / "snapshots").glob("*.snap"))[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 4
    newest.write_bytes(data)
    result = shrike(*run, cwd=project, check=True)
    assert "is left out" in result.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == expected


def test_an_event_that_comes_again_gets_its_first_decision(binary, project, tmp_path, expected):
    command = [
        str(binary),
        "run",
        "models:/m/1",
        "--source",
        "-",
        "--sink",
        "-",
        "--explain",
        "1",
        "--lateness",
        "1h",
        "--dedupe",
        "30d",
        "--dead-letters",
        str(tmp_path / "letters.jsonl"),
        "--state",
        str(tmp_path / "state"),
    ]
    lines = (project / "a.jsonl").read_bytes().splitlines()[:40]
    wanted = expected.splitlines()[:40]

    def ask(process, line):
        process.stdin.write(line + b"\n")
        process.stdin.flush()
        return process.stdout.readline().rstrip(b"\n")

    for part in range(2):
        process = subprocess.Popen(
            command, cwd=project, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for i in range(part * 20, part * 20 + 20):
            assert ask(process, lines[i]) == wanted[i]
            # Also those that were taken before the restart.
            assert ask(process, lines[i // 2]) == wanted[i // 2]
        changed = json.loads(lines[3])
        changed["amount"] += 1
        process.stdin.write(json.dumps(changed).encode() + b"\n")
        process.stdin.close()
        assert process.wait() == 0
        assert process.stdout.read() == b""
    letters = (tmp_path / "letters.jsonl").read_text()
    assert letters.count("event 4 has this id, and other values") == 2


@pytest.mark.parametrize("how", [["--dedupe", "30d"], ["--batch", "3000"]])
def test_repeated_lines_of_a_file_are_decided_once(shrike, project, tmp_path, how):
    lines = (project / "b.jsonl").read_text().splitlines()[:3000]
    draw = random.Random(9)
    repeated = []
    for i, line in enumerate(lines):
        repeated.append(line)
        while draw.random() < 0.3:
            repeated.append(lines[draw.randrange(max(0, i - 100), i + 1)])
    (tmp_path / "plain.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "repeated.jsonl").write_text("\n".join(repeated) + "\n")
    run = ["run", "models:/m/1", "--lateness", "1h"]
    shrike(
        *run, "--source", tmp_path / "plain.jsonl", "--sink", tmp_path / "a.jsonl", cwd=project, check=True
    )
    result = shrike(
        *run,
        "--source",
        tmp_path / "repeated.jsonl",
        "--sink",
        tmp_path / "b.jsonl",
        "--state",
        tmp_path / "state",
        *how,
        cwd=project,
        check=True,
    )
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    assert f"{len(repeated) - len(lines)} events were there before" in result.stderr
    assert "3000 events scored" in result.stderr


def test_ids_are_known_as_the_state_was_kept(shrike, project, tmp_path):
    lines = (project / "a.jsonl").read_text().splitlines(keepends=True)[:60]
    changed = json.dumps({**json.loads(lines[7]), "amount": 0.5}) + "\n"

    def run(state, *how):
        words = ["--source", "-", "--sink", tmp_path / f"{state}.jsonl", "--state", tmp_path / state, *how]
        return shrike(
            "run", "models:/m/1", *words, input="".join(lines) + changed, cwd=project, check=True
        ).stderr

    # A new state knows them: for an hour, because labels are known then.
    first = run("new")
    assert "60 events scored, 1 set aside" in first and "event 8 has this id, and other values" in first
    assert "ids are" not in run("new")
    changes = run("new", "--dedupe", "2h")
    assert "ids were known for 1h, and are for 2h from now on" in changes
    assert "60 events were there before" in changes
    again = run("new")
    assert "ids are known for 2h, as it was kept" in again and "60 events were there before" in again
    ends = run("new", "--dedupe", "0")
    assert "ids were known for 2h, and are not looked at from now on" in ends and "61 events scored" in ends

    assert "61 events scored, 0 set aside" in run("without", "--dedupe", "0")
    goes_on = run("without")
    assert "goes on without looking at ids, as it was kept; --dedupe 1h knows them" in goes_on
    assert "61 events scored, 0 set aside" in goes_on
    begins = run("without", "--dedupe", "1h")
    assert "ids are known for 1h from now on, but for those of events before" in begins
    assert "60 events scored, 1 set aside" in begins


def tell_and_kill(run, lines):
    """Gives a run some lines, waits for each one's decision, and kills it."""
    for line in lines:
        run.stdin.write(line)
        run.stdin.flush()
        while not run.stdout.readline().startswith("{"):
            pass
    run.kill()
    run.communicate()


def test_a_killed_run_says_how_long_ids_are_known(binary, project, tmp_path):
    lines = (project / "a.jsonl").read_text().splitlines(keepends=True)[:5]
    words = ["--source", "-", "--sink", "-", "--state", tmp_path / "state"]
    tell_and_kill(start(binary, project, *words, "--dedupe", "2h"), lines)
    again = start(binary, project, *words)
    output = again.communicate("".join(lines))[0]
    assert again.returncode == 0, output
    assert "ids are known for 2h, as it was kept" in output and "5 events were there before" in output


def test_a_longer_horizon_holds_behind_the_snapshot_before_it(binary, project, tmp_path):
    event = json.loads((project / "a.jsonl").read_text().splitlines()[0])
    lines = [
        json.dumps({**event, "id": day, "ts": f"2024-03-{day:02}T00:00:00"}) + "\n" for day in (1, 2, 5)
    ]
    words = ["--source", "-", "--sink", "-", "--state", tmp_path / "state", "--max-ahead", "0"]
    first = start(binary, project, *words, "--dedupe", "1d")
    assert "1 events scored" in first.communicate(lines[0])[0]
    tell_and_kill(start(binary, project, *words, "--dedupe", "7d"), lines[1:])
    again = start(binary, project, *words)
    output = again.communicate(lines[1])[0]
    assert again.returncode == 0, output
    assert "ids are known for 7d, as it was kept" in output and "1 events were there before" in output


def test_an_event_that_is_ahead_makes_no_id_unknown(shrike, project, tmp_path):
    lines = (project / "a.jsonl").read_text().splitlines(keepends=True)[:10]
    ahead = json.dumps({**json.loads(lines[0]), "id": 99, "ts": "2099-01-01T00:00:00"}) + "\n"
    words = ["--source", "-", "--sink", tmp_path / "out.jsonl", "--state", tmp_path / "state"]
    said = shrike(
        "run", "models:/m/1", *words, input="".join([*lines, ahead] * 2), cwd=project, check=True
    ).stderr
    assert "11 events scored" in said and "1 ahead" in said and "11 events were there before" in said


def test_other_options_of_a_version_are_named(shrike, project, tmp_path):
    words = ["--source", "a.jsonl", "--sink", tmp_path / "out.jsonl", "--state", tmp_path / "state"]

    def run(*how):
        return shrike("run", "models:/m/1", *words, *how, cwd=project, check=True).stderr

    assert "decides" not in run() + run()
    said = run("--explain", "2")
    assert "models:/m/1 decides with other options from now on: --explain 2 (before: 3)" in said
    said = run("--explain", "2", "--explain-from", "0.5", "--threshold", "0.25")
    assert "--threshold 0.25 (before: " in said and "without the version's rules" in said
    assert "--explain-from 0.5 (before: none)" in said and "--explain 2" not in said
    assert "by the version's rules" in run("--explain", "2", "--explain-from", "0.5")


def test_what_was_too_late_is_counted_by_run(shrike, project, tmp_path):
    lines = (project / "a.jsonl").read_text().splitlines(keepends=True)[:200]
    first = json.loads(lines[0])
    late = [json.dumps({**first, "id": 900 + i, "ts": "2024-02-01T00:00:00"}) for i in range(3)]
    words = ["run", "models:/m/1", "--source", "-", "--sink", tmp_path / "out.jsonl"]
    words += ["--state", tmp_path / "state"]

    def run(text):
        return shrike(*words, input=text, cwd=project, check=True).stderr

    assert "200 events scored, 0 set aside, 0 too late" in run("".join(lines))
    assert "3 events scored, 0 set aside, 3 too late" in run("\n".join(late))
    assert "0 events scored, 0 set aside, 0 too late" in run("\n".join(late))


def test_a_column_that_no_line_has_is_pointed_at(shrike, project, tmp_path):
    lines = (project / "a.jsonl").read_text().splitlines()[:50]
    events = [json.loads(line) for line in lines]
    for event in events:
        del event["shop"], event["y"]
    events[0]["card"] = None
    (tmp_path / "bare.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n")
    (tmp_path / "wrong.jsonl").write_text('{"name": "x"}\n' * 50)
    run = ["run", "models:/m/1", "--sink", "-", "--source"]
    said = shrike(*run, tmp_path / "bare.jsonl", cwd=project, check=True).stderr
    # A label may be absent, and a key that is null is there.
    assert said.count("it is NULL") == 1
    assert "bare.jsonl: none of the first 50 events has shop: it is NULL" in said
    said = shrike(*run, tmp_path / "wrong.jsonl", cwd=project, check=True).stderr
    assert said.count("none of the first 50 events has any column of the plan") == 1
    features = ["features", "plan.sql", "--out", "-", "--in", tmp_path / "bare.jsonl"]
    assert "none of the first 50 events has shop" in shrike(*features, cwd=project, check=True).stderr
    assert "none of the first" not in shrike(*run, "a.jsonl", cwd=project, check=True).stderr
