"""shrike models: names, stages and aliases of versions that were really trained; damage; MLflow."""

import json
import re
import shutil
import subprocess

import pytest

TRAIN = ["--plan", "features.sql", "--rules", "rules.sql", "--in", "data/transactions.parquet", "--train",
         "2018-05-06..2018-05-16", "--rounds", "5", "--quiet"]


@pytest.fixture(scope="session")
def trained(binary, tmp_path_factory):
    """A project with fraud/1, fraud/2 and linear/1; tests work on copies."""
    project = tmp_path_factory.mktemp("trained") / "project"

    def run(*arguments):
        result = subprocess.run([str(binary), *arguments], capture_output=True, text=True,
                                cwd=project if project.exists() else project.parent)
        assert result.returncode == 0, result.stderr

    run("init", "project", "--quiet")
    run("train", "--name", "fraud", *TRAIN, "--param", "max_depth=3")
    run("train", "--name", "fraud", *TRAIN, "--param", "max_depth=2")
    run("train", "--name", "linear", *TRAIN, "--model", "linear")
    return project


@pytest.fixture
def project(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def models(shrike, project):
    return lambda *arguments, **options: shrike("models", *arguments, cwd=project, **options)


def versions(models, *arguments):
    answer = json.loads(models("list", *arguments, "--json", check=True).stdout)
    return {(version["name"], version["version"]): version for version in answer["versions"]}


def test_list(models):
    text = models("list", check=True).stdout
    assert [line.split()[:3] for line in text.splitlines()[1:]] == [
        ["fraud", "1", "None"], ["fraud", "2", "None"], ["linear", "1", "None"]]
    assert list(versions(models)) == [("fraud", 1), ("fraud", 2), ("linear", 1)]
    assert list(versions(models, "linear")) == [("linear", 1)]
    result = models("list", "froud")
    assert result.returncode == 5 and "there are: fraud, linear" in result.stderr


def test_no_registry(shrike):
    result = shrike("models", "list")
    assert result.returncode == 5 and "--registry" in result.stderr


def test_show(models, project):
    text = models("show", "models:/fraud/2", check=True).stdout
    for part in ("version     2", "plan        features.sql, SHA-256 ", "customer_mean_7d", "checksum ok"):
        assert part in text
    assert re.search(r"^kernel      (plain|scalar|avx2|avx512): \w", text, re.M)
    manifest = json.loads(models("show", "models/fraud/2", "--json", check=True).stdout)
    assert manifest == json.loads((project / "models/fraud/2/shrike.json").read_text())
    assert [feature["name"] for feature in manifest["features"]][:3] == ["amount", "weekend", "night"]
    assert len(manifest["features"]) == 15
    assert manifest["label"] == {"column": "is_fraud", "after": "7d"}
    for key in ("training", "metrics", "profile"):
        assert manifest[key], key


def test_alias(models):
    models("alias", "fraud", "1", "champion", check=True)
    models("alias", "fraud", "2", "challenger", check=True)
    assert versions(models)["fraud", 1]["aliases"] == ["champion"]
    answer = json.loads(models("alias", "fraud", "2", "champion", "--json", check=True).stdout)
    assert [v["aliases"] for v in answer["versions"]] == [[], ["challenger", "champion"]]
    assert "version     2" in models("show", "models:/fraud@champion", check=True).stdout
    assert models("alias", "fraud", "1", "champion", "--remove").returncode == 5
    models("alias", "fraud", "2", "champion", "--remove", check=True)
    result = models("show", "models:/fraud@champion")
    assert result.returncode == 5 and "2 (@challenger)" in result.stderr
    assert models("alias", "fraud", "1", "latest").returncode == 2
    assert models("alias", "fraud", "1", "../x").returncode == 2
    assert models("alias", "fraud", "one", "x").returncode == 2
    assert models("alias", "fraud", "3", "x").returncode == 5


def test_stage(models):
    models("stage", "fraud", "1", "production", check=True)
    assert "version     1" in models("show", "models:/fraud/Production", check=True).stdout
    models("stage", "fraud", "2", "Production", check=True)
    assert "version     2" in models("show", "models:/fraud/Production", check=True).stdout
    assert versions(models)["fraud", 1]["stage"] == "Production"
    result = models("stage", "fraud", "1", "live")
    assert result.returncode == 2 and "Staging" in result.stderr
    assert models("show", "models:/fraud/Staging").returncode == 5


def test_rm(models, project):
    models("alias", "fraud", "1", "champion", check=True)
    result = models("rm", "fraud", "1")
    assert result.returncode == 6 and "champion" in result.stderr
    assert (project / "models/fraud/1").is_dir()
    models("rm", "fraud", "1", "--force", check=True)
    assert not (project / "models/fraud/1").exists()
    assert list(versions(models, "fraud")) == [("fraud", 2)]
    assert models("rm", "fraud", "1").returncode == 5
    models("rm", "linear", "1", check=True)
    assert models("list", "linear").returncode == 5


def test_numbers_are_not_given_twice(models, shrike, project):
    models("rm", "fraud", "2", check=True)
    shrike("train", "--name", "fraud", *TRAIN, "--param", "max_depth=1", cwd=project, check=True)
    assert list(versions(models, "fraud")) == [("fraud", 1), ("fraud", 3)]


@pytest.mark.parametrize("model", ["models:/fraud", "models:/fraud/", "models:/../x/1", "models:/fraud/v1"])
def test_what_is_no_name(models, model):
    result = models("show", model)
    assert result.returncode == 2 and "expected" in result.stderr


@pytest.mark.parametrize("name", ["model.json", "features.sql", "rules.sql", "MLmodel", "shrike.json"])
def test_damage_is_seen_by_all(models, shrike, project, name):
    path = project / "models/fraud/1" / name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    score = shrike("score", "models:/fraud/1", "--in", "data/transactions.parquet", "--out", "out/s.parquet",
                   cwd=project)
    for result in (models("show", "models:/fraud/1"), models("show", "models:/fraud/1", "--json"), score):
        assert result.returncode == 7, result.stderr
        assert name in result.stderr and "expected SHA-256" in result.stderr and ", found " in result.stderr
    assert not (project / "out/s.parquet").exists()
    if name != "shrike.json":
        assert "DAMAGED" in models("show", "models:/fraud/1").stdout
    path.unlink()
    assert models("show", "models:/fraud/1").returncode == 5


def test_mlflow_is_told_what_a_linear_model_is(project):
    text = (project / "models/linear/1/MLmodel").read_text()
    assert "kind: 'linear'" in text and "python_function" not in text
