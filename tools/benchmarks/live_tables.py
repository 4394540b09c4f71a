"""Tables of live searches: what each method gave away, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lightning_quicktune.finetune.record_scores import TARGETS
from lightning_quicktune.statistics.paired import N_DRAWS, paired_difference
from lightning_quicktune.wording.markdown import markdown_table

OURS = "transfer_guarded"  # the default of `tune`
WRITTEN = ("exact_match", "token_f1", "rouge_l")  # of generated answers

Found = dict[tuple[str, int, int, str], dict[str, Any]]


def tables(found: Found, methods: Sequence[str], budgets: Sequence[int], n_seeds: int) -> str:
    """Results as Markdown.

    Args:
        found: What each method gave away, by task, seed, budget in slices and method: ``means`` of test metrics, and
            ``loss`` and ``targets`` of each test record.
        methods: The methods.
        budgets: In slices.
        n_seeds: Seeds of each, from 0.
    """
    tasks = list(dict.fromkeys(task for task, *_ in found))
    parts = []
    for slices in budgets:
        rows = []
        for method in methods:
            cells = {t: [found[t, s, slices, method] for s in range(n_seeds)] for t in tasks}
            likelihood = [np.mean([c["means"]["answer_likelihood"] for c in cells[t]]) for t in tasks]
            metrics = [np.mean([c["means"].get(m, np.nan) for each in cells.values() for c in each]) for m in WRITTEN]
            gap = "-" if method == OURS or OURS not in methods else _gap(found, n_seeds, slices, method, tasks)
            rows.append([method, *(f"{v:.3f}" for v in (*likelihood, np.mean(likelihood), *metrics)), gap])
        columns = ["method", *tasks, "mean likelihood", *WRITTEN, f"{OURS} is better by"]
        parts += [f"**{slices} slices, {n_seeds} seeds**", markdown_table(columns, rows, right_from=1)]
        parts += _by_task(found, methods, slices, tasks)
    return "\n\n".join(parts) + "\n"


def _by_task(found: Found, methods: Sequence[str], slices: int, tasks: list[str]) -> list[str]:
    """Test likelihood of the first seed against each method, with a paired bootstrap over records."""
    rows = []
    for method in (m for m in methods if m != OURS and OURS in methods):
        cells = []
        for task in tasks:
            other, ours = (found[task, 0, slices, m] for m in (method, OURS))
            losses, weights = [np.array(each["loss"]) for each in (other, ours)], np.array(ours[TARGETS])
            gap = paired_difference(*losses, weights, lambda loss: np.exp(-loss))
            cells.append(f"{gap.value:+.3f} [{gap.lower:+.3f}, {gap.upper:+.3f}]")
        rows.append([method, *cells])
    return [markdown_table([f"{OURS} against", *tasks], rows, right_from=1)] if rows else []


def _gap(found: Found, n_seeds: int, slices: int, method: str, tasks: list[str]) -> str:
    """Mean over tasks and seeds of what likelihood is higher; an interval by drawing tasks and their records again."""
    generator, drawn, values = np.random.default_rng(0), [], []
    for task in tasks:
        of_task = []
        for seed in range(n_seeds):
            other, ours = (found[task, seed, slices, m] for m in (method, OURS))
            losses, weights = [np.array(each["loss"]) for each in (ours, other)], np.array(ours[TARGETS])
            n = len(weights)
            draws = np.vstack([np.ones(n), generator.multinomial(n, np.full(n, 1 / n), size=N_DRAWS)]) * weights
            first, second = (np.exp(-(draws @ loss) / draws.sum(1)) for loss in losses)
            of_task.append(first - second)
        mean = np.mean(of_task, axis=0)
        values.append(mean[0])
        drawn.append(mean[1:])
    chosen = generator.integers(len(tasks), size=(N_DRAWS, len(tasks)))
    means = np.array(drawn)[chosen, np.arange(N_DRAWS)[:, None]].mean(axis=1)
    lower, upper = np.quantile(means, [0.025, 0.975])
    return f"{np.mean(values):+.3f} [{lower:+.3f}, {upper:+.3f}]"
