"""`make install` gives a program and a library that work from where they were put."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory, binary):
    stage = tmp_path_factory.mktemp("stage")
    build = binary.parent
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{build} is not a build folder")
    result = subprocess.run(
        ["cmake", "--install", build, "--prefix", "/opt/shrike"],
        capture_output=True,
        text=True,
        env={**os.environ, "DESTDIR": str(stage)},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return stage / "opt/shrike"


def only(folder, pattern):
    found = sorted(folder.rglob(pattern))
    assert found, f"no {pattern} under {folder}: {sorted(map(str, folder.rglob('*')))}"
    return found[0]


def test_everything_is_there(installed):
    for pattern in ("bin/shrike", "libshrike.so.0", "shrike.pc", "man1/shrike.1", "completions/shrike"):
        only(installed, pattern)


def test_the_program_runs_without_the_build(installed):
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    result = subprocess.run(
        [installed / "bin/shrike", "--version"], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr
    libraries = subprocess.run(["ldd", installed / "bin/shrike"], capture_output=True, text=True).stdout
    assert str(ROOT) not in libraries, libraries
    assert "not found" not in libraries


def test_the_library_exports_only_its_own_names(installed):
    library = only(installed, "libshrike.so.0")
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout
    names = [line.split()[-1].split("@")[0] for line in symbols.splitlines()]
    strange = [name for name in names if not name.startswith("shrike_") and name != "SHRIKE_0"]
    assert not strange, strange
    declared = "".join(path.read_text() for path in (ROOT / "include").rglob("*.h"))
    for name in names:
        assert (
            name == "SHRIKE_0" or name in declared
        ), f"{name} is exported but not declared in include/shrike"


def test_a_program_compiles_against_it(installed, tmp_path):
    headers = sorted((installed / "include").rglob("*.h"))
    if not headers:
        pytest.skip("no public header yet")
    (tmp_path / "main.c").write_text(
        "".join(f"#include <shrike/{path.name}>\n" for path in headers)
        + "int main(void)\n{\n    return 0;\n}\n"
    )
    pc = only(installed, "shrike.pc")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
    flags = subprocess.run(
        ["pkg-config", "--define-prefix", "--cflags", "--libs", "shrike"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    ).stdout.split()
    result = subprocess.run(
        [
            "cc",
            "-std=c17",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wstrict-prototypes",
            tmp_path / "main.c",
            "-o",
            tmp_path / "main",
            *flags,
            f"-Wl,-rpath,{pc.parent.parent}",
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert subprocess.run([tmp_path / "main"]).returncode == 0
