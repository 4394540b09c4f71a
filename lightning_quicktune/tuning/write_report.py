"""Writes a search's report: the record, the page, Markdown and its figure, all of them from the record."""

from __future__ import annotations

import json
from pathlib import Path

from lightning_quicktune.files.whole import write_text
from lightning_quicktune.tuning.figure import draw_search
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.page.page import page
from lightning_quicktune.tuning.report import report
from lightning_quicktune.tuning.tried import chosen_curve, tried

RECORD, PAGE, MARKDOWN, FIGURE = "outcome.json", "report.html", "report.md", "search.png"


def write_report(outcome: Outcome, folder: Path) -> Path:
    """Writes ``outcome.json``, ``report.html``, ``report.md`` and ``search.png``.

    Args:
        outcome: What the search did and found.
        folder: Where to write; what is there is replaced.

    Returns:
        The page.
    """
    write_text(folder / RECORD, json.dumps(outcome.to_dict()) + "\n")
    has_figure = bool(chosen_curve(outcome)) and any(each.scores for each in tried(outcome))
    if has_figure:
        draw_search(outcome, folder / FIGURE)
    write_text(folder / MARKDOWN, report(outcome, FIGURE if has_figure else None))
    write_text(folder / PAGE, page(outcome))
    return folder / PAGE


def read_outcome(folder: Path) -> Outcome:
    """Reads what ``write_report`` kept, from which everything else of it can be written again.

    Raises:
        FileNotFoundError: If the folder has no record.
    """
    path = folder / RECORD
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no `{RECORD}` in {folder}, so nothing tells what the search found. Name the `result` folder of "
            "a search that has ended, or start `tune` with the same `output` to end it."
        )
    return Outcome.from_dict(json.loads(path.read_text(encoding="utf-8")))
