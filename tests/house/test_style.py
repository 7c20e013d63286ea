"""The habits of CONTRIBUTING.md that a machine can check."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE_LENGTH = 110
FILE_LENGTH = 700
FUNCTION_LENGTH = 70

# Functions that overrun, guess or hide errors, and what to call instead.
BANNED = {
    "strcpy": "memcpy or snprintf",
    "strcat": "struct buffer",
    "strncpy": "memcpy or snprintf",
    "strncat": "struct buffer",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "atoi": "strtoll with a check",
    "atol": "strtoll with a check",
    "atof": "strtod with a check",
    "strtok": "strcspn",
    "rand": "a generator with a seed",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
    "alloca": "an arena",
}


def tracked(*patterns):
    """Files of the repository, those not yet added included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in sorted(set(listed)) if (ROOT / name).is_file()]


def sources(*folders):
    patterns = [f"{folder}/**/*.{kind}" for folder in folders for kind in "ch"]
    return tracked(*patterns)


def texts():
    kinds = {
        ".c",
        ".h",
        ".py",
        ".sh",
        ".md",
        ".cmake",
        ".txt",
        ".sql",
        ".yaml",
        ".json",
        ".in",
        ".cu",
        ".js",
        ".css",
        ".html",
        "",
    }
    written = [path for path in tracked() if path.suffix in kinds and "corpus" not in path.parts]
    return [path for path in written if b"\0" not in path.read_bytes()[:4096]]


def name(path):
    return str(path.relative_to(ROOT))


def without_comments_and_strings(text):
    """C text in which comments and literals are blanked, line breaks kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def report(problems):
    assert not problems, "\n" + "\n".join(problems)


def test_there_is_something_to_check():
    assert len(sources("src")) > 20
    assert len(texts()) > 30


def test_lines_are_short_and_clean():
    problems = []
    for path in sources("src", "include", "tests", "bench") + tracked("*.py", "*.sh", "**/*.py", "**/*.sh"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > LINE_LENGTH:
                problems.append(f"{name(path)}:{number}: {len(line)} characters, at most {LINE_LENGTH}")
            if line != line.rstrip():
                problems.append(f"{name(path)}:{number}: space at the end of the line")
            if "\t" in line:
                problems.append(f"{name(path)}:{number}: a tab")
    report(problems)


def test_texts_end_with_one_line_break():
    problems = []
    for path in texts():
        data = path.read_bytes()
        if data and (not data.endswith(b"\n") or data.endswith(b"\n\n")):
            problems.append(f"{name(path)}: must end with exactly one line break")
        if b"\r" in data:
            problems.append(f"{name(path)}: carriage returns")
    report(problems)


def test_files_are_not_too_long():
    report(
        [
            f"{name(path)}: {count} lines, at most {FILE_LENGTH}"
            for path in sources("src", "include", "tests", "bench")
            if (count := len(path.read_text().splitlines())) > FILE_LENGTH
        ]
    )


def test_functions_fit_a_screen():
    problems = []
    for path in sources("src", "tests", "bench"):
        start = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start - 1 > FUNCTION_LENGTH:
                    problems.append(
                        f"{name(path)}:{start}: a function of {number - start - 1} lines, "
                        f"at most {FUNCTION_LENGTH}"
                    )
                start = None
    report(problems)


def test_banned_functions_are_not_called():
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    problems = []
    for path in sources("src", "include"):
        for number, line in enumerate(without_comments_and_strings(path.read_text()).splitlines(), 1):
            for match in pattern.finditer(line):
                problems.append(
                    f"{name(path)}:{number}: {match.group(1)} is banned; use {BANNED[match.group(1)]}"
                )
    report(problems)


def test_the_library_neither_prints_nor_exits():
    pattern = re.compile(r"(?<![\w.>])(printf|puts|putchar|perror|exit|abort|_exit)\s*\(|\b(stdout|stderr)\b")
    problems = []
    for path in sources("src"):
        if path.relative_to(ROOT).parts[1] == "cli" or path.name in ("log.c", "child.c"):
            continue
        for number, line in enumerate(without_comments_and_strings(path.read_text()).splitlines(), 1):
            if match := pattern.search(line):
                problems.append(f"{name(path)}:{number}: {match.group().strip()} in the library")
    report(problems)


def test_headers_open_with_what_they_are_for_and_are_guarded():
    problems = []
    for path in sources("src", "include"):
        if path.suffix != ".h":
            continue
        text = path.read_text()
        if not text.startswith("/*"):
            problems.append(
                f"{name(path)}: a header opens with a comment: what it is for, threads, memory, limits"
            )
        inside = path.relative_to(ROOT).parts[1:]
        guard = "_".join(
            [
                "SHRIKE",
                *[re.sub(r"\W", "_", part.removesuffix(".h")).upper() for part in inside if part != "shrike"],
                "H",
            ]
        )
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            problems.append(f"{name(path)}: the guard should be {guard}")
    report(problems)


def test_nothing_is_left_for_later():
    pattern = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    report(
        [
            f"{name(path)}:{number}: {match.group()}"
            for path in texts()
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
            if (match := pattern.search(line))
        ]
    )


def test_no_paths_of_one_machine():
    pattern = re.compile(r"/(?:work|root|home/\w+)/(?!\.)\w+")
    report(
        [
            f"{name(path)}:{number}: {match.group()}"
            for path in texts()
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
            if (match := pattern.search(line))
        ]
    )


@pytest.mark.parametrize("script", tracked("*.sh", "**/*.sh"), ids=name)
def test_scripts_are_executable_and_parse(script):
    assert script.stat().st_mode & 0o111, f"{name(script)} is not executable"
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
