"""The pages of `docs` build as a site, without a warning, in an environment that has nothing but the extra `docs`."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = [pytest.mark.external]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built by what the extra asks for in its pinned versions."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["docs"]
    install = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--constraint", str(ROOT / "constraints.txt"), *wanted], check=True)
    build = [str(folder / "venv/bin/mkdocs"), "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    done = subprocess.run([*build, "--site-dir", str(folder / "built")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "built"


def test_every_page_is_built(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {path.parent.name for path in site.rglob("index.html")} >= pages - {"index"}
    assert "<table>" in (site / "evaluation" / "index.html").read_text(encoding="utf-8")


def test_no_page_asks_another_server_for_its_looks(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.search(r"<script[^>]* src=", text)
        assert re.findall(r"<(?:script[^>]* src|link[^>]* href|img[^>]* src)=.https?:[^>]*", text) == []
