"""Includes go one way, in the order that ARCHITECTURE.md gives."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Each room with the rooms it may include; what those include is included too.
MAY_INCLUDE = {
    "base": [],
    "table": ["base"],
    "feature": ["table"],
    "model": ["table"],
    "journal": ["table"],
    "score": ["feature", "model", "journal"],
    "train": ["score"],
    "registry": ["score"],
    "stream": ["score"],
    "api": ["score"],
    "monitor": ["train", "registry", "stream"],
    "cli": ["monitor"],
}


def allowed(room):
    rooms = {room}
    for lower in MAY_INCLUDE[room]:
        rooms |= allowed(lower)
    return rooms


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := re.match(r'\s*#\s*include\s+"([^"]+)"', line):
            yield number, match.group(1)


def test_architecture_says_the_same_order():
    text = " ".join((ROOT / "ARCHITECTURE.md").read_text().split())
    assert (
        "<- {feature, model, journal} <- score <- {train, registry, stream, api} <- monitor <- cli" in text
    ), "ARCHITECTURE.md and this test must give one order"


def test_every_room_is_known():
    rooms = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    assert rooms <= set(
        MAY_INCLUDE
    ), f"put {rooms - set(MAY_INCLUDE)} into ARCHITECTURE.md and into this test"


def test_includes_go_one_way():
    problems = []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        room = path.relative_to(ROOT / "src").parts[0]
        for number, target in includes(path):
            first = target.split("/")[0]
            if first in MAY_INCLUDE and first not in allowed(room):
                problems.append(f"{path.relative_to(ROOT)}:{number}: {room} must not include {target}")
            elif first not in MAY_INCLUDE and first != "shrike":
                problems.append(f"{path.relative_to(ROOT)}:{number}: write the room in front of {target}")
            elif first in MAY_INCLUDE and not (ROOT / "src" / target).exists():
                problems.append(f"{path.relative_to(ROOT)}:{number}: {target} does not exist")
    assert not problems, "\n" + "\n".join(problems)


def test_public_headers_stand_alone():
    for path in (ROOT / "include").rglob("*.h"):
        for number, target in includes(path):
            assert target.startswith("shrike/"), f"{path.relative_to(ROOT)}:{number}: includes {target}"
