"""``inspect``: shows a dataset as the model will see it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from jsonargparse.typing import Path_fr

from lightning_quicktune.cli.one_line import parse_line


@dataclass(frozen=True)
class InspectSettings:
    """Shows decoded tokens with the loss mask, what stops training, lengths and meta-features.

    Args:
        recipe: Fit YAML whose base model and data settings are used.
        task: Folder, file or hub id of the dataset; the recipe's own if left out.
        model: Base model in the place of the recipe's: a name, a folder, a ``.gguf`` file or a hub id.
        columns: The dataset's keys by those that are known here, as in ``question=Frage,answer=Antwort``.
        records: Most training records to show.
        where: ``bad`` lists the records that can't be used, all of them, and nothing else.
    """

    recipe: Path_fr
    task: str | None = None
    model: str | None = None
    columns: str | None = None
    records: int = 3
    where: Literal["all", "bad"] = "all"

    def __post_init__(self) -> None:
        if self.records < 1:
            raise ValueError(f"`--records` is {self.records}, but at least 1 record is shown. Raise it.")


def run(args: list[str]) -> None:
    """Runs the subcommand; a dataset that can't be trained on is shown as far as it can be, and is an error.

    Raises:
        ValueError: If the dataset can't be trained on as the settings are.
    """
    settings = parse_line("inspect", InspectSettings, args)
    from lightning_quicktune.arguments.typed_key import TASK_PATH, in_typed_words
    from lightning_quicktune.compose import read_yaml, with_overrides
    from lightning_quicktune.data.examine import examine
    from lightning_quicktune.data.inspect import bad_records, inspection
    from lightning_quicktune.data.reading import column_overrides
    from lightning_quicktune.data.showing import marks_for
    from lightning_quicktune.presets.preset import base_model_override
    from lightning_quicktune.trials.task_setup import check_rooms, unread_objects

    task = {TASK_PATH: settings.task} if settings.task else {}
    fit = with_overrides(
        read_yaml(Path(settings.recipe)),
        {**task, **column_overrides(settings.columns), **base_model_override(settings.model)},
    )
    module, data = unread_objects(fit)
    found = examine(data)
    if found.is_read and not data.n_unanswered("test"):
        try:
            check_rooms(module, data)
        except ValueError as error:
            found = replace(found, faults=(*found.faults, str(error)))
    if settings.task:
        found = replace(found, faults=tuple(in_typed_words(fault, "task", TASK_PATH) for fault in found.faults))
    shown = (
        bad_records(data, found)
        if settings.where == "bad"
        else inspection(data, found, settings.records, marks_for(terminal=sys.stdout.isatty()))
    )
    sys.stdout.write(shown + "\n")
    if found.faults:
        raise ValueError(
            f"`{data.path}` can't be trained on as it is: what stops it is listed above ({len(found.faults)} in all)."
        )
