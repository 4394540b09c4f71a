"""``describe``: what a meta-dataset holds, and how much can be learned from it."""

from __future__ import annotations

import sys

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.metadataset.import_settings import DescribeSettings


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("describe", DescribeSettings, args)
    from lightning_quicktune.metadataset.describe import describe
    from lightning_quicktune.metadataset.folder import load

    sys.stdout.write(describe(load(settings.meta_dataset), settings.leave_out, settings.importance))
