"""`replay`: past decisions come out again to the bit; other rules, models and thresholds are compared with
what `run` says over the same events."""

import collections
import json
import shutil

import pytest

from test_run_state import PLAN, write_events

RULES = "SELECT CASE WHEN amount > {} THEN 'decline' ELSE 'approve' END AS decision FROM scored;\n"


@pytest.fixture(scope="module")
def folder(binary, tmp_path_factory):
    import subprocess

    from surroundings import clean_environment

    folder = tmp_path_factory.mktemp("replay")

    def shrike(*arguments):
        subprocess.run(
            [str(binary), *arguments], cwd=folder, check=True, env=clean_environment(), capture_output=True
        )

    write_events(folder / "a.jsonl", 3000, 1)
    write_events(folder / "b.jsonl", 2000, 2, first=3000)
    (folder / "plan.sql").write_text(PLAN)
    (folder / "other.sql").write_text(PLAN.replace("10 MINUTE", "30 MINUTE"))
    for limit in (30, 90):
        (folder / f"rules{limit}.sql").write_text(RULES.format(limit))
    for name, plan, rounds in [("m", "plan.sql", "5"), ("m", "plan.sql", "9"), ("o", "other.sql", "4")]:
        shrike(
            "train",
            "--name",
            name,
            "--plan",
            plan,
            "--rules",
            "rules90.sql",
            "--in",
            "a.jsonl",
            "--train",
            "2024-03-01..2024-03-02",
            "--rounds",
            rounds,
            "--threads",
            "1",
        )
    # Two versions, one after the other, in small batches, with snapshots between.
    run = ["--sink", "out.jsonl", "--state", "state", "--lateness", "10m", "--snapshot-every", "100KiB"]
    shrike("run", "models:/m/1", "--source", "a.jsonl", "--batch", "50", "--explain", "2", *run)
    shrike("run", "models:/m/2", "--source", "a.jsonl", "b.jsonl", "--explain", "0", *run)
    return folder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_past_decisions_come_out_again_to_the_bit(shrike, folder):
    result = shrike("replay", "--state", "state", "--threads", "2", cwd=folder, check=True)
    assert "5000 decisions, from event 1 on: all the same to the bit" in result.stdout
    result = shrike("replay", "--state", "state", "--json", cwd=folder, check=True)
    assert json.loads(result.stdout) == {
        "decisions": 5000,
        "first": 1,
        "equal": True,
        "erased": 0,
        "touched": 0,
    }


def test_other_rules_are_compared_with_what_was_decided(shrike, folder):
    result = shrike(
        "replay",
        "--state",
        "state",
        "--rules",
        "rules30.sql",
        "--amount",
        "amount",
        "--out",
        "changed.jsonl",
        "--json",
        cwd=folder,
        check=True,
    )
    found = json.loads(result.stdout)
    events = lines(folder / "a.jsonl") + lines(folder / "b.jsonl")
    pairs = collections.Counter()
    for event in events:
        pairs[
            "decline" if event["amount"] > 90 else "approve", "decline" if event["amount"] > 30 else "approve"
        ] += 1
    assert {(row["then"], row["now"]): row["events"] for row in found["changes"]} == pairs
    changed = lines(folder / "changed.jsonl")
    assert found["differing"] == len(changed) == pairs["approve", "decline"] > 0
    assert all(row["then"] == "approve" and row["now"] == "decline" for row in changed)
    assert all(30 < events[row["seq"] - 1]["amount"] <= 90 for row in changed)
    frauds = [event for event in events if event["y"]]
    assert found["fraud"]["events"] == len(frauds) and found["labelled"] == 5000
    assert found["fraud"]["alerts_now"] == sum(event["amount"] > 30 for event in frauds)
    assert found["fraud"]["alert_amount_now"] == pytest.approx(
        sum(event["amount"] for event in frauds if event["amount"] > 30)
    )
    text = shrike("replay", "--state", "state", "--rules", "rules30.sql", cwd=folder, check=True).stdout
    assert f"5000 decisions, {len(changed)} would differ" in text and "of known fraud" in text


def test_another_plan_and_model_decide_as_score_does(shrike, folder):
    shrike(
        "replay",
        "--state",
        "state",
        "--model",
        "models:/o/1",
        "--threshold",
        "0.3",
        "--out",
        "by_other.jsonl",
        cwd=folder,
        check=True,
    )
    shrike(
        "run",
        "models:/o/1",
        "--source",
        "a.jsonl",
        "b.jsonl",
        "--sink",
        "plain.jsonl",
        "--threshold",
        "0.3",
        "--lateness",
        "10m",
        cwd=folder,
        check=True,
    )
    then = {row["seq"]: row for row in lines(folder / "out.jsonl")}
    now = {row["seq"]: row for row in lines(folder / "plain.jsonl")}
    changed = {row["seq"]: row["now"] for row in lines(folder / "by_other.jsonl")}
    assert changed == {
        seq: row["decision"] for seq, row in now.items() if row["decision"] != then[seq]["decision"]
    }
    assert changed


def test_a_span_counts_its_own_events_alone(shrike, folder):
    span = "2024-03-01T00:02:00..2024-03-01T00:04:00"
    found = json.loads(
        shrike(
            "replay",
            "--state",
            "state",
            "--rules",
            "rules30.sql",
            "--span",
            span,
            "--json",
            cwd=folder,
            check=True,
        ).stdout
    )
    times = [event["ts"] for event in lines(folder / "a.jsonl") + lines(folder / "b.jsonl")]
    assert found["decisions"] == sum("2024-03-01T00:02" <= time < "2024-03-01T00:04" for time in times) > 0


def test_what_cannot_be_replayed_is_refused(shrike, folder, tmp_path):
    result = shrike("replay", "--state", tmp_path / "none", cwd=folder)
    assert result.returncode != 0 and "is no state directory" in result.stderr
    assert not (tmp_path / "none").exists()
    result = shrike("replay", "--state", "state", "--out", "x.jsonl", cwd=folder)
    assert result.returncode != 0 and "--model, --rules" in result.stderr
    for amount in ("nothing", "ts"):
        words = ["--rules", "rules30.sql", "--amount", amount]
        result = shrike("replay", "--state", "state", *words, cwd=folder)
        assert result.returncode != 0 and "no such column of numbers" in result.stderr
    (folder / "broken.sql").write_text(
        "SELECT CASE WHEN nothing > 3 THEN 'decline' END AS decision FROM scored"
    )
    result = shrike("replay", "--state", "state", "--rules", "broken.sql", cwd=folder)
    assert result.returncode != 0 and "broken.sql" in result.stderr


def test_versions_are_kept_with_the_state(shrike, folder, tmp_path):
    """Without a registry they are there; damaged or taken away they are missed by name."""
    state = tmp_path / "state"
    shutil.copytree(folder / "state", state)
    result = shrike("replay", "--state", state, "--registry", "elsewhere", cwd=tmp_path, check=True)
    assert "5000 decisions, from event 1 on: all the same to the bit" in result.stdout
    model = state / "versions" / "2" / "model.json"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    result = shrike("replay", "--state", state, cwd=folder)
    assert result.returncode != 0 and "versions/2" in result.stderr and "model.json" in result.stderr
    shutil.rmtree(state / "versions" / "2")
    shrike("replay", "--state", state, cwd=folder, check=True)
    result = shrike("replay", "--state", state, "--registry", "elsewhere", cwd=folder)
    assert result.returncode != 0 and "elsewhere" in result.stderr
