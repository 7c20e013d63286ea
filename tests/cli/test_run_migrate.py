"""`run --state` with another plan: windows that stay keep what they remember, others are filled from history,
and decisions are those of a run that has had the plan from the first event on."""

import json
import shutil
import subprocess

import pytest

from surroundings import clean_environment
from test_labels import PLAN as LABELLED
from test_run_labels import Project
from test_run_labels import write_events as write_labelled_events
from test_run_state import PLAN, write_events

RULES = (
    "SELECT CASE WHEN amount > 100 THEN 'decline' ELSE 'approve' END AS decision,\n"
    "  n > {} AS {} FROM scored;\n"
)
# One group stays, one is other, one is new; a column comes and one goes.
OTHER = (
    PLAN.replace("shop VARCHAR, amount", "shop VARCHAR, land VARCHAR, amount")
    .replace("INTERVAL 5 HOUR PRECEDING", "INTERVAL 6 HOUR PRECEDING")
    .replace(
        "AS risk",
        "AS risk,\n       lag(card) OVER (PARTITION BY shop, land ORDER BY ts) AS before_it,\n"
        "       land IS NULL AS nowhere",
    )
)


@pytest.fixture(scope="module")
def project(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("migrate")
    write_events(folder / "a.jsonl", 6000, 1)
    write_events(folder / "b.jsonl", 3000, 2, first=6000)
    lines = (folder / "b.jsonl").read_text().splitlines()
    with open(folder / "c.jsonl", "w") as out:
        for i, line in enumerate(lines):
            event = json.loads(line)
            out.write(json.dumps({**event, "land": ["de", "fr"][i % 2]}) + "\n")
    (folder / "changed.sql").write_text(PLAN.replace("card INTEGER", "card BIGINT"))
    for name, plan, rule in [("m", PLAN, "often"), ("o", OTHER, "again")]:
        (folder / f"{name}.sql").write_text(plan)
        (folder / f"{name}_rules.sql").write_text(RULES.format(5, rule))
    for name, plan, rules, source in [
        ("m", "m.sql", "m_rules.sql", "a.jsonl"),
        ("o", "o.sql", "o_rules.sql", "c.jsonl"),
        ("t", "changed.sql", "m_rules.sql", "a.jsonl"),
    ]:
        subprocess.run(
            [str(binary), "train", "--name", name, "--plan", plan, "--rules", rules, "--in", source]
            + ["--train", "2024-03-01..2024-03-02", "--rounds", "4", "--threads", "1"],
            cwd=folder,
            check=True,
            env=clean_environment(),
            capture_output=True,
        )
    for model, sources in [("m", ["a.jsonl"]), ("o", ["a.jsonl", "c.jsonl"])]:
        subprocess.run(
            [str(binary), "run", f"models:/{model}/1", "--source", *sources, *HOW]
            + ["--sink", f"{model}_plain.jsonl"],
            cwd=folder,
            check=True,
            env=clean_environment(),
            capture_output=True,
        )
    return folder


HOW = ["--explain", "1", "--lateness", "1h"]


def wanted(project):
    first = (project / "m_plain.jsonl").read_bytes().splitlines(keepends=True)
    second = (project / "o_plain.jsonl").read_bytes().splitlines(keepends=True)
    return b"".join(first + second[len(first) :])


def run(model, state, tmp_path, sources, *more, sink="out.jsonl"):
    return ["run", model, "--source", *sources, *HOW, "--state", state, "--sink", tmp_path / sink, *more]


def test_a_plan_changes_and_past_events_fill_its_windows(shrike, project, tmp_path):
    state = tmp_path / "state"
    shrike(*run("models:/m/1", state, tmp_path, ["a.jsonl"]), cwd=project, check=True)
    other = run("models:/o/1", state, tmp_path, ["a.jsonl", "c.jsonl"])
    result = shrike(*other, cwd=project)
    assert result.returncode != 0
    assert "whose plan differs" in result.stderr and "--backfill journal" in result.stderr
    result = shrike(*other, "--backfill", "journal", cwd=project, check=True)
    assert "another plan from now on; 1 groups of windows stayed, 2 were filled" in result.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == wanted(project)
    # Without asking it goes on now, and the former plan is the other one.
    shrike(*other, cwd=project, check=True)
    result = shrike(*run("models:/m/1", state, tmp_path, ["a.jsonl"]), cwd=project)
    assert result.returncode != 0 and "models:/o/1, whose plan differs" in result.stderr
    # A sink that comes late has each decision as the version made it that decided: plan, rules and all.
    late = run("models:/o/1", state, tmp_path, ["c.jsonl"], sink="late.jsonl")
    shrike(*late, cwd=project, check=True)
    assert (tmp_path / "late.jsonl").read_bytes() == wanted(project)
    assert b'"often"' in wanted(project) and b'"again"' in wanted(project)
    # All of it comes out again.
    result = shrike("replay", "--state", state, "--threads", "2", cwd=project, check=True)
    assert "9000 decisions, from event 1 on: all the same to the bit" in result.stdout
    # Other rules over both plans.
    rules = ["--rules", "m_rules.sql", "--amount", "amount"]
    result = shrike("replay", "--state", state, *rules, "--json", cwd=project, check=True)
    assert json.loads(result.stdout)["decisions"] == 9000 and json.loads(result.stdout)["differing"] == 0
    # Either plan over all of it.
    for model in ("models:/m/1", "models:/o/1"):
        result = shrike("replay", "--state", state, "--model", model, "--json", cwd=project, check=True)
        assert json.loads(result.stdout)["decisions"] == 9000


def test_a_replay_needs_no_registry(shrike, project, tmp_path):
    state = tmp_path / "state"
    shrike(*run("models:/m/1", state, tmp_path, ["a.jsonl"]), cwd=project, check=True)
    other = run("models:/o/1", state, tmp_path, ["a.jsonl", "c.jsonl"], "--backfill", "journal")
    shrike(*other, cwd=project, check=True)
    result = shrike("replay", "--state", state, cwd=tmp_path, check=True)
    assert "9000 decisions, from event 1 on: all the same to the bit" in result.stdout
    shutil.rmtree(state / "versions" / "1")
    result = shrike("replay", "--state", state, cwd=tmp_path)
    assert result.returncode != 0


def test_events_before_the_first_run_are_history_too(shrike, project, tmp_path):
    """Windows that are new remember what the files say; those that stay do not."""
    state = tmp_path / "state"
    lines = (project / "a.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "early.jsonl").write_text("".join(lines[:4000]))
    (tmp_path / "late.jsonl").write_text("".join(lines[4000:]))
    shrike(*run("models:/m/1", state, tmp_path, [tmp_path / "late.jsonl"]), cwd=project, check=True)
    for files, said in [
        (["a.jsonl"], "4000 events of --backfill, up to the first of the journal"),
        ([tmp_path / "early.jsonl"], "4000 events of --backfill; the journal's first is not among them"),
    ]:
        copy = tmp_path / f"copy{len(said)}"
        shutil.copytree(state, copy)
        sink = f"out{len(said)}.jsonl"
        other = run("models:/o/1", copy, tmp_path, ["c.jsonl"], "--backfill", *files, sink=sink)
        result = shrike(*other, cwd=project, check=True)
        assert said in result.stderr
        found = [json.loads(line) for line in (tmp_path / sink).read_text().splitlines()[2000:]]
        full = [json.loads(line) for line in (project / "o_plain.jsonl").read_text().splitlines()[6000:]]
        assert len(found) == len(full) == 3000
        for feature in ("risk", "before_it"):
            assert [row["features"][feature] for row in found] == [row["features"][feature] for row in full]
        assert [row["features"]["mean"] for row in found] != [row["features"]["mean"] for row in full]
        # A replay needs the same files.
        result = shrike("replay", "--state", copy, cwd=project)
        assert result.returncode != 0 and "4000 events of files: give the same ones" in result.stderr
        result = shrike("replay", "--state", copy, "--backfill", *files, cwd=project, check=True)
        assert "5000 decisions, from event 1 on: all the same to the bit" in result.stdout


def test_a_column_keeps_its_type(shrike, project, tmp_path):
    state = tmp_path / "state"
    shrike(*run("models:/m/1", state, tmp_path, ["a.jsonl"]), cwd=project, check=True)
    result = shrike(*run("models:/t/1", state, tmp_path, ["a.jsonl"], "--backfill", "journal"), cwd=project)
    assert result.returncode != 0 and "the column card was INTEGER and is BIGINT now" in result.stderr
    result = shrike("replay", "--state", state, "--model", "models:/t/1", cwd=project)
    assert result.returncode != 0 and "the column card was INTEGER and is BIGINT now" in result.stderr
    shrike(*run("models:/m/1", state, tmp_path, ["a.jsonl"]), cwd=project, check=True)


def test_labels_of_the_past_are_in_the_new_windows(binary, tmp_path):
    """The journal has events and labels in the order in which they came; the new plan takes both again."""
    folder = tmp_path / "project"
    folder.mkdir()
    labelled = Project(binary, folder)
    other = LABELLED.replace("INTERVAL 4 HOUR", "INTERVAL 3 HOUR").replace(
        "FROM tx", ", sum(is_fraud) OVER (PARTITION BY amount ORDER BY ts\n"
        "  RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 HOUR PRECEDING) AS by_amount FROM tx"
    )
    assert other.count("by_amount") == 1
    (folder / "other.sql").write_text(other)
    train = ["--plan", "other.sql", "--rules", "rules.sql", "--in", "events.jsonl", "--labels", "labels.csv"]
    train += ["--split", "stratified", "--rounds", "3", "--threads", "1"]
    labelled.shrike("train", "--name", "o", *train)
    half = labelled.events[:1500]
    write_labelled_events(folder / "half.jsonl", half)
    write_labelled_events(folder / "rest.jsonl", labelled.events[1500:])
    common = ["--labels", "labels.csv", "--explain", "1"]
    labelled.shrike("run", "models:/o/1", "--source", "events.jsonl", "--sink", "other.jsonl", *common)
    state = ["--state", "state", "--sink", "out.jsonl"]
    labelled.shrike("run", "models:/m/1", "--source", "half.jsonl", *common, *state)
    result = labelled.shrike(
        "run", "models:/o/1", "--source", "rest.jsonl", *common, *state, "--backfill", "journal"
    )
    assert "1 groups of windows stayed, 2 were filled" in result.stderr
    found, wanted = labelled.decided("out.jsonl"), labelled.decided("other.jsonl")
    assert found[:1500] == labelled.decisions[:1500]
    assert found[1500:] == wanted[1500:] and len(found) == 3000
    result = labelled.shrike("replay", "--state", "state")
    assert "3000 decisions, from event 1 on: all the same to the bit" in result.stdout
