"""Draws mean regret over the budget."""

from __future__ import annotations

import io

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

from lightning_quicktune.evaluation.regret import LEVEL
from lightning_quicktune.evaluation.summary import Summary

# Told apart by colour-blind readers too: Okabe and Ito (2008), Color Universal Design.
_STYLES = {
    "transfer": ("#d55e00", "-"),
    "successive_halving": ("#0072b2", "-"),
    "random": ("#009e73", "--"),
    "default": ("#555555", ":"),
}


def draw_regret(summary: Summary, n_tasks: int) -> bytes:
    """The figure as PNG.

    Args:
        summary: At many budgets, for smooth lines.
        n_tasks: Over how many tasks the mean is taken.
    """
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for place, method in enumerate(summary.methods):
        color, line = _STYLES[method]
        axis.plot(summary.budgets, summary.regret[place], line, color=color, linewidth=2, label=method)
        axis.fill_between(
            summary.budgets, summary.lower[place], summary.upper[place], color=color, alpha=0.15, linewidth=0
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axis.set(
        xlim=(summary.budgets[0], summary.budgets[-1]),
        xlabel="budget (full trainings)",
        ylabel="mean normalised regret",
        title=f"Regret on {n_tasks} tasks (lower is better; bands: {LEVEL:.0%} bootstrap over tasks)",
    )
    axis.title.set_fontsize(10)
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150)
    plt.close(figure)
    return file.getvalue()
