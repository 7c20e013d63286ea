"""What the tests of the program share: the binary, the data, a clean environment."""

import os
import pathlib
import signal
import subprocess

import pytest

from surroundings import ROOT, clean_environment

# A shell that runs the tests in the background ignores SIGINT for its children, and the program honours it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root():
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def binary():
    """Path of the program: SHRIKE, else the release build."""
    path = pathlib.Path(os.environ.get("SHRIKE", ROOT / "build/release/shrike")).resolve()
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make build`, or name the program in SHRIKE")
    return path


@pytest.fixture
def shrike(binary, tmp_path):
    """A function that runs the program in an empty directory (cwd= for another one) and returns its
    CompletedProcess, with stdout and stderr as text. env= adds variables, input= is standard input,
    check=True fails on a status but 0.
    """

    def run(*arguments, cwd=None, env=None, input=None, check=False, timeout=300):
        result = subprocess.run(
            [str(binary), *map(str, arguments)],
            cwd=cwd or tmp_path,
            env=clean_environment(env),
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert result.returncode == 0, f"shrike {' '.join(map(str, arguments))}: {result.stderr}"
        return result

    return run


@pytest.fixture(scope="session")
def data():
    """The folder of shared data: SHRIKE_DATA, else ../shared beside the repository."""
    path = pathlib.Path(os.environ.get("SHRIKE_DATA", ROOT.parent / "shared")).resolve()
    if not (path / "data").is_dir():
        pytest.skip(f"the published data is absent: no {path}/data (SHRIKE_DATA names another folder)")
    return path
