#!/usr/bin/env python
"""Puts what was found into the table of a document; rows of tools that were not tried this time stay.

Usage: tools/serving/write_table.py ROWS DOCUMENT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HEAD = ["| tool | base model | export | what to type | answers equal to ours |", "|---|---|---|---|---|"]


def main(rows: Path, document: Path) -> None:
    """Writes the lines between the two marks of the document."""
    text = document.read_text(encoding="utf-8")
    before, rest = text.split("<!-- table -->\n")
    old, after = rest.split("<!-- end -->\n")
    lines = {key(line): line for line in old.splitlines()[2:]}
    for version, base, export, typed, found in json.loads(rows.read_text()):
        line = f"| {version} | {base} | {export} | `{typed}` | {found} |"
        lines[key(line)] = line
    table = "\n".join([*HEAD, *(lines[name] for name in sorted(lines))])
    document.write_text(f"{before}<!-- table -->\n{table}\n<!-- end -->\n{after}", encoding="utf-8")


def key(line: str) -> tuple[str, ...]:
    """Tool without its version, base model and export."""
    tool, base, export = (cell.strip() for cell in line.split("|")[1:4])
    return tool.split(" ")[0], base, export


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
