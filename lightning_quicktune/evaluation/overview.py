"""The overview of several evaluations side by side: what each method reaches on each, and what becomes of claims."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lightning_quicktune.evaluation.comparison import Comparison, compare
from lightning_quicktune.evaluation.evaluate import Evaluated, evaluate
from lightning_quicktune.evaluation.publish import publish
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.evaluation.summary import Summary
from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.replay.settings import SettingName
from lightning_quicktune.statistics.intervals import LEVEL
from lightning_quicktune.wording.markdown import markdown_table

log = logging.getLogger(__name__)

CellsOf = Callable[["Column"], list[str]]  # one cell per budget


@dataclass(frozen=True, eq=False)
class Column:
    """One setting of one variant, at all budgets.

    Args:
        variant: Name of the variant.
        setting: Whether configurations are known from other tasks.
        summary: Its methods, compared.
        clusters: Cluster of each task.
    """

    variant: str
    setting: SettingName
    summary: Summary
    clusters: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Overview:
    """What evaluations side by side left.

    Args:
        report: The overview, Markdown; the evaluations lie in folders of their own beside ``report``.
        variants: Each evaluation, by the name of its variant.
        run_id: MLflow run of the overview; none if the server was away.
    """

    report: Path
    variants: Mapping[str, Evaluated]
    run_id: str | None


def evaluate_variants(settings: EvaluateSettings) -> Overview:
    """Evaluates every variant, and lays them side by side.

    Args:
        settings: With at least one variant.

    Raises:
        FileNotFoundError, ValueError, RuntimeError: As ``evaluate``, of the first variant that fails.
    """
    found: dict[str, Evaluated] = {}
    for variant in settings.variants:
        log.info("%s ...", variant.name)
        found[variant.name] = evaluate(settings.of_variant(variant))
    columns = [
        Column(name, setting, several[0], each.clusters)
        for name, each in found.items()
        for setting, several in each.summaries.items()
    ]
    output = Path(settings.output)
    folder, rows = output / "report", _results(found)
    write_whole(folder / "overview.md", overview(settings, found, columns).encode())
    content = io.BytesIO()
    rows.to_parquet(content, index=False)
    write_whole(folder / "results.parquet", content.getvalue())
    tags = {"variants": str(len(found))}
    run_id = publish(folder, output / "mlflow.json", _metrics(columns), tags, settings.tracking)
    return Overview(folder / "overview.md", found, run_id)


def overview(settings: EvaluateSettings, found: Mapping[str, Evaluated], columns: Sequence[Column]) -> str:
    """The overview as Markdown.

    Args:
        settings: How it was evaluated.
        found: The evaluations, by the name of their variant.
        columns: The same by variant and setting.
    """
    parts = ["# Search methods on recorded trials, side by side", "\n".join(_facts(settings, found, columns))]
    if settings.claims:
        parts += [
            "## Claims",
            "By how much less the mean normalised regret of the first method is after a budget in full trainings, "
            f"with a {LEVEL:.0%} interval by bootstrap over datasets and seeds. A claim *holds* where the interval "
            "lies above 0, is *contradicted* where it lies below, and is open else.",
            _table("claim", [(c.says, _gain(settings, c.method, c.against)) for c in settings.claims], columns),
        ]
    methods = [method.shown for method in settings.entries]
    parts += [
        "## Mean normalised regret",
        f"After a budget in full trainings, with a {LEVEL:.0%} interval. 0 is the best score of the pool, 1 that of "
        "its median configuration.",
        _table("method", [(name, _regret(name)) for name in methods], columns),
        f"## {settings.first_method} against each other method",
        "By how much less its regret is, as above.",
        _table("against", _others(settings), columns),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(settings: EvaluateSettings, found: Mapping[str, Evaluated], columns: Sequence[Column]) -> list[str]:
    lines = []
    for variant in settings.variants:
        own, each = settings.of_variant(variant), found[variant.name]
        tasks = next(c.summary.tasks for c in columns if c.variant == variant.name)
        learned = f", learned from {' and '.join(own.learn_from)}" if own.learn_from else ""
        shares = {"datasets": own.train_share, "configurations": own.configuration_share}
        told = "".join(f", {share:.0%} of the {what} learned from" for what, share in shares.items() if share < 1)
        held = f"{len(own.held_out)} tasks held out" if own.held_out else f"folds by {own.folds}"
        lines.append(
            f"- {variant.name}: {own.meta_dataset}{learned}{told}; {len(tasks)} tasks of "
            f"{len({each.clusters[task] for task in tasks})} clusters replayed, {len(each.left_out)} left out; {held}; "
            f"{own.n_seeds} seeds; `{own.cost}`"
        )
    return lines


def _others(settings: EvaluateSettings) -> list[tuple[str, CellsOf]]:
    first = settings.first_method
    return [(name, _gain(settings, first, name)) for name in settings.compared if name != first]


def _table(head: str, rows: Sequence[tuple[str, CellsOf]], columns: Sequence[Column]) -> str:
    several = len({column.setting for column in columns}) > 1
    heads = [
        f"{column.variant}{f', {column.setting}' if several else ''}, {budget:g}"
        for column in columns
        for budget in column.summary.budgets
    ]
    cells = [[name, *(text for column in columns for text in of(column))] for name, of in rows]
    return markdown_table([head, *heads], cells)


def _regret(method: str) -> CellsOf:
    def cells(column: Column) -> list[str]:
        summary = column.summary
        m = summary.methods.index(method)
        means, lower, upper = (values[m] for values in (summary.regret, summary.lower, summary.upper))
        return [f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in zip(means, lower, upper, strict=True)]

    return cells


def _gain(settings: EvaluateSettings, method: str, against: str) -> CellsOf:
    def cells(column: Column) -> list[str]:
        one = {column.setting: column.summary}
        pairs = compare(one, method, None, column.clusters, settings.seed, settings.limits)
        return [_verdict(pair) for pair in pairs if pair.against == against]

    return cells


def _verdict(pair: Comparison) -> str:
    word = "holds" if pair.lower > 0 else "contradicted" if pair.upper < 0 else "open"
    return f"{pair.gain:+.3f} [{pair.lower:+.3f}, {pair.upper:+.3f}] {word}"


def _results(found: Mapping[str, Evaluated]) -> pd.DataFrame:
    tables = {name: pd.read_parquet(each.report.parent / "results.parquet") for name, each in found.items()}
    return pd.concat([table.assign(variant=name) for name, table in tables.items()], ignore_index=True)


def _metrics(columns: Sequence[Column]) -> dict[str, float]:
    return {
        f"{column.variant}/{column.setting}/{method}/regret_{budget:g}": float(column.summary.regret[m, b])
        for column in columns
        for m, method in enumerate(column.summary.methods)
        for b, budget in enumerate(column.summary.budgets)
    }
