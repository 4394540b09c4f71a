"""Folds of a meta-dataset: which tasks are replayed together, by what the others taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightning_quicktune.metadataset.splits import task_folds
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.replay.settings import BY_DATASET, BY_SEED, FACT_PREFIX, WORD_PREFIX, ReplaySettings

HELD_OUT, OTHERS = "held out", "others"  # names of the folds that `held_out` makes


def folds_of(table: MetaDataset, settings: ReplaySettings) -> dict[str, tuple[str, ...]]:
    """Names of the tasks of each fold, by the fold's name.

    Args:
        table: The meta-dataset.
        settings: How it is divided.

    Raises:
        ValueError: If there is one task only, or tasks lack what folds are made by.
    """
    if len(table.task_names) < 2:
        raise ValueError(
            f"{settings.meta_dataset} has trials of {len(table.task_names)} task, but methods are replayed on one task "
            "with what they learned from others. Collect trials of a second task, or set `meta_dataset` to another one."
        )
    if settings.held_out:
        return _held_out(table.task_names, settings.held_out)
    if settings.folds == BY_SEED:
        folds = task_folds(table.datasets, settings.n_folds, settings.seed)
        return {str(number): names for number, names in enumerate(folds)}
    if settings.folds == BY_DATASET:
        return _by_value(table.datasets)
    if settings.folds.startswith(WORD_PREFIX):
        return _by_value(_words(table.task_names, int(settings.folds.removeprefix(WORD_PREFIX))))
    fact = settings.folds.removeprefix(FACT_PREFIX)
    values = {name: table.task_info(name).facts.get(fact) for name in table.task_names}
    lacking = [name for name, value in values.items() if value is None]
    known = sorted({key for name in lacking for key in table.task_info(name).facts})
    if lacking:
        raise ValueError(
            f"`folds` is {settings.folds!r}, but {len(lacking)} of {len(values)} tasks lack the fact {fact!r} "
            f"({', '.join(lacking[:5])}); they have {', '.join(known) or 'no facts'}. Name one that all tasks have, or "
            "write `folds: seed`."
        )
    return _by_value(values)


def _held_out(names: Sequence[str], wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    unknown = sorted(set(wanted) - set(names))
    if unknown or len(set(wanted)) == len(names):
        raise ValueError(
            f"`held_out` names {', '.join(unknown) or 'all tasks'}, but the tasks of the meta-dataset are "
            f"{', '.join(names)}. Name some of these, and leave some to learn from."
        )
    return {HELD_OUT: tuple(sorted(set(wanted))), OTHERS: tuple(name for name in names if name not in wanted)}


def _words(names: Sequence[str], place: int) -> dict[str, str]:
    short = [name for name in names if len(name.split("-")) < place]
    if short:
        raise ValueError(
            f"`folds` is 'name:{place}', but {len(short)} of {len(names)} names of tasks have fewer words between "
            f"hyphens ({', '.join(short[:5])}). Write a lower number, `folds: fact:NAME` or `folds: seed`."
        )
    return {name: name.split("-")[place - 1] for name in names}


def _by_value(values: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    return {
        str(value): tuple(name for name in values if values[name] == value)
        for value in sorted(set(values.values()), key=str)
    }
