"""``inspect``: shows a dataset as the model will see it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from jsonargparse.typing import Path_fr

from lightning_quicktune.cli.parsing import parse_settings


@dataclass(frozen=True)
class InspectSettings:
    """Shows lengths, meta-features, and decoded tokens with the loss mask.

    Args:
        recipe: Fit YAML whose base model and data settings are used.
        task: Folder, file or hub id of the dataset; the recipe's own if left out.
        columns: The dataset's keys by those that are known here, as in ``question=Frage,answer=Antwort``.
    """

    recipe: Path_fr
    task: str | None = None
    columns: str | None = None


def run(args: list[str]) -> None:
    """Runs the subcommand."""
    settings = parse_settings("inspect", InspectSettings, args)
    from lightning_quicktune.compose import read_yaml, with_overrides
    from lightning_quicktune.data.inspect import inspection
    from lightning_quicktune.data.reading import column_overrides
    from lightning_quicktune.trials.task_setup import task_objects

    task = {"data.init_args.path": settings.task} if settings.task else {}
    fit = with_overrides(read_yaml(Path(settings.recipe)), {**task, **column_overrides(settings.columns)})
    sys.stdout.write(inspection(task_objects(fit)[1]) + "\n")
