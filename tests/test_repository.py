"""Rules that hold for every file of the repository."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
FOLDERS = ("lightning_quicktune", "tests", "tools", "configs", ".ci", "docs", "findings")
TEXT = {".py", ".sh", ".yaml", ".yml", ".md", ".toml", ".txt", ".json", ".cfg", ""}
PATHS = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
FILES = sorted(
    p for p in PATHS if p.is_file() and p.suffix in TEXT and "__pycache__" not in p.parts and p.name != ".git"
)
# Written in two parts, so that this file keeps the rule too.
MACHINE_PATHS = re.compile("|".join("/" + name for name in ("work/", "home/", "root/", "Users/")))
MAX_LINES = 400
TOOLS = sorted(path for path in (ROOT / "tools").iterdir() if path.is_file())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".py"], ids=relative)
def test_no_file_is_too_long_to_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_path_of_one_machine_is_written_down(path):
    assert MACHINE_PATHS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [*TOOLS, ROOT / ".ci" / "run"], ids=relative)
def test_tools_run_by_their_name(path):
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env ")
    assert os.access(path, os.X_OK)


def test_every_folder_with_modules_is_packaged():
    folders = {path.parent for path in (ROOT / "lightning_quicktune").rglob("*.py")}
    assert [relative(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "common", "helpers", "misc", "registry", "factory"}
    assert [relative(path) for path in FILES if path.stem in drawers] == []


def test_the_pins_fit_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    pinned = pins()
    for line in project["dependencies"] + extras:
        requirement = Requirement(line)
        version = pinned.get(requirement.name.lower())
        assert version is not None, f"constraints.txt has no pin for {requirement.name}"
        assert requirement.specifier.contains(version, prereleases=True), f"{line}, but the pin is {version}"


def test_torch_is_pinned_for_any_device():
    assert re.fullmatch(r"[\d.]+", pins()["torch"])
