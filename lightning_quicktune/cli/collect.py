"""``collect``: runs trials over many tasks and builds the meta-dataset."""

from __future__ import annotations

import sys

from lightning_quicktune.arguments.typed_key import TASK_PATH, typed_as
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.settings import CollectSettings


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("collect", CollectSettings, args)
    from lightning_quicktune.collection.collect import collect

    with typed_as("tasks", TASK_PATH):
        collected = collect(settings)
    if collected is None:
        sys.stdout.write(
            f"Finished trials are in {settings.parts}; the same collection elsewhere goes on from there.\n"
        )
        return
    trials = collected.table.trials.groupby(["task", "config_id", "seed"]).ngroups
    sys.stdout.write(
        f"{trials} trials of {len(collected.table.tasks)} tasks are in {collected.folder}, and in MLflow as "
        f"runs:/{collected.run_id}/meta_dataset\n"
    )
