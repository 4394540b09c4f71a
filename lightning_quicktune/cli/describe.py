"""``describe``: what a meta-dataset holds, and how much can be learned from it."""

from __future__ import annotations

import sys

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.metadataset.import_settings import DescribeSettings
from lightning_quicktune.trials.identity import LABEL_VERSION


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("describe", DescribeSettings, args)
    from lightning_quicktune.metadataset.describe import describe
    from lightning_quicktune.metadataset.folder import load
    from lightning_quicktune.metadataset.merge import merged

    names = [settings.meta_dataset, *settings.beside]
    table = merged([load(name) for name in names], names)
    sys.stdout.write(describe(table, settings.leave_out, settings.importance, LABEL_VERSION))
