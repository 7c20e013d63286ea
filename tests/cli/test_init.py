"""shrike init: a project that works at once, and nobody's files overwritten."""

import json
import resource
import subprocess

FILES = {"features.sql", "rules.sql", "shrike.yaml", "README.md", ".gitignore", "data", "out"}


def test_a_new_project(shrike, tmp_path, root):
    result = shrike("init", "project", check=True)
    project = tmp_path / "project"
    assert {path.name for path in project.iterdir()} == FILES
    assert "cd project" in result.stdout and result.stderr == ""
    assert (project / "features.sql").read_text() == (root / "examples/handbook/features.sql").read_text()
    assert (project / "rules.sql").read_text() == (root / "examples/handbook/rules.sql").read_text()
    assert [path.name for path in (project / "data").iterdir()] == ["transactions.parquet"]


def test_the_sample_is_what_the_readme_generates(shrike, tmp_path):
    shrike("init", "project", check=True)
    project = tmp_path / "project"
    sample = (project / "data/transactions.parquet").read_bytes()
    lines = [line for line in (project / "README.md").read_text().splitlines() if "shrike generate" in line]
    shrike(*lines[0].split()[1:], cwd=project, check=True)
    same = (project / "data/transactions.parquet").read_bytes() == sample
    assert same


def test_an_empty_directory_will_do(shrike, tmp_path):
    (tmp_path / "project").mkdir()
    shrike("init", "project", "--json", check=True)
    assert {path.name for path in (tmp_path / "project").iterdir()} == FILES


def test_the_working_directory_will_do(shrike, tmp_path):
    assert json.loads(shrike("init", ".", "--json", check=True).stdout)["directory"] == "."
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_json(shrike, tmp_path):
    answer = json.loads(shrike("init", "a/b/project", "--json", check=True).stdout)
    assert answer["directory"] == "a/b/project"
    for name in answer["files"]:
        assert (tmp_path / "a/b/project" / name).stat().st_size > 0


def test_a_directory_in_use_is_refused(shrike, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "rules.sql").write_text("mine")
    result = shrike("init", "project")
    assert result.returncode == 6
    assert "project is not empty" in result.stderr and "--force" in result.stderr
    assert [path.name for path in project.iterdir()] == ["rules.sql"]
    assert (project / "rules.sql").read_text() == "mine"

    (project / "notes.txt").write_text("mine")
    shrike("init", "project", "--force", check=True)
    assert (project / "rules.sql").read_text() != "mine"
    assert (project / "notes.txt").read_text() == "mine"


def test_a_file_in_the_way(shrike, tmp_path):
    (tmp_path / "project").write_text("a file")
    result = shrike("init", "project")
    assert result.returncode != 0 and "project" in result.stderr
    assert (tmp_path / "project").read_text() == "a file"


def test_a_full_disk_leaves_nothing(binary, tmp_path):
    """No file may grow beyond 64 KiB: the sample does not fit, as on a full disk."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    result = subprocess.run(
        [str(binary), "init", "project"], cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit)
    assert result.returncode != 0 and result.stderr.startswith("shrike: ")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_profile(shrike, tmp_path):
    result = shrike("init", "project", "--profile", "cats")
    assert result.returncode == 2 and "handbook" in result.stderr
    assert list(tmp_path.iterdir()) == []
