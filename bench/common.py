"""What the benchmarks share: running a child with its CPU time and peak memory, and where things are."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHRIKE = Path(os.environ.get("SHRIKE", ROOT / "build/release/shrike"))
PEER_PYTHON = ROOT / ".deps/venv-bench/bin/python"
PLAN = ROOT / "examples/handbook/published.sql"


class Run:
    """One finished child: wall and CPU seconds, peak resident bytes, standard output."""

    def __init__(self, wall, cpu, peak, out):
        self.wall, self.cpu, self.peak, self.out = wall, cpu, peak, out


def run(command, cores=None, environment=None):
    """Runs a command to its end on so many cores (all where None); a failure ends the benchmark."""

    def pin():
        if cores:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    command = [str(word) for word in command]
    with tempfile.TemporaryFile() as out:
        started = time.monotonic()
        child = subprocess.Popen(
            command,
            stdout=out,
            stdin=subprocess.DEVNULL,
            preexec_fn=pin,
            env={**os.environ, **(environment or {})},
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        out.seek(0)
        text = out.read().decode()
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with status {child.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text)


def run_peer(command, cores, environment=None):
    """The same for a peer's script, which prints its own times without those of starting Python."""
    result = run([PEER_PYTHON, *command], cores, environment)
    times = json.loads(result.out.splitlines()[-1])
    result.wall, result.cpu = times["wall"], times["cpu"]
    return result


def median(runs, field):
    return statistics.median(getattr(r, field) for r in runs)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    load = os.getloadavg()[0]
    return (
        f"{names[0] if names else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores, load {load:.1f}"
    )


def published_data():
    """The published simulation where the data is at hand, else None."""
    base = Path(os.environ.get("SHRIKE_DATA", ROOT.parent / "shared"))
    for folder in (base, base / "data"):
        path = folder / "handbook/transactions.parquet"
        if path.exists():
            return path
    return None


def need(*paths):
    for path in paths:
        if not Path(path).exists():
            sys.exit(f"{path} is missing; bench/README.md says how to make it")


def scratch():
    """A directory that goes away, on the disk of TMPDIR."""
    return tempfile.TemporaryDirectory(prefix="shrike-bench-")
