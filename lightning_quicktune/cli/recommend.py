"""``recommend``: the configurations to try first on a dataset, without training any."""

from __future__ import annotations

import sys

from lightning_quicktune.arguments.typed_key import TASK_PATH, typed_as
from lightning_quicktune.cli.one_line import parse_line
from lightning_quicktune.tuning.settings import RecommendSettings


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_line("recommend", RecommendSettings, args)
    from lightning_quicktune.tuning.recommend import recommend

    with typed_as("task", TASK_PATH):
        recommended = recommend(settings)
    sys.stdout.write(f"{recommended.table}\nfit YAMLs are in {recommended.folder}\n")
