"""The description of a meta-dataset as Markdown: what it holds, and how much can be learned from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np
from jaxtyping import Float, Int

from lightning_quicktune.metadataset.agreement import between_tasks, percentiles, regret_of_one_for_all, with_final
from lightning_quicktune.metadataset.arrays import CurveArrays, curve_arrays
from lightning_quicktune.metadataset.describe_length import length_part
from lightning_quicktune.metadataset.describe_limits import border_part, noise_part
from lightning_quicktune.metadataset.importance import importances
from lightning_quicktune.metadataset.table import FACT, META, MetaDataset
from lightning_quicktune.metadataset.usefulness import (
    criteria,
    failures,
    n_ended,
    seed_noise,
    share_outside_top,
    without_zero_shot,
)
from lightning_quicktune.wording.markdown import counted, markdown_table, number, per_cent, quartiles

SHARES = (0.1, 0.2, 0.5)  # of a full training
SECONDS = {"text": "text_features_s", "zero-shot": "zero_shot_s", "landmarks": "landmarks_s"}  # facts of a task


def describe(
    table: MetaDataset, leave_out: Collection[str] = (), importance: bool = True, label_version: int | None = None
) -> str:
    """Describes a meta-dataset.

    Args:
        table: The meta-dataset.
        leave_out: Tasks that are not looked at.
        importance: Whether to measure how much each hyperparameter matters.
        label_version: Version of the labels that trials get now, to compare with the table's; none says nothing of it.

    Raises:
        ValueError: If it has no task of a name, or none is left.
    """
    left_out = {table.task_info(name).name for name in leave_out}
    names = [name for name in table.task_names if name not in left_out]
    if not names:
        raise ValueError(
            f"`leave_out` names all {len(left_out)} tasks of the meta-dataset, so there is nothing to describe. "
            "Take one from the list."
        )
    table = table.select(names)
    arrays = curve_arrays(table)
    default = _default(table, arrays)
    parts = [
        _head(table, arrays, label_version),
        _usefulness(table, arrays, default),
        _tasks(arrays, default),
        _agreement(arrays),
    ]
    parts += [_one_for_all(arrays, default), length_part(table, arrays), border_part(arrays, table.space)]
    parts += [_seeds(table), noise_part(table, arrays), _failures(table)]
    return "\n\n".join([*parts, _importance(table, arrays)] if importance else parts) + "\n"


def _head(table: MetaDataset, arrays: CurveArrays, label_version: int | None) -> str:
    trials = table.trials.drop_duplicates(["task", "config_id", "seed"], keep="last")
    statuses = trials["status"].where(trials["failure"].isna(), trials["status"] + ": " + trials["failure"])
    tried = (arrays.outcome != "").sum(axis=0)
    lines = [
        f"- {len(arrays.tasks)} tasks, {len(trials)} trials, {table.meta['n_slices']} slices; metric "
        f"{', '.join(sorted(set(table.tasks['metric'])))}",
        f"- {len(arrays.configurations)} configurations of {len(table.space.names)} hyperparameters; "
        f"{int((tried == len(arrays.tasks)).sum())} were tried on every task",
        f"- trials by status: {counted(statuses.str.slice(0, 60).tolist())}",
        f"- base models: {counted(table.tasks['base_model'].tolist())} (tasks)",
        f"- {_meta_features(table)}",
        f"- origin: {table.meta.get('origin') or 'unknown'}; licence: {table.meta.get('licence') or 'unknown'}",
        *_labels(table, label_version),
    ]
    return "\n".join(["# Meta-dataset", "", *lines])


def _labels(table: MetaDataset, now: int | None) -> list[str]:
    """Whether its labels mean what they would now, and what was dropped because they didn't."""
    version, lines = table.label_version, []
    if now is not None and version != now and (table.tasks["base_model_hash"] != "").any():  # trained by this package
        lines = [
            f"- labels of version {version}, while trials get version {now} now: the same settings train otherwise, "
            "and `collect` takes none of these over"
        ]
    dropped = {str(reason): int(count) for reason, count in table.meta.get("dropped_labels", {}).items()}
    if dropped:
        told = "; ".join(f"{count}: {reason}" for reason, count in dropped.items())
        lines.append(
            f"- labels of version {version}; {sum(dropped.values())} trials of an earlier one are missing, because "
            f"their settings mean something else now ({told})"
        )
    return lines


def _meta_features(table: MetaDataset) -> str:
    described = table.tasks[[column for column in table.tasks.columns if column.startswith(META)]]
    missing = float(described.isna().to_numpy().mean()) if described.size else 0.0
    columns = {name: FACT + column for name, column in SECONDS.items()}
    parts = [f"{name} {_seconds(table, column)}" for name, column in columns.items() if column in table.tasks]
    return (
        f"{len(described.columns)} meta-features, {per_cent(missing)} of their cells empty; measuring them took "
        f"{_seconds(table, 'meta_features_cost_s')} s (median of tasks{': ' + ', '.join(parts) if parts else ''})"
    )


def _seconds(table: MetaDataset, column: str) -> str:
    return number(_median(table.tasks[column].to_numpy(dtype=np.float64, na_value=np.nan)))


def _usefulness(table: MetaDataset, arrays: CurveArrays, default: Float[np.ndarray, " N"]) -> str:
    rows = []
    for found in criteria(table, arrays, default):
        known = np.isfinite(found.measured)
        measured = per_cent(found.measured) if found.is_share else number(found.measured)
        rows.append([found.what, measured, found.wanted, ("yes" if found.holds else "no") if known else "unknown"])
    return "\n".join(
        [
            "## What a useful table has",
            "",
            markdown_table(["property", "measured", "wanted", "holds"], rows, right_from=1),
        ]
    )


def _tasks(arrays: CurveArrays, default: Float[np.ndarray, " N"]) -> str:
    costs = [_full_cost(arrays, i) for i in range(len(arrays.tasks))]
    rows = [
        [
            name,
            str(int((arrays.outcome[i] != "").sum())),
            _lengths(arrays.max_fidelity[i]),
            number(_best(arrays.scores[i])),
            number(_median(arrays.final[i])),
            number(costs[i], 3),
            number(default[i], 0),
        ]
        for i, name in enumerate(arrays.tasks)
    ]
    columns = ["task", "configurations", "slices", "best score", "median final", "cost (s)", "default beats (%)"]
    known = [cost for cost in costs if np.isfinite(cost)]
    total = number(float(np.nansum(arrays.costs_s)) / 3600.0, 3) if known else "unknown"
    n, n_known = (int(np.isfinite(values).sum()) for values in (arrays.scores, arrays.costs_s))
    slices = "All slices" if n_known in (0, n) else f"The {n_known} of {n} slices whose cost is known"
    note = f"Cost is the median of a full training. {slices} took {total} hours."
    return "\n".join(["## Tasks", "", markdown_table(columns, rows, right_from=1), "", note])


def _agreement(arrays: CurveArrays) -> str:
    rows = [["final scores of two tasks", *quartiles(between_tasks(arrays))]]
    if arrays.max_fidelity.max(initial=0) > 1:
        rows += [["score after the first slice and final score", *quartiles(with_final(arrays, 0.0))]]
    shares = [share for share in SHARES if (share * arrays.max_fidelity > 1).any()]
    named = [(f"score after {share:.0%} of a full training and final score", share) for share in shares]
    rows += [[name, *quartiles(with_final(arrays, share))] for name, share in named]
    columns = ["rank correlation", "lower quartile", "median", "upper quartile", "of"]
    return "\n".join(["## Agreement", "", markdown_table(columns, rows, right_from=1), *_too_few(arrays)])


def _too_few(arrays: CurveArrays) -> list[str]:
    notes = []
    if arrays.max_fidelity.max(initial=0) <= 1:
        notes.append("There is one score per training, so nothing can be said of earlier ones.")
    if len(arrays.tasks) < 2:
        notes.append("There is one task only, so nothing can be said of transfer.")
    constant = [t for t, f in zip(arrays.tasks, arrays.final, strict=True) if _is_constant(f)]
    if constant:
        notes.append(f"All final scores are equal on {', '.join(constant)}: nothing is learned there.")
    return [line for note in notes for line in ("", note)]


def _one_for_all(arrays: CurveArrays, default: Float[np.ndarray, " N"]) -> str:
    known = default[np.isfinite(default)]
    rows = [
        ["per cent of other configurations that the default beats", *quartiles(known, 0)],
        ["normalised regret of the best configuration of the other tasks", *quartiles(regret_of_one_for_all(arrays))],
    ]
    columns = ["one configuration for all tasks", "lower quartile", "median", "upper quartile", "tasks"]
    inside = round((1.0 - share_outside_top(known)) * len(known)) if len(known) else 0
    note = f"The default is in the top 10 % on {inside} of {len(known)} tasks."
    if not len(known):
        note = "The default configuration was never trained to the end."
    note = " ".join([note, *_winners(arrays)])
    return "\n".join(
        ["## Default and best average configuration", "", markdown_table(columns, rows, right_from=1), "", note]
    )


def _winners(arrays: CurveArrays) -> list[str]:
    """How many configurations are the best of some task."""
    best = [int(np.nanargmax(final)) for final in arrays.final if np.isfinite(final).any()]
    if len(best) < 2:
        return []
    place, times = max(Counter(best).items(), key=lambda pair: pair[1])
    return [
        f"{len(set(best))} configurations are the best of one of {len(best)} tasks; the most frequent, "
        f"{arrays.configurations[place].id}, of {times}."
    ]


def _seeds(table: MetaDataset) -> str:
    head = ["## Noise of seeds", ""]
    found = seed_noise(table)
    if not found:
        return "\n".join([*head, "Too few configurations were trained to the end with several seeds to measure it."])
    rows = [
        [n.task, str(n.n_configurations), str(n.n_trials), *map(number, (n.configuration_std, n.seed_std, n.ratio))]
        for n in found
    ]
    columns = ["task", "configurations", "trials", "std of configurations", "std of seeds", "ratio"]
    note = "Standard deviations of the final score; that of configurations has the seeds' part taken out of it."
    return "\n".join([*head, markdown_table(columns, rows, right_from=1), "", note])


def _failures(table: MetaDataset) -> str:
    found, ended = failures(table), n_ended(table)
    blind = without_zero_shot(table)
    head = ["## Trials that came to nothing", ""]
    if blind:
        head += [f"Only failures are seen on the {len(blind)} tasks without a zero-shot likelihood.", ""]
    if not found:
        return "\n".join([*head, f"None of {ended} that ended."])
    rows = [[kind, str(count), per_cent(count / ended)] for kind, count in found.items()]
    note = f"Shares are of the {ended} trials that failed or were trained to the end."
    return "\n".join([*head, markdown_table(["kind", "trials", "share"], rows, right_from=1), "", note])


def _importance(table: MetaDataset, arrays: CurveArrays) -> str:
    found, explained = importances(arrays, table.space.names)
    head = ["## Importance of hyperparameters", ""]
    if not found:
        return "\n".join([*head, "There are too few full trainings to measure it."])
    rows = [[name, number(value)] for name, value in found.items()]
    note = (
        f"A random forest on hyperparameters alone explains {explained:.0%} of the variance of ranks within a task, on "
        "configurations it did not learn from; shuffling a hyperparameter loses that much of it."
    )
    return "\n".join([*head, markdown_table(["hyperparameter", "importance"], rows, right_from=1), "", note])


def _default(table: MetaDataset, arrays: CurveArrays) -> Float[np.ndarray, " N"]:
    if table.space.default not in arrays.configurations:
        return np.full(len(arrays.tasks), np.nan)
    return percentiles(arrays, arrays.configurations.index(table.space.default))


def _full_cost(arrays: CurveArrays, task: int) -> float:
    full = np.isfinite(arrays.final[task])
    costs_s, places = arrays.costs_s[task, full], np.arange(arrays.costs_s.shape[2])
    return _median(np.where(places < arrays.max_fidelity[task, full, None], costs_s, 0.0).sum(axis=1))


def _lengths(max_fidelity: Int[np.ndarray, " C"]) -> str:
    """Slices of a full training, from the shortest to the longest."""
    tried = max_fidelity[max_fidelity > 0]
    return "0" if not len(tried) else str(tried.max()) if np.ptp(tried) == 0 else f"{tried.min()} to {tried.max()}"


def _is_constant(final: Float[np.ndarray, " C"]) -> bool:
    known = final[np.isfinite(final)]
    return len(known) > 1 and bool(np.ptp(known) == 0.0)


def _best(scores: Float[np.ndarray, "C F"]) -> float:
    return float(np.nanmax(scores)) if np.isfinite(scores).any() else float("nan")


def _median(values: Float[np.ndarray, " N"]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
