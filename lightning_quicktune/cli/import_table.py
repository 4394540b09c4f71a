"""``import``: turns a table of learning curves from elsewhere into a meta-dataset."""

from __future__ import annotations

import sys

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.metadataset.import_settings import ImportSettings


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("import", ImportSettings, args)
    from lightning_quicktune.metadataset.import_table import import_table

    imported = import_table(settings)
    for note in imported.notes:
        sys.stdout.write(f"{note}\n")
    meta = imported.table.meta
    sys.stdout.write(f"{meta['n_trials']} trials of {meta['n_tasks']} tasks are in {imported.folder}\n")
