"""The frame of the program: help, misuse, exit statuses, errors as JSON, unwritable output, signals."""

import json
import os
import re
import signal
import subprocess
import time

import pytest


@pytest.fixture(scope="module")
def verbs(binary):
    """Names of all verbs, as the help lists them."""
    text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?:  |$)", text, re.M)
    assert listed, text
    return listed


def test_help_goes_to_stdout(shrike):
    for arguments in (["--help"], ["-h"], ["help"]):
        result = shrike(*arguments)
        assert result.returncode == 0
        assert result.stdout.startswith("shrike: ")
        assert result.stderr == ""


def test_no_verb_is_misuse(shrike):
    result = shrike()
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr


def test_every_verb_explains_itself(shrike, verbs):
    for verb in verbs:
        result = shrike(*verb.split(), "--help")
        assert result.returncode == 0, verb
        assert result.stderr == ""
        assert f"Usage: shrike {verb}" in result.stdout
        assert "Example:" in result.stdout, f"{verb} has no example"
        assert shrike("help", *verb.split()).stdout == result.stdout
        assert max(map(len, result.stdout.splitlines())) <= 110, f"help of {verb} is too wide"


def test_a_group_lists_its_verbs(shrike, verbs):
    for group in {verb.split()[0] for verb in verbs if " " in verb}:
        result = shrike(group, "--help")
        assert result.returncode == 0
        for verb in verbs:
            assert (f"  {verb} " in result.stdout) == verb.startswith(group + " ")
        assert shrike(group).returncode == 2


def test_a_misspelt_verb_gets_a_suggestion(shrike, verbs):
    longest = max(verbs, key=len)
    result = shrike(*(longest[:-1] + "x").split())
    assert result.returncode == 2
    assert result.stdout == ""
    assert f"did you mean '{longest}'?" in result.stderr


def test_a_misspelt_option_gets_a_suggestion(shrike, verbs):
    for verb in verbs:
        result = shrike(*verb.split(), "--quite")
        assert result.returncode == 2, verb
        assert "has no option '--quite'; did you mean '--quiet'?" in result.stderr
        assert f"'shrike {verb} --help' explains." in result.stderr


def test_misuse_as_json(shrike, verbs):
    result = shrike(*verbs[0].split(), "--quite", "--json")
    assert result.returncode == 2
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "usage"
    assert "--quite" in error["message"]


def test_broken_settings_name_the_place(shrike, verbs, tmp_path):
    (tmp_path / "shrike.yaml").write_text("\nno_such_setting: 1\n")
    result = shrike(*verbs[0].split(), "--check-config", "--json")
    assert result.returncode == 2
    error = json.loads(result.stderr)["error"]
    assert (error["file"], error["line"], error["column"]) == ("shrike.yaml", 2, 1)
    result = shrike(*verbs[0].split(), "--check-config")
    assert result.stderr.startswith(
        "shrike: shrike.yaml:2:1: 'no_such_setting' is neither an option nor a verb"
    )


def test_check_config_says_what_won(shrike, verbs):
    for verb in verbs:
        result = shrike(*verb.split(), "--check-config")
        assert result.returncode == 0, f"{verb}: {result.stderr}"


def test_version_names_the_libraries(shrike):
    result = shrike("--version")
    assert result.returncode == 0
    assert re.match(r"shrike \d+\.\d+\.\d+\nDuckDB 1\.5\.6, XGBoost \d", result.stdout)
    version = json.loads(shrike("--version", "--json").stdout)
    assert version["duckdb"] == "1.5.6"
    assert version["kernel"] in ("scalar", "avx2", "avx512")


def test_output_that_cannot_be_written_is_an_error(binary):
    with open("/dev/full", "w") as full:
        result = subprocess.run([binary, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 11
    assert "cannot write to standard output: No space left on device" in result.stderr


def test_a_closed_pipe_ends_the_program_quietly(binary):
    process = subprocess.Popen(
        ["bash", "-c", f"'{binary}' __man | true; echo ${{PIPESTATUS[0]}}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=30)
    # The whole text may fit into the pipe before the reader is gone.
    assert out.strip() in ("0", "141")
    assert err == ""


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_half_written(binary, verbs, tmp_path, number, status):
    if "generate" not in verbs:
        pytest.skip("no verb that writes for long yet")
    out = tmp_path / "out.parquet"
    process = subprocess.Popen(
        [binary, "generate", "--profile", "handbook", "--days", "3000", "--seed", "1", "--out", out],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SHRIKE_PROGRESS": "0"},
    )
    deadline = time.monotonic() + 60
    while not any(tmp_path.iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert process.poll() is None, "ended before the signal"
    process.send_signal(number)
    assert process.wait(timeout=30) == status
    assert list(tmp_path.iterdir()) == []


def test_man_page_and_completion_name_every_verb(shrike, verbs):
    man = shrike("__man", check=True).stdout
    completion = shrike("__completion", check=True).stdout
    for verb in verbs:
        assert f'.SS "shrike {verb}' in man
        assert f"'{verb}') words=" in completion
    assert subprocess.run(["bash", "-n"], input=completion, text=True).returncode == 0


def test_completion_completes(shrike, verbs, tmp_path):
    (tmp_path / "shrike.bash").write_text(shrike("__completion", check=True).stdout)

    def complete(*words):
        line = " ".join(f"'{word}'" for word in words)
        script = (
            f"source {tmp_path}/shrike.bash; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shrike; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        return subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=True
        ).stdout.split()

    assert set(complete("shrike", "")) >= {verb.split()[0] for verb in verbs}
    for verb in verbs:
        assert "--help" in complete("shrike", *verb.split(), "--h"), verb


def test_progress_is_drawn_summed_up_or_kept_quiet(shrike, tmp_path):
    def stderr(*more, **environment):
        made = ["generate", "--days", "20", "--customers", "2000", "--out", tmp_path / "out.parquet", *more]
        return shrike(*made, check=True, env=environment).stderr

    plain = stderr()
    assert "\033" not in plain
    assert re.search(r"^generate: [\d,]+ rows in \d+\.\d\d s \([\d.]+[kM]?/s\)$", plain, re.M)
    drawn = stderr(SHRIKE_PROGRESS="1")
    assert re.search(r"\033\[Kgenerate: [\d,]+.* rows, [\d.]+[kM]?/s", drawn)
    assert drawn.count("rows in") == 1
    assert stderr("--quiet", SHRIKE_PROGRESS="1") == ""
