"""`run --state` follows its alias: another version takes over between events, on SIGHUP or by --follow."""

import os
import signal
import subprocess
import threading

import pytest

from surroundings import clean_environment
from test_run_state import PLAN, write_events

RULES = (
    "SELECT CASE WHEN amount > {} THEN 'decline' ELSE 'approve' END AS decision,\n"
    "  n > 3 AS {} FROM scored;\n"
)
HOW = ["--explain", "1", "--lateness", "1h", "--max-ahead", "0"]


@pytest.fixture(scope="module")
def project(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("follow")

    def shrike(*arguments):
        command = [str(binary), *arguments]
        subprocess.run(command, cwd=folder, check=True, env=clean_environment(), capture_output=True)

    write_events(folder / "a.jsonl", 3000, 1)
    (folder / "plan.sql").write_text(PLAN)
    (folder / "other.sql").write_text(PLAN.replace("10 MINUTE", "30 MINUTE"))
    for number, (plan, limit, rounds) in enumerate(
        [("plan.sql", 100, "4"), ("plan.sql", 30, "6"), ("other.sql", 100, "4"), ("plan.sql", 60, "5")], 1
    ):
        (folder / "rules.sql").write_text(RULES.format(limit, f"often{number}"))
        train = ["--plan", plan, "--rules", "rules.sql", "--in", "a.jsonl", "--rounds", rounds]
        shrike("train", "--name", "m", *train, "--train", "2024-03-01..2024-03-02", "--threads", "1")
        shrike("run", f"models:/m/{number}", "--source", "a.jsonl", "--sink", f"plain{number}.jsonl", *HOW)
    return folder


class Running:
    """A run over standard input, one event at a time."""

    def __init__(self, binary, project, state, *more):
        command = [str(binary), "run", "models:/m@live", "--source", "-", "--sink", "-", *HOW]
        self.process = subprocess.Popen(
            [*command, "--state", str(state), *more],
            cwd=project,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.log, self.said = [], threading.Condition()
        threading.Thread(target=self.read_log, daemon=True).start()

    def read_log(self):
        for line in self.process.stderr:
            with self.said:
                self.log.append(line.decode())
                self.said.notify_all()

    def wait_for(self, text, times=1):
        def found():
            return sum(text in line for line in self.log) >= times

        with self.said:
            assert self.said.wait_for(found, 60), self.log

    def ask(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip(b"\n")

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0, self.log


def plain(project, number):
    return (project / f"plain{number}.jsonl").read_bytes().splitlines()


def point(shrike, project, number):
    shrike("models", "alias", "m", str(number), "live", cwd=project, check=True)


def test_a_version_takes_over_on_sighup(binary, shrike, project, tmp_path):
    events = (project / "a.jsonl").read_bytes().splitlines()
    point(shrike, project, 1)
    run = Running(binary, project, tmp_path / "state", "--dedupe", "30d")
    for i in range(200):
        assert run.ask(events[i]) == plain(project, 1)[i]
    point(shrike, project, 2)
    for i in range(200, 300):  # nobody has asked yet
        assert run.ask(events[i]) == plain(project, 1)[i]
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("models:/m/2 is loaded, and decides from the next event on")
    for i in range(300, 600):
        assert run.ask(events[i]) == plain(project, 2)[i]
    run.wait_for("models:/m/2 decides from event 301 on")
    # The first answer again is that of the version that gave it, its rules' names too.
    assert run.ask(events[250]) == plain(project, 1)[250]
    assert b"often1" in b"".join(plain(project, 1)[:300])
    # Nothing new, another plan, a version that is damaged, no version at all: who decides goes on.
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("models:/m@live is the version that decides already")
    point(shrike, project, 3)
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("models:/m@live does not take over, and who decides goes on: its plan is another")
    point(shrike, project, 4)
    model = project / "models" / "m" / "4" / "model.json"
    whole = model.read_bytes()
    model.write_bytes(whole[:-2])
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("does not take over", 2)
    model.write_bytes(whole)
    os.rename(project / "models", project / "gone")
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("models:/m@live is no longer found, and who decides goes on")
    os.rename(project / "gone", project / "models")
    for i in range(600, 700):
        assert run.ask(events[i]) == plain(project, 2)[i]
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("models:/m/4 is loaded")
    for i in range(700, 800):
        assert run.ask(events[i]) == plain(project, 4)[i]
    run.close()
    result = shrike("replay", "--state", tmp_path / "state", cwd=project, check=True)
    assert "800 decisions, from event 1 on: all the same to the bit" in result.stdout


def test_a_version_that_took_over_survives_a_kill(binary, shrike, project, tmp_path):
    events = (project / "a.jsonl").read_bytes().splitlines()
    point(shrike, project, 1)
    run = Running(binary, project, tmp_path / "state")
    for i in range(100):
        assert run.ask(events[i]) == plain(project, 1)[i]
    point(shrike, project, 2)
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("is loaded")
    for i in range(100, 200):
        assert run.ask(events[i]) == plain(project, 2)[i]
    run.process.kill()
    run.process.wait()
    # A sink that has missed all of it, while yet another version takes over.
    point(shrike, project, 4)
    (tmp_path / "rest.jsonl").write_bytes(b"\n".join(events[200:300]) + b"\n")
    sink = tmp_path / "out.jsonl"
    arguments = ["--source", tmp_path / "rest.jsonl", "--sink", sink, *HOW, "--state", tmp_path / "state"]
    shrike("run", "models:/m@live", *arguments, cwd=project, check=True)
    wanted = plain(project, 1)[:100] + plain(project, 2)[100:200] + plain(project, 4)[200:300]
    assert sink.read_bytes().splitlines() == wanted
    shrike("replay", "--state", tmp_path / "state", cwd=project, check=True)


def test_follow_needs_no_signal(binary, shrike, project, tmp_path):
    events = (project / "a.jsonl").read_bytes().splitlines()
    point(shrike, project, 1)
    run = Running(binary, project, tmp_path / "state", "--follow")
    for i in range(100):
        assert run.ask(events[i]) == plain(project, 1)[i]
    point(shrike, project, 2)
    run.wait_for("models:/m/2 is loaded")
    for i in range(100, 200):
        assert run.ask(events[i]) == plain(project, 2)[i]
    run.close()
