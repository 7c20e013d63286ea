"""`run --max-ahead`: clocks that are wrong do not move the time, and pauses do."""

import json
import subprocess

import pytest

from surroundings import clean_environment
from test_erase import PLAN, write_events


@pytest.fixture(scope="module")
def folder(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ahead")
    write_events(folder / "a.jsonl", 1000, 1)
    (folder / "plan.sql").write_text(PLAN.format(""))
    command = ["train", "--name", "m", "--plan", "plan.sql", "--in", "a.jsonl", "--threads", "1"]
    subprocess.run(
        [str(binary), *command, "--train", "2024-03-01..2024-03-02", "--rounds", "4"],
        cwd=folder,
        check=True,
        env=clean_environment(),
        capture_output=True,
    )
    return folder


def event(number, ts):
    values = {"id": f"n{number}", "ts": f"2024-03-{ts}", "card": "c", "shop": "s", "amount": 1, "y": 0}
    return json.dumps(values)


def run(shrike, folder, stamps, *more):
    lines = "".join(event(i, ts) + "\n" for i, ts in enumerate(stamps))
    command = ["run", "models:/m/1", "--source", "-", "--sink", "-", *more]
    done = shrike(*command, cwd=folder, input=lines, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_wrong_clock_is_marked_and_moves_nothing(shrike, folder):
    told, log = run(shrike, folder, ["01T00:00:00", "09T00:00:00", "01T00:00:01", "01T00:00:02"])
    assert [("ahead" in line, line["features"]["n"]) for line in told] == [
        (False, 1),
        (True, 1),
        (False, 2),
        (False, 3),
    ]
    # What it sees itself: all that came before it.
    assert told[1]["features"]["shops"] == 1
    assert "0 too late for the windows, 1 ahead of time" in log
    # Without a limit it makes the others too late.
    told, log = run(
        shrike, folder, ["01T00:00:00", "09T00:00:00", "01T00:00:01"], "--max-ahead", "0", "--lateness", "1h"
    )
    assert "ahead" not in told[1] and told[2]["too_late"] is True


def test_after_a_pause_time_moves_on(shrike, folder):
    later = [f"05T00:00:{second:02}" for second in range(12)]
    told, _ = run(shrike, folder, ["01T00:00:00", *later])
    assert ["ahead" in line for line in told] == [False] + 7 * [True] + 5 * [False]
    assert [line["features"]["n"] for line in told[8:]] == [1, 2, 3, 4, 5]


def test_one_that_is_not_ahead_ends_a_row(shrike, folder):
    ahead = [f"05T00:00:{second:02}" for second in range(7)]
    told, _ = run(shrike, folder, ["01T00:00:00", *ahead, "01T00:00:01", *ahead, "01T00:00:02"])
    assert [line["features"]["n"] for line in told if "ahead" not in line] == [1, 2, 3]
    assert sum("ahead" in line for line in told) == 14


def test_the_first_event_moves_the_time_and_a_clock_that_goes_back_is_late(shrike, folder):
    told, log = run(shrike, folder, ["09T00:00:00", "01T00:00:03", "01T00:00:02", "01T00:00:01"])
    assert ["too_late" in line for line in told] == [False, True, True, True]
    assert "3 too late for the windows, 0 ahead of time" in log


def test_a_state_keeps_to_it(shrike, folder, tmp_path):
    stamps = ["01T00:00:00", "09T00:00:00", "01T00:00:01"]
    told, _ = run(shrike, folder, stamps, "--state", tmp_path / "state")
    assert ["ahead" in line for line in told] == [False, True, False]
    lines = "".join(event(i, ts) + "\n" for i, ts in enumerate(stamps))
    refused = shrike(
        *["run", "models:/m/1", "--source", "-", "--sink", "-", "--state", tmp_path / "state"],
        *["--max-ahead", "2h"],
        cwd=folder,
        input=lines,
    )
    assert refused.returncode and "was kept with --max-ahead 1h, not 2h" in refused.stderr
    again = shrike("replay", "--state", tmp_path / "state", "--json", cwd=folder, check=True)
    assert json.loads(again.stdout)["equal"]
    # A sink that is filled from the journal has the mark, too.
    (tmp_path / "one.jsonl").write_text(event(9, "01T00:00:02") + "\n")
    shrike(
        *["run", "models:/m/1", "--source", tmp_path / "one.jsonl", "--sink", tmp_path / "new.jsonl"],
        *["--state", tmp_path / "state", "--max-ahead", "1h"],
        cwd=folder,
        check=True,
    )
    told = [json.loads(line) for line in (tmp_path / "new.jsonl").read_text().splitlines()]
    assert ["ahead" in line for line in told] == [False, True, False, False]
