"""`run --labels`, with a state and without: the bits of `features --labels`, wherever it is killed and
however the labels lie in their files. SHRIKE_KILLS says how often it is killed."""

import json
import os
import random
import signal
import subprocess
import time as clock

import pytest

from surroundings import clean_environment
from test_labels import PLAN, make, rows_of, time

RULES = """SELECT CASE WHEN frauds > 2 THEN 'review' ELSE 'approve' END AS decision, ever > 20 AS many
FROM scored"""


def known_apart(labels):
    """No two labels of one id and one time: then their order in the files says nothing."""
    seen, out = set(), []
    for event, value, minute in labels:
        if (event, minute) not in seen:
            seen.add((event, minute))
            out.append((event, value, minute))
    return out


def write_labels(path, labels):
    with open(path, "w", encoding="utf-8") as file:
        if path.suffix == ".csv":
            file.write("id,is_fraud,label_time\n")
        for event, value, minute in labels:
            if path.suffix == ".csv":
                file.write(f"{event},{value},{time(minute)}\n")
            else:
                file.write(
                    json.dumps({"id": event, "is_fraud": value, "label_time": time(minute)}) + "\n"
                )


def write_events(path, events):
    with open(path, "w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event | {"ts": time(event["minute"]), "is_fraud": 1}) + "\n")


class Project:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.events, labels = make()
        self.labels = known_apart(labels)
        self.known = [label for label in self.labels if not label[0].startswith("nobody")]
        write_events(folder / "events.jsonl", self.events)
        write_labels(folder / "labels.csv", self.labels)
        (folder / "plan.sql").write_text(PLAN)
        (folder / "rules.sql").write_text(RULES)
        self.shrike("train", "--name", "m", "--plan", "plan.sql", "--rules", "rules.sql",
                    "--in", "events.jsonl", "--labels", "labels.csv", "--split", "stratified",
                    "--rounds", "5", "--threads", "1")
        self.shrike("features", "plan.sql", "--in", "events.jsonl", "--labels", "labels.csv", "--keep", "id",
                    "--out", "features.jsonl")
        self.features = rows_of(folder / "features.jsonl")
        self.run("events.jsonl", "labels.csv", "plain.jsonl")
        self.decisions = self.decided("plain.jsonl")

    def shrike(self, *arguments, check=True):
        result = subprocess.run([str(self.binary), *map(str, arguments)], cwd=self.folder, check=False,
                                env=clean_environment(), capture_output=True, text=True)
        assert result.returncode == 0 or not check, result.stderr
        return result

    def command(self, source, labels, sink, *options):
        labels = [labels] if isinstance(labels, str) else labels
        return ["run", "models:/m/1", "--source", source, "--sink", sink, "--explain", "1",
                *(["--labels", *labels] if labels else []), *options]

    def run(self, *arguments, check=True):
        return self.shrike(*self.command(*arguments), check=check)

    def decided(self, path):
        """What was decided, without the numbers, which labels take, too."""
        rows = rows_of(self.folder / path)
        return [{key: value for key, value in row.items() if key != "seq"} for row in rows]


@pytest.fixture(scope="module")
def project(binary, tmp_path_factory):
    return Project(binary, tmp_path_factory.mktemp("labels"))


def test_every_way_to_score_gives_the_bits_of_features(project, tmp_path):
    assert [row["features"] for row in project.decisions] == [
        {key: value for key, value in row.items() if key != "id"} for row in project.features
    ]
    project.run("events.jsonl", "labels.csv", tmp_path / "state.jsonl", "--state", tmp_path / "state")
    assert project.decided(tmp_path / "state.jsonl") == project.decisions
    project.shrike("score", "models:/m/1", "--in", "events.jsonl", "--labels", "labels.csv", "--out",
                   tmp_path / "scored.jsonl")
    assert [(row["id"], row["score"], row["decision"]) for row in rows_of(tmp_path / "scored.jsonl")] == [
        (row["id"], row["score"], row["decision"]) for row in project.decisions
    ]
    # Without labels of their own, events are taken at their word.
    project.run("events.jsonl", None, tmp_path / "lies.jsonl")
    assert project.decided(tmp_path / "lies.jsonl") != project.decisions


@pytest.mark.parametrize("batch", ["1", "7", "5000"])
def test_batches_do_not_show(project, tmp_path, batch):
    project.run("events.jsonl", "labels.csv", tmp_path / "out.jsonl", "--batch", batch,
                "--state", tmp_path / "state")
    assert project.decided(tmp_path / "out.jsonl") == project.decisions


def test_the_order_of_rows_and_files_does_not_show(project, tmp_path):
    dice = random.Random(7)
    for trial in range(4):
        labels = project.labels[:]
        dice.shuffle(labels)
        cut = dice.randrange(len(labels))
        write_labels(tmp_path / "a.csv", labels[:cut])
        write_labels(tmp_path / "b.csv", labels[cut:])
        sink = tmp_path / f"{trial}.jsonl"
        project.run("events.jsonl", [tmp_path / "b.csv", tmp_path / "a.csv"], sink, "--state",
                    tmp_path / f"state{trial}")
        assert project.decided(sink) == project.decisions


def test_stopped_anywhere_it_goes_on_alike(project, tmp_path):
    dice = random.Random(8)
    sink, state, at = tmp_path / "out.jsonl", tmp_path / "state", 0
    labels = [tmp_path / "labels.jsonl"]
    write_labels(labels[0], project.labels)
    while at < len(project.events):
        at = min(at + dice.randrange(1, 900), len(project.events))
        write_events(tmp_path / "events.jsonl", project.events[:at])
        project.run(tmp_path / "events.jsonl", labels, sink, "--state", state)
    assert project.decided(sink) == project.decisions
    result = project.run(tmp_path / "events.jsonl", labels, sink, "--state", state)
    assert f"{len(project.labels)} labels, 0 told to the windows" in result.stderr


def test_killed_again_and_again_no_label_is_lost_or_told_twice(project, tmp_path):
    kills, killed, whole, draw = int(os.environ.get("SHRIKE_KILLS", "25")), 0, 0, random.Random(3)
    project.run("events.jsonl", "labels.csv", tmp_path / "once.jsonl", "--batch", "16",
                "--state", tmp_path / "once")
    # With the numbers of events: a label that was written twice would take one more.
    expected = (tmp_path / "once.jsonl").read_bytes()
    while killed < kills:
        sink = tmp_path / f"{whole}.jsonl"
        command = [str(project.binary), *map(str, project.command(
            "events.jsonl", "labels.csv", sink, "--batch", "16", "--snapshot-every", "40KiB",
            "--dead-letters", tmp_path / f"{whole}.letters", "--state", tmp_path / f"state{whole}"))]
        for _ in range(8):
            process = subprocess.Popen(command, cwd=project.folder, env=clean_environment(),
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            clock.sleep(draw.uniform(0.02, 0.35))
            process.send_signal(signal.SIGKILL)
            output = process.communicate()[0].decode()
            assert process.returncode in (-signal.SIGKILL, 0), output
            killed += process.returncode != 0
        done = subprocess.run(command, cwd=project.folder, env=clean_environment(), capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert sink.read_bytes() == expected
        letters = (tmp_path / f"{whole}.letters").read_text()
        assert all(f"nobody-{i}" in letters for i in range(5))
        whole += 1


def test_a_file_that_grew_is_read_on(project, tmp_path):
    """New labels, also of long ago, count from the next event on; those read before are not told again."""
    half = len(project.events) // 2
    labels, sink, state = tmp_path / "labels.csv", tmp_path / "out.jsonl", tmp_path / "state"
    first, later = project.known[::2], project.known[1::2]
    write_events(tmp_path / "events.jsonl", project.events[:half])
    write_labels(labels, first)
    project.run(tmp_path / "events.jsonl", [labels], sink, "--state", state)
    write_events(tmp_path / "events.jsonl", project.events)
    write_labels(labels, first + later)
    project.run(tmp_path / "events.jsonl", [labels], sink, "--state", state)
    write_labels(tmp_path / "first.csv", first)
    write_labels(tmp_path / "all.csv", first + later)
    for name, count in [("first", half), ("all", len(project.events))]:
        write_events(tmp_path / f"{name}.jsonl", project.events[:count])
        project.shrike("features", "plan.sql", "--in", tmp_path / f"{name}.jsonl", "--labels",
                       tmp_path / f"{name}.csv", "--out", tmp_path / f"{name}.out.jsonl")
    found = [row["features"] for row in project.decided(sink)]
    assert found[:half] == rows_of(tmp_path / "first.out.jsonl")
    assert found[half:] == rows_of(tmp_path / "all.out.jsonl")[half:]
    assert found[:half] != rows_of(tmp_path / "all.out.jsonl")[:half]


def test_labels_of_unknown_ids_go_to_the_dead_letters(project, tmp_path):
    letters = tmp_path / "letters.jsonl"
    result = project.run("events.jsonl", "labels.csv", tmp_path / "out.jsonl", "--state", tmp_path / "state",
                         "--dead-letters", letters)
    errors = [row["error"] for row in rows_of(letters)]
    assert sorted(errors) == [
        f'labels of id "nobody-{i}": no event of that id is known, and none came in time' for i in range(5)
    ]
    assert "5 labels have an id that no event has" in result.stderr
    assert "3000 events are kept for labels to come" in result.stderr


def test_what_is_refused(project, tmp_path):
    labels, sink, state = tmp_path / "labels.csv", tmp_path / "out.jsonl", tmp_path / "state"
    write_labels(labels, project.known)
    project.run("events.jsonl", [labels], sink, "--state", state)
    result = project.run("events.jsonl", None, sink, "--state", state, check=False)
    assert result.returncode == 6 and "was kept with --labels: give them, where there" in result.stderr
    (tmp_path / "none.csv").write_text("id,is_fraud,label_time\n")
    project.run("events.jsonl", [tmp_path / "none.csv"], sink, "--state", state)
    write_labels(labels, project.known[:100])
    result = project.run("events.jsonl", [labels], sink, "--state", state, check=False)
    assert result.returncode == 6
    assert f"has 100 rows, and {len(project.known)} of it were read before" in result.stderr
    project.run("events.jsonl", None, tmp_path / "b.jsonl", "--state", tmp_path / "b")
    result = project.run("events.jsonl", [labels], tmp_path / "b.jsonl", "--state", tmp_path / "b",
                         check=False)
    assert result.returncode == 6 and "was kept without --labels" in result.stderr
    cases = [
        ("id,is_fraud,when\na,1,2024-03-01", "label_time"),
        ("id,fraud,label_time\na,1,2024-03-01", "none of the plan's late columns (is_fraud)"),
        ("id,is_fraud,label_time\na,1,", "row 1: label_time is NULL"),
        ("id,is_fraud,label_time\n,1,2024-03-01", "row 1: id is NULL"),
        ("id,is_fraud,label_time\na,maybe,2024-03-01", "is_fraud"),
    ]
    for number, (text, words) in enumerate(cases):
        (tmp_path / "bad.csv").write_text(text + "\n")
        for options in [[], ["--state", tmp_path / f"bad{number}"]]:
            result = project.run("events.jsonl", [tmp_path / "bad.csv"], tmp_path / "bad.jsonl", *options,
                                 check=False)
            assert result.returncode != 0 and words in result.stderr, (words, result.stderr)
    result = project.run("events.jsonl", [tmp_path / "absent.csv"], tmp_path / "bad.jsonl", check=False)
    assert result.returncode != 0 and "absent.csv" in result.stderr


def test_replays_follow_the_labels(project, tmp_path):
    """To the bit; and what others would have decided is counted by what labels say, not events."""
    state = tmp_path / "state"
    project.run("events.jsonl", "labels.csv", tmp_path / "out.jsonl", "--state", state,
                "--snapshot-every", "40KiB")
    result = project.shrike("replay", "--state", state)
    assert "3000 decisions, from event 1 on: all the same to the bit" in result.stdout
    (tmp_path / "rules.sql").write_text(
        "SELECT CASE WHEN amount > 25 THEN 'review' ELSE 'approve' END AS decision FROM scored")
    result = project.shrike("replay", "--state", state, "--rules", tmp_path / "rules.sql", "--json")
    found = json.loads(result.stdout)
    last = project.events[-1]["minute"]
    ends = {}
    for event, value, minute in sorted(project.known, key=lambda label: label[2]):
        if minute <= last:
            ends[event] = value
    amounts = {event["id"]: event["amount"] for event in project.events}
    frauds = [event for event, value in ends.items() if value]
    assert found["labelled"] == len(ends) < 3000 and found["fraud"]["events"] == len(frauds)
    assert found["fraud"]["alerts_now"] == sum(amounts[event] > 25 for event in frauds)
    # A version with another plan is told them, too.
    (project.folder / "other.sql").write_text(PLAN.replace("INTERVAL 4 HOUR", "INTERVAL 9 HOUR"))
    (project.folder / "odd.sql").write_text(
        "SELECT CASE WHEN frauds % 2 = 1 THEN 'review' ELSE 'approve' END AS decision FROM scored")
    project.shrike("train", "--name", "o", "--plan", "other.sql", "--rules", "odd.sql",
                   "--in", "events.jsonl", "--labels", "labels.csv", "--split", "stratified",
                   "--rounds", "3", "--threads", "1")
    project.shrike("run", "models:/o/1", "--source", "events.jsonl", "--labels", "labels.csv", "--sink",
                   tmp_path / "other.jsonl")
    project.shrike("replay", "--state", state, "--model", "models:/o/1", "--out", tmp_path / "changed.jsonl")
    then = {row["id"]: row["decision"] for row in project.decisions}
    now = {row["id"]: row["decision"] for row in project.decided(tmp_path / "other.jsonl")}
    changed = {row["id"]: row["now"] for row in rows_of(tmp_path / "changed.jsonl")}
    assert changed == {event: decision for event, decision in now.items() if decision != then[event]} != {}
