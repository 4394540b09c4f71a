"""The figure of how methods do over the budget."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Literal

import matplotlib as mpl

mpl.use("agg")
import numpy as np
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_quicktune.evaluation.summary import Summary
from lightning_quicktune.replay.settings import SettingName
from lightning_quicktune.statistics.intervals import LEVEL

What = Literal["regret", "rank"]
_TITLES = {"known": "configurations known from other tasks", "new": "new configurations"}
LOWEST = 5e-3  # regret below it is drawn there: a logarithm has no 0
# Colours are told apart by colour-blind readers too: Okabe and Ito (2008), Color Universal Design. What has one colour
# is one family of methods, told apart by the line.
_STYLES = {
    "curve_transfer": ("#d55e00", "-"),
    "transfer_guarded": ("#d55e00", "-."),
    "transfer": ("#d55e00", "--"),
    "quicktune": ("#d55e00", ":"),
    "forest_portfolio_asha": ("#0072b2", "-"),
    "forest_portfolio": ("#0072b2", "--"),
    "portfolio_asha": ("#56b4e9", "-"),
    "portfolio": ("#56b4e9", "--"),
    "nearest_task_portfolio": ("#56b4e9", ":"),
    "successive_halving": ("#009e73", "-"),
    "optuna": ("#cc79a7", "-"),
    "dehb": ("#cc79a7", "--"),
    "random": ("#777777", "-"),
    "random_nearest": ("#777777", "--"),
    "default": ("#000000", ":"),
    "zero_shot": ("#bbbbbb", ":"),
    "oracle": ("#000000", "-."),
}
_OTHERS = [(color, line) for line in ("-", "--", ":") for color in ("#e69f00", "#8c564b", "#882255", "#117733")]


def draw(
    summaries: Mapping[SettingName, Summary], what: What, highlighted: tuple[str, ...]
) -> dict[Literal["png", "svg"], bytes]:
    """One panel per setting, as PNG and as SVG.

    Args:
        summaries: At many budgets, for smooth lines, by setting.
        what: What is drawn.
        highlighted: Methods with a thick line and, for regret, an interval.
    """
    size = (4.6 * len(summaries) + 2.4, 4.2)
    figure, axes = plt.subplots(1, len(summaries), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, (setting, summary) in zip(axes[0], summaries.items(), strict=True):
        _panel(axis, summary, what, highlighted)
        axis.set_title(f"{_TITLES[setting]}, {len(summary.tasks)} tasks", fontsize=10)
    words = f"regret (mean over tasks, {LEVEL:.0%} interval)" if what == "regret" else "mean rank"
    axes[0][0].set_ylabel(words)
    last = list(summaries.values())[-1]
    order = np.argsort(-(last.regret if what == "regret" else last.rank)[:, -1], kind="stable")
    lines = {line.get_label(): line for line in axes[0][-1].get_lines()}
    labels = [last.methods[m] for m in order]
    figure.legend([lines[label] for label in labels], labels, loc="outside right center", frameon=False, fontsize=9)
    files: dict[Literal["png", "svg"], bytes] = {"png": _render(figure, "png"), "svg": _render(figure, "svg")}
    plt.close(figure)
    return files


def _panel(axis: Axes, summary: Summary, what: What, highlighted: tuple[str, ...]) -> None:
    for m, method in enumerate(summary.methods):
        color, line = _STYLES.get(method) or _OTHERS[m % len(_OTHERS)]
        thick = method in highlighted
        values = summary.rank[m] if what == "rank" else _visible(summary.regret[m])
        width, alpha, above = (2.6, 1.0, 3) if thick else (1.3, 0.85, 2)
        axis.plot(summary.budgets, values, line, color=color, linewidth=width, alpha=alpha, zorder=above, label=method)
        if thick and what == "regret":
            lower, upper = _visible(summary.lower[m]), _visible(summary.upper[m])
            axis.fill_between(summary.budgets, lower, upper, color=color, alpha=0.15, linewidth=0, zorder=1)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1, 2, 5)))
    if what == "regret":
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axis.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axis.set(xlim=(summary.budgets[0], summary.budgets[-1]), xlabel=f"budget ({summary.unit})")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)


def _visible(regret: Float[np.ndarray, " budgets"]) -> Float[np.ndarray, " budgets"]:
    return np.asarray(np.maximum(regret, LOWEST))


def _render(figure: Figure, kind: str) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=150)
    return file.getvalue()
