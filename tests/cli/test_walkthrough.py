"""A stranger's first quarter of an hour: `shrike init`, then every command of the README that it wrote."""

import json
import re
import subprocess

import pytest

from surroundings import clean_environment


@pytest.fixture(scope="module")
def walked(binary, tmp_path_factory):
    """The project after its README was followed, and what each command printed."""
    folder = tmp_path_factory.mktemp("walkthrough")
    environment = clean_environment()
    environment["PATH"] = f"{binary.parent}:{environment['PATH']}"

    def run(command, cwd):
        result = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=cwd, env=environment,
                                capture_output=True, text=True)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    run("shrike init project", folder)
    project = folder / "project"
    commands = []
    for block in re.findall(r"```sh\n(.*?)```", (project / "README.md").read_text(), re.S):
        commands += [line.strip() for line in block.splitlines() if line.strip()]
    return project, {command: run(command, project) for command in commands}


def printed_by(walked, verb):
    return "".join(text for command, text in walked[1].items() if command.startswith(f"shrike {verb} "))


def test_every_step_is_there(walked):
    verbs = [command.split()[1] for command in walked[1]]
    assert verbs == ["generate", "features", "train", "evaluate", "score", "generate", "models", "models"]


def test_features(walked):
    duckdb = pytest.importorskip("duckdb")
    features, data = f"'{walked[0]}/out/features.parquet'", f"'{walked[0]}/data/transactions.parquet'"
    rows, most = duckdb.sql(f"SELECT count(*), max(customer_count_30d) FROM {features}").fetchone()
    assert rows == duckdb.sql(f"SELECT count(*) FROM {data}").fetchone()[0] > 100000
    assert most > 60


def test_the_model_is_good(walked):
    text = printed_by(walked, "evaluate")
    assert "AUC" in text
    report = (walked[0] / "out/report.html").read_text()
    assert "<html" in report and "http://" not in report.replace("http://www.w3.org", "")


def test_run_decides_as_score_does(walked):
    """Event by event over lines of JSON, and all at once over a file: the same scores, to the bit."""
    duckdb, numpy = pytest.importorskip("duckdb"), pytest.importorskip("numpy")
    scores = f"'{walked[0]}/out/scores.parquet'"
    scored = duckdb.sql(f"SELECT tx_id, score, decision FROM {scores} ORDER BY tx_id").fetchall()
    lines = [json.loads(line) for line in (walked[0] / "out/decisions.jsonl").read_text().splitlines()]
    decided = sorted((line["tx_id"], line["score"], line["decision"]) for line in lines)
    assert len(decided) == len(scored)
    for one, other in zip(decided, scored):
        assert (one[0], numpy.float32(one[1]), one[2]) == (other[0], numpy.float32(other[1]), other[2])
    assert {"approve", "review", "decline"} == {line[2] for line in decided}


def test_models(walked):
    text = printed_by(walked, "models show")
    assert "checksum ok" in text and "DAMAGED" not in text
    assert (walked[0] / "models/fraud/1/model.json").stat().st_size > 1000
