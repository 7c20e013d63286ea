"""Columns that are secret: in nothing that a run or a replay says is their value in clear."""

import hashlib
import hmac
import json
import random
import subprocess

import pytest

from surroundings import clean_environment

PLAN = """
CREATE TABLE tx (id VARCHAR PRIMARY KEY, ts TIMESTAMP, card VARCHAR, pin INTEGER, amount DOUBLE,
                 y TINYINT DEFAULT 0);
COMMENT ON COLUMN tx.id IS 'shrike: secret';
COMMENT ON COLUMN tx.card IS 'shrike: secret';
COMMENT ON COLUMN tx.pin IS 'shrike: secret';
COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 hour';
SELECT amount, pin, pin + 1 AS next, pin > 5000 AS high,
       count(*) OVER (PARTITION BY card ORDER BY ts
                      RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n
FROM tx;
"""
RULES = "SELECT CASE WHEN amount > {} THEN 'decline' ELSE 'approve' END AS decision FROM scored;\n"
KEY = b"a key of thirty-two bytes or so."


@pytest.fixture(scope="module")
def folder(binary, tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("secret"), random.Random(1)
    with open(folder / "a.jsonl", "w") as out:
        for i in range(300):
            event = {
                "id": f"clear-id-{i}",
                "ts": f"2024-03-01T00:{i // 60:02}:{i % 60:02}",
                "card": f"clear-card-{i % 7}",
                "pin": 7770000 + draw.randrange(1000),
                "amount": draw.randrange(100),
                "y": i % 2,
            }
            out.write(json.dumps(event) + "\n")
            if i in (10, 20, 30):
                out.write(f'{{"id": "clear-id-x", "card": "clear-card-x", "pin": "clear-pin-{i}", \n')
                out.write(json.dumps(dict(event, pin="clear-pin")) + "\n")
                out.write(json.dumps(dict(event, ts=None)) + "\n")
    (folder / "good.jsonl").write_text(
        "".join(line for line in open(folder / "a.jsonl") if line.endswith("}\n") and "clear-pin" not in line)
        .replace('"ts": null', '"ts": "2024-03-01T00:59:59"')
    )
    (folder / "plan.sql").write_text(PLAN)
    for limit in (30, 60):
        (folder / f"rules{limit}.sql").write_text(RULES.format(limit))
    (folder / "key").write_bytes(KEY + b"\n")
    command = ["train", "--name", "m", "--plan", "plan.sql", "--rules", "rules30.sql", "--in", "good.jsonl"]
    subprocess.run(
        [str(binary), *command, "--train", "2024-03-01..2024-03-02", "--rounds", "4", "--threads", "1"],
        cwd=folder,
        check=True,
        env=clean_environment(),
        capture_output=True,
    )
    return folder


def hash_of(text):
    return "hmac:" + hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize("keyed", [True, False])
def test_nothing_is_said_in_clear(shrike, folder, tmp_path, keyed):
    key = ["--secret-key-file", "key"] if keyed else []
    run = ["run", "models:/m/1", "--source", "a.jsonl", "--state", tmp_path / "state", "--dedupe", "1d", *key]
    texts = []
    letters = ["--dead-letters", tmp_path / "dead.jsonl"]
    for more in (["--sink", tmp_path / "out.jsonl", *letters], ["--sink", tmp_path / "new.jsonl"]):
        texts.append(shrike(*run, *more, cwd=folder, check=True))
    again = ["run", "models:/m/1", "--source", "-", "--sink", "-", "--state", tmp_path / "state"]
    lines = (folder / "a.jsonl").read_text()
    again += ["--dedupe", "1d", "--max-ahead", "0", *key]
    texts.append(shrike(*again, cwd=folder, input=lines, check=True))
    plain = ["run", "models:/m/1", "--source", "a.jsonl", "--sink", "-", *key]
    texts.append(shrike(*plain, cwd=folder, check=True))
    replay = ["replay", "--state", tmp_path / "state", "--rules", "rules60.sql", *key]
    texts.append(shrike(*replay, "--out", tmp_path / "r.jsonl", cwd=folder, check=True))
    said = "".join(done.stdout + done.stderr for done in texts)
    files = ["out.jsonl", "new.jsonl", "dead.jsonl", "r.jsonl"]
    said += "".join((tmp_path / name).read_text() for name in files)
    assert len(said) > 100000 and (tmp_path / "dead.jsonl").read_text().count("\n") >= 9
    assert (tmp_path / "r.jsonl").read_text().count("\n") > 10
    assert "clear-" not in said
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    event = json.loads(lines.splitlines()[0])
    pin = str(event["pin"])
    assert first["id"] == (hash_of(event["id"]) if keyed else "secret")
    assert first["features"]["pin"] == (hash_of(pin) if keyed else "secret")
    assert first["features"]["next"] == (hash_of(str(event["pin"] + 1)) if keyed else "secret")
    assert first["features"]["high"] is True and first["features"]["n"] == 1
    numbers = {str(json.loads(line)["pin"]) for line in (folder / "good.jsonl").read_text().splitlines()}
    assert not [number for number in numbers if f":{number}," in said or f":{number}}}" in said]


def test_a_key_that_is_too_short_is_refused(shrike, folder, tmp_path):
    (tmp_path / "short").write_text("fifteen bytes..\n")
    run = ["run", "models:/m/1", "--source", "a.jsonl", "--sink", "-"]
    done = shrike(*run, "--secret-key-file", tmp_path / "short", cwd=folder)
    assert done.returncode and "a key of 15 bytes; expected 16 to 4096" in done.stderr
