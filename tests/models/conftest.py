"""What the tests of importers share: one thread for every library, and the program that scores rows."""

import os
import pathlib
import subprocess

# Before any library starts its threads: on a busy machine they wait for each other longer than they work.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy  # noqa: E402
import pytest  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def score_rows():
    """A function: scores of a model file, as many float32 as it gives for the rows."""
    program = pathlib.Path(os.environ.get("SHRIKE_SCORE_ROWS", ROOT / "build/release/tests/score_rows"))
    if not program.exists():
        pytest.fail(f"{program} does not exist: run `make unit`, or name the program in SHRIKE_SCORE_ROWS")

    def run(path, rows):
        rows = numpy.ascontiguousarray(rows, numpy.float32)
        result = subprocess.run([str(program), str(path)], input=rows.tobytes(), capture_output=True,
                                timeout=60)
        assert result.returncode == 0, result.stderr.decode()
        return numpy.frombuffer(result.stdout, numpy.float32)

    return run
