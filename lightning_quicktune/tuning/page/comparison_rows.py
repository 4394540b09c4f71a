"""The comparison on the test split, as rows for people."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.rows import Compared
from lightning_quicktune.tuning.tried import chosen_from
from lightning_quicktune.tuning.verdict_words import measured, metric_names, row_title, spaced
from lightning_quicktune.tuning.words import describe

_COUNTS = ("label_accuracy", "exact_match")  # metrics that are right or wrong on a record


@dataclass(frozen=True)
class Row:
    """One row of the comparison.

    Args:
        name: Its name in the record.
        title: What was tested.
        about: Its configuration in a few words; empty for the base model.
        slices: Slices trained.
        validation: Score on the validation split.
        main: The task's metric on the test split.
        share: The same in percent of a full bar.
        counted: How many records are right, where the task's metric doesn't say; empty if nothing counts them.
        others: All other metrics on the test split, in the order of the head.
        seconds: What training and testing it took.
    """

    name: str
    title: str
    about: str
    slices: int
    validation: str
    main: str
    share: float
    counted: str
    others: tuple[str, ...]
    seconds: str


@dataclass(frozen=True)
class Comparison:
    """All rows.

    Args:
        metric: The task's own.
        others: Names of all other metrics.
        rows: In the order of the record, the chosen one last; where that is one of the others, it is not said twice.
    """

    metric: str
    others: tuple[str, ...]
    rows: tuple[Row, ...]


def comparison(outcome: Outcome) -> Comparison:
    """The comparison of an outcome; no rows if nothing was tested."""
    metric = outcome.task.metric
    source = chosen_from(outcome)
    others = tuple(name for name in metric_names(outcome) if name != metric)
    called = {row.name: row_title(outcome, row.name) for row in outcome.rows}
    rows = [
        Row(
            name=row.name,
            title=f"chosen: {row_title(outcome, source)}" if row.name == "chosen" and source else called[row.name],
            about=describe(row.values) if row.values else "",
            slices=row.fidelity,
            validation=f"{row.validation_score:.3f}",
            main=measured(row, metric),
            share=100 * min(max(row.test_metrics.get(metric, 0.0), 0.0), 1.0),
            counted=_counted(row, metric),
            others=tuple(measured(row, name) for name in others),
            seconds=f"{row.cost_s:.0f}",
        )
        for row in outcome.rows
        if source is None or row.name != source
    ]
    return Comparison(metric, others, tuple(rows))


def _counted(row: Compared, metric: str) -> str:
    names = [name for name in _COUNTS if name in row.test_metrics]
    return "" if not names or metric in _COUNTS else f"{spaced(names[0])} {measured(row, names[0])}"
