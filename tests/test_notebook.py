"""The notebook: its cells are Python, and they run from top to bottom in an empty folder."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = json.loads((Path(__file__).parents[1] / "docs" / "tune.ipynb").read_text(encoding="utf-8"))
CELLS = [cell["source"] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_is_kept_without_outputs_and_every_cell_is_python():
    assert all(cell["outputs"] == [] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")
    assert all(ast.parse(cell).body for cell in CELLS)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in CELLS:
        exec(compile(cell, "docs/tune.ipynb", "exec"), names)
    result = names["result"]
    assert result.scores["chosen"] > result.scores["zero-shot"]
    assert result.report.is_file()
