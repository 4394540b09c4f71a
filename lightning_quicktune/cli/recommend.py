"""``recommend``: the configurations to try first on a dataset, without training any."""

from __future__ import annotations

import sys

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.tuning.settings import RecommendSettings


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("recommend", RecommendSettings, args)
    from lightning_quicktune.tuning.recommend import recommend

    recommended = recommend(settings)
    sys.stdout.write(f"{recommended.table}\nfit YAMLs are in {recommended.folder}\n")
