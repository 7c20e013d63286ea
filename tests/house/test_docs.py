"""Generated pages are up to date; links between pages lead somewhere."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page, word", [("docs/commands.md", "__commands"), ("docs/errors.md", "__errors")])
def test_generated_pages_are_up_to_date(binary, page, word):
    text = subprocess.run([binary, word], capture_output=True, text=True, check=True).stdout
    assert (ROOT / page).read_text() == text, f"{page} is stale: run `make docs`"


def test_links_lead_somewhere():
    problems = []
    pages = [path for path in ROOT.rglob("*.md") if not {".deps", "build", "node_modules"} & set(path.parts)]
    for path in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                problems.append(f"{path.relative_to(ROOT)}: {target} does not exist")
    assert not problems, "\n" + "\n".join(problems)


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        named = page.name == "README.md" or f"]({page.name})" in index
        assert named, f"docs/README.md does not name {page.name}"


def test_folder_readmes_are_short():
    for path in ROOT.glob("src/*/README.md"):
        assert len(path.read_text().splitlines()) <= 40, path.relative_to(ROOT)


def test_every_room_has_a_readme():
    for folder in sorted((ROOT / "src").iterdir()):
        if folder.is_dir():
            assert (folder / "README.md").exists(), folder.relative_to(ROOT)


def shown_commands():
    """Command lines of shrike in the pages: (page, line). A backslash continues a line."""
    for path in sorted(ROOT.rglob("*.md")):
        if {".deps", "build", "CHANGELOG.md"} & set(path.parts):
            continue
        inside = False
        for line in path.read_text().replace("\\\n", " ").splitlines():
            if line.startswith("```"):
                inside = not inside
            elif inside and re.match(r"(\$ )?(\w+=\S+ )*(\S*/)?shrike [a-z]", line):
                yield path.relative_to(ROOT), line.split(" # ")[0]


def test_shown_commands_exist(binary):
    helps = {}
    commands = list(shown_commands())
    assert commands
    problems = []
    for page, line in commands:
        words = re.sub(r"^.*?shrike ", "", line, count=1).split()
        for n in (2, 1):
            verb = tuple(words[:n])
            if verb not in helps:
                run = subprocess.run([binary, *verb, "--help"], capture_output=True, text=True)
                found = run.returncode == 0 and f"shrike {' '.join(verb)}:" in run.stdout
                helps[verb] = run.stdout if found else ""
            if helps[verb]:
                break
        else:
            problems.append(f"{page}: no such verb: {line}")
            continue
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line):
            if not re.search(rf"{option}\b(?!-)", helps[verb]):
                problems.append(f"{page}: no {option}: {line}")
    assert not problems, "\n" + "\n".join(problems)
