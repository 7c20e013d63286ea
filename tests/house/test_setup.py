"""scripts/setup.sh: where DuckDB may come from, what is refused, and that the second time does nothing."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path):
    """An empty checkout with a cache of its own, in which yyjson counts as done and npm gives garbage."""
    if not shutil.which("dpkg-query"):
        pytest.skip("not a Debian system")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "scripts/setup.sh")
    (tmp_path / ".deps/stamps").mkdir(parents=True)
    (tmp_path / ".deps/stamps/yyjson").touch()
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin/npm"
    npm.write_text("""#!/bin/bash
while [ $# -gt 0 ]; do
    [ "$1" = --pack-destination ] && to=$2
    shift
done
mkdir -p "$to/package/src/duckdb/src/include"
echo garbage | tee "$to/package/libduckdb.so" >"$to/package/src/duckdb/src/include/duckdb.h"
tar -C "$to" -czf "$to/package.tgz" package
""")
    npm.chmod(0o755)
    return tmp_path


def setup(place, **environment):
    return subprocess.run(
        ["bash", place / "scripts/setup.sh"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(place / "cache"),
            "PATH": f"{place}/bin:{os.environ['PATH']}",
            **environment,
        },
    )


@pytest.fixture
def duckdb(place):
    """A folder with the true library and header, as `make setup` left them."""
    library, header = ROOT / ".deps/lib/libduckdb.so", ROOT / ".deps/include/duckdb.h"
    if not library.exists() or not header.exists():
        pytest.skip("no DuckDB in .deps")
    folder = place / "duckdb"
    folder.mkdir()
    (folder / "libduckdb.so").symlink_to(library.resolve())
    (folder / "duckdb.h").symlink_to(header.resolve())
    return folder


def test_a_given_folder_is_taken_and_the_second_time_does_nothing(place, duckdb):
    first = setup(place, DUCKDB_DIR=str(duckdb))
    assert first.returncode == 0, first.stderr
    assert f"taking DuckDB 1.5.6 from {duckdb}" in first.stdout
    installed = place / ".deps/lib/libduckdb.so"
    assert installed.stat().st_size == (duckdb / "libduckdb.so").stat().st_size
    assert not installed.is_symlink()
    second = setup(place)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_a_folder_without_the_library_is_refused(place):
    result = setup(place, DUCKDB_DIR=str(place / "bin"))
    assert result.returncode == 1
    assert "must hold libduckdb.so and duckdb.h" in result.stderr


def test_another_version_is_refused(place):
    folder = place / "other"
    folder.mkdir()
    (folder / "duckdb.h").touch()
    source = 'const char *duckdb_library_version(void) { return "v1.4.0"; }'
    compile_command = ["cc", "-shared", "-fPIC", "-xc", "-", "-o", folder / "libduckdb.so"]
    subprocess.run(compile_command, input=source, text=True, check=True)
    result = setup(place, DUCKDB_DIR=str(folder))
    assert result.returncode == 1
    assert "holds DuckDB 1.4.0; expected 1.5.6" in result.stderr
    assert not (place / ".deps/lib/libduckdb.so").exists()


def test_a_damaged_download_is_refused(place):
    result = setup(place)
    assert result.returncode == 1
    assert "does not have the expected SHA-256" in result.stderr
    assert not (place / ".deps/lib").exists()


def test_a_download_of_before_needs_no_network(place, duckdb):
    cache = place / "cache/shrike/duckdb-1.5.6"
    cache.mkdir(parents=True)
    for name in ("libduckdb.so", "duckdb.h"):
        shutil.copy(duckdb / name, cache / name)
    result = setup(place)
    assert result.returncode == 0, result.stderr
    assert f"taking DuckDB 1.5.6 from {cache}" in result.stdout
    assert (place / ".deps/include/duckdb.h").exists()
