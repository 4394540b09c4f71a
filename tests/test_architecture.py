"""docs/architecture.md says which rooms there are, who imports whom, and where things lie: all of it as it is."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
RULES = runpy.run_path(str(ROOT / "tests" / "test_imports.py"))
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
FILES = sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE)))


def imports_of(cell: str, table: dict[str, set[str]]) -> set[str]:
    """Rooms that a cell names: one by one, those on the ground, or all that another may import."""
    found: set[str] = set()
    for part in filter(None, cell.split(", ")):
        name = re.fullmatch(r"(what )?`(\w+)`( may)?|ground", part)
        assert name, f"{part!r} is no room"
        found |= RULES["GROUND"] if part == "ground" else table[name[2]] if name[1] else {name[2]}
    return found


def test_the_page_has_every_room_with_its_arrows():
    page: dict[str, set[str]] = {}
    for row in ROWS:
        page[row[0].strip("`")] = imports_of(row[2] if len(row) > 2 else "", page)
    table = {room: rooms - {"__init__"} for room, rooms in RULES["MAY_IMPORT"].items() if not room.startswith("__")}
    assert page == table


def test_every_room_is_there():
    rooms = {row[0].strip("`") for row in ROWS}
    there = {path.name.removesuffix(".py") for path in (ROOT / "lightning_quicktune").iterdir()}
    assert rooms <= there


@pytest.mark.parametrize("name", FILES)
def test_every_named_file_is_there(name):
    assert (ROOT / "lightning_quicktune" / name).is_file()


def test_it_is_one_screen():
    assert len(PAGE.splitlines()) <= 70
