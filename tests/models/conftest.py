"""What the tests of importers share: the program that scores rows, rows full of values that are easy to get
wrong, and the comparison to the bit."""

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


def random_rows(random, n, features, infinite=False):
    """Few distinct values among others, so that thresholds are hit exactly; missing ones, both zeros,
    denormals, numbers at the ends of float32, LightGBM's bounds of zero."""
    rows = random.normal(size=(n, features)).astype(numpy.float32)
    kind = random.random((n, features))
    rows[kind < 0.4] = numpy.floor(rows[kind < 0.4] * 3)
    rows[kind < 0.15] = numpy.nan
    rare = [-0.0, 1e-40, -1e-42, 1e30, -3e38, 1e-35, -1e-35, 1.17549435e-38]
    if infinite:
        rare += [numpy.inf, -numpy.inf]
    for i, value in enumerate(rare):
        rows[kind < 0.06 * (len(rare) - i) / len(rare)] = value
    return rows


def assert_same_bits(got, expected, what):
    """Every value has the same bits; a NaN is not expected."""
    expected = numpy.ascontiguousarray(expected, numpy.float32).ravel()
    assert got.shape == expected.shape, what
    differ = numpy.flatnonzero(got.view(numpy.uint32) != expected.view(numpy.uint32))
    assert not len(differ), (f"{what}: {len(differ)} of {len(got)} differ, first at {differ[0]}: "
                             f"{got[differ[0]]!r}, expected {expected[differ[0]]!r}")
    return len(got)
