"""`erase`: events that are erased are in no window any more, and no byte of them is left in the state."""

import json
import random
import struct
import subprocess

import pytest

from surroundings import clean_environment

PLAN = """
CREATE TABLE tx (id VARCHAR PRIMARY KEY, ts TIMESTAMP, card VARCHAR, shop VARCHAR, amount DOUBLE,
                 y TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 hour';
SELECT amount,
       count(*)    OVER (card RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND CURRENT ROW) AS n,
       avg(amount) OVER (card RANGE UNBOUNDED PRECEDING) AS mean,
       count(DISTINCT shop) OVER (card RANGE UNBOUNDED PRECEDING) AS shops{}
FROM tx WINDOW card AS (PARTITION BY card ORDER BY ts);
"""
HOW = "--lateness 10m --dedupe 100d --snapshot-every 60KiB --batch 40 --explain 1".split()


def write_events(path, number, seed):
    draw = random.Random(seed)
    second = seed * 10000
    with open(path, "w") as out:
        for i in range(number):
            second += draw.randrange(3)
            event = {
                "id": f"id-{seed}-{i:05}",
                "ts": f"2024-03-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}",
                "card": f"card-holder-{draw.randrange(50):03}",
                "shop": f"a certain shop {draw.randrange(300):03}",
                "amount": round(draw.lognormvariate(3, 1), 2),
                "y": int(draw.random() < 0.2),
            }
            # What only one event has.
            if i == 700:
                event.update(card="the only card", shop="the only shop", amount=1234567.875)
            out.write(json.dumps(event) + "\n")


@pytest.fixture(scope="module")
def project(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("erase")
    write_events(folder / "a.jsonl", 3000, 1)
    write_events(folder / "b.jsonl", 600, 2)
    (folder / "plan.sql").write_text(PLAN.format(""))
    (folder / "top.sql").write_text(
        PLAN.format(",\n  max(amount) OVER (card RANGE UNBOUNDED PRECEDING) AS top")
    )
    for name, plan in [("m", "plan.sql"), ("top", "top.sql")]:
        command = ["train", "--name", name, "--plan", plan, "--in", "a.jsonl", "--threads", "1"]
        subprocess.run(
            [str(binary), *command, "--train", "2024-03-01..2024-03-02", "--rounds", "4"],
            cwd=folder,
            check=True,
            env=clean_environment(),
            capture_output=True,
        )
    return folder


@pytest.fixture
def shrike_in(binary, project):
    def run(*arguments, status=0):
        done = subprocess.run(
            [str(binary), *map(str, arguments)],
            cwd=project,
            env=clean_environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
        return done

    return run


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def take(shrike_in, state, sink, *sources, model="models:/m/1", more=()):
    return shrike_in("run", model, "--source", *sources, "--sink", sink, "--state", state, *HOW, *more)


def test_no_byte_is_left_and_a_replay_says_so(shrike_in, project, tmp_path):
    state = tmp_path / "state"
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl")
    # Another key's, and the newest.
    ids = ["id-1-00700", "id-1-00010", "id-1-02990"]
    dry = json.loads(shrike_in("erase", "--state", state, "--id", *ids, "--dry-run", "--json").stdout)
    assert dry["events"] == 3 and dry["erased"] == 0
    whole = bytes_of(state)
    assert b"the only card" in whole and b"the only shop" in whole
    done = json.loads(shrike_in("erase", "--state", state, "--id", *ids, "nobody", "--json").stdout)
    assert done["erased"] == 3 and done["carried_out"] and done["segments"] >= 1 and done["unknown"] == 1
    assert done["traces"] == []
    left = bytes_of(state)
    gone = [b"the only card", b"the only shop", struct.pack("<d", 1234567.875), *map(str.encode, ids)]
    assert not [text for text in gone if text in left]
    assert b"id-1-00701" in left
    again = json.loads(shrike_in("erase", "--state", state, "--id", *ids, "--json").stdout)
    assert again["events"] == 0 and again["unknown"] == 3
    said = json.loads(shrike_in("replay", "--state", state, "--json").stdout)
    assert said["equal"] and said["erased"] == 3 and said["decisions"] == 2997 and said["touched"] > 0
    # A new sink gets all but those.
    take(shrike_in, state, tmp_path / "new.jsonl", "a.jsonl")
    told = [json.loads(line) for line in (tmp_path / "new.jsonl").read_text().splitlines()]
    assert len(told) == 2997 and not {event["id"] for event in told} & set(ids)


def test_windows_go_on_as_if_they_had_never_been(shrike_in, project, tmp_path):
    """All events of a customer: what comes later is decided as without them."""
    state, card = tmp_path / "state", "card-holder-017"
    (tmp_path / "without.jsonl").write_text(
        "".join(line for line in (project / "a.jsonl").open() if card not in line)
    )
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl")
    done = json.loads(shrike_in("erase", "--state", state, "--where", f"card={card}", "--json").stdout)
    assert done["erased"] > 20
    assert card.encode() not in bytes_of(state)
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl", "b.jsonl")
    take(shrike_in, tmp_path / "other", tmp_path / "expected.jsonl", tmp_path / "without.jsonl", "b.jsonl")

    def later(path):
        events = (json.loads(line) for line in path.read_text().splitlines())
        return [{k: v for k, v in event.items() if k != "seq"} for event in events if event["id"] > "id-2"]

    assert len(later(tmp_path / "out.jsonl")) == 600
    assert later(tmp_path / "out.jsonl") == later(tmp_path / "expected.jsonl")
    assert json.loads(shrike_in("replay", "--state", state, "--json").stdout)["equal"]


def test_later_windows_forget_at_once_and_a_run_carries_it_out(shrike_in, project, tmp_path):
    state = tmp_path / "state"
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl")
    ids = tmp_path / "ids"
    ids.write_text("id-1-00700\nid-1-00010\n")
    done = json.loads(shrike_in("erase", "--state", state, "--ids", ids, "--later", "--json").stdout)
    assert done["erased"] == 2 and not done["carried_out"]
    assert b"the only card" in bytes_of(state)
    said = json.loads(shrike_in("replay", "--state", state, "--json").stdout)
    assert said["equal"] and said["erased"] == 0 and said["decisions"] == 3000
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl", "b.jsonl")
    assert b"the only card" in bytes_of(state)
    run = take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl", more=["--erase-within", "0s"])
    assert "erased events are gone from the disk" in run.stderr
    assert b"the only card" not in bytes_of(state)
    said = json.loads(shrike_in("replay", "--state", state, "--json").stdout)
    assert said["equal"] and said["erased"] == 2 and said["decisions"] == 3598


def test_an_id_that_was_erased_is_a_new_event(shrike_in, project, tmp_path):
    state = tmp_path / "state"
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl")
    shrike_in("erase", "--state", state, "--id", "id-1-02999")
    before, last = (project / "a.jsonl").read_text().splitlines()[-2:]
    (tmp_path / "again.jsonl").write_text(last + "\n" + before + "\n")
    run = take(shrike_in, state, tmp_path / "out.jsonl", tmp_path / "again.jsonl")
    assert "1 events were there before" in run.stderr
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[-1])["seq"] == 3001


def test_what_keeps_a_trace_is_named(shrike_in, project, tmp_path):
    """The largest amount ever cannot be taken back once its event is no longer retained."""
    state = tmp_path / "state"
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl", "b.jsonl", model="models:/top/1")
    largest = {}
    for line in (project / "a.jsonl").read_text().splitlines()[:1000]:
        event = json.loads(line)
        if event["card"] != "the only card" and event["amount"] > largest.get("amount", 0):
            largest = event
    done = shrike_in("erase", "--state", state, "--id", largest["id"])
    assert "top may still say something of them" in done.stderr
    assert "mean may" not in done.stderr


def test_what_cannot_be_asked_for_is_said(shrike_in, project, tmp_path):
    assert "no state directory" in shrike_in("erase", "--state", tmp_path / "x", "--id", "1", status=5).stderr
    state = tmp_path / "state"
    take(shrike_in, state, tmp_path / "out.jsonl", "b.jsonl")
    assert "which events?" in shrike_in("erase", "--state", state, status=2).stderr
    assert "no column" in shrike_in("erase", "--state", state, "--where", "nothing=1", status=2).stderr
    assert "expected COLUMN=VALUE" in shrike_in("erase", "--state", state, "--where", "x", status=2).stderr


def test_what_no_value_can_be_is_a_mistake(shrike_in, project, tmp_path):
    state = tmp_path / "state"
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl")
    for where, said in [
        ("amount=much", "amount is DOUBLE, and 'much' is no value of that"),
        ("y=yes", "y is TINYINT, and 'yes' is no value of that"),
        ("ts=yesterday", "ts is TIMESTAMP, and 'yesterday' is no value of that"),
    ]:
        assert said in shrike_in("erase", "--state", state, "--where", where, status=2).stderr
    # However it is written.
    words = ["erase", "--state", state, "--dry-run", "--where"]
    assert shrike_in(*words, "amount=1.234567875e6").stdout == "1 events would be erased\n"
    twice = shrike_in("erase", "--state", state, "--id", "nobody", "nobody", "id-1-00700", "--dry-run")
    assert "1 of 2 are nobody's" in twice.stderr


def test_what_is_erased_already_is_not_counted_again(shrike_in, project, tmp_path):
    state = tmp_path / "state"
    take(shrike_in, state, tmp_path / "out.jsonl", "a.jsonl")
    words = ["erase", "--state", state, "--id", "id-1-00700", "id-1-00010"]
    shrike_in(*words[:-1], "--later")
    assert shrike_in(*words, "--dry-run").stdout == "1 events would be erased\n"
    assert json.loads(shrike_in(*words, "--dry-run", "--json").stdout)["events"] == 1
