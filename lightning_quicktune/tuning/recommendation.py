"""What is recommended, and the table of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_quicktune.space.border import AtBorder
from lightning_quicktune.surrogate.intervals import COVERAGE
from lightning_quicktune.tuning.predicted import PredictedSlice
from lightning_quicktune.tuning.report import border_list
from lightning_quicktune.types import Configuration, TaskInfo


@dataclass(frozen=True)
class Recommendation:
    """One candidate and what is expected of it.

    Args:
        rank: Its place among all candidates by predicted final score, from 1.
        configuration: What to train.
        curve: The predicted learning curve.
        cost_s: Predicted seconds of a full training on this device.
    """

    rank: int
    configuration: Configuration
    curve: tuple[PredictedSlice, ...]
    cost_s: float

    @property
    def file(self) -> str:
        """Name of its fit YAML."""
        return f"{self.rank:02d}-{self.configuration.id}.yaml"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rank": self.rank,
            "config_id": self.configuration.id,
            "configuration": dict(self.configuration.values),
            "curve": [asdict(each) for each in self.curve],
            "cost_s": self.cost_s,
        }


def recommendation_table(
    task: TaskInfo,
    best: Sequence[Recommendation],
    default: Recommendation,
    n_candidates: int,
    folder: Path,
    borders: Sequence[AtBorder],
) -> str:
    """The recommendations as Markdown.

    Args:
        task: Record of the task.
        best: What is recommended, best first.
        default: The default configuration.
        n_candidates: How many there were to choose from.
        folder: Where the fit YAMLs are.
        borders: Where the best of them lies at the border of the search space.
    """
    names = list(dict.fromkeys(name for r in (*best, default) for name in r.configuration.values))
    fidelities = [str(each.fidelity) for each in default.curve]
    rows = [*best, *([] if default in best else [default])]
    parts = [
        f"# What to try first on {task.name}",
        f"The best {len(best)} of {n_candidates} candidates by predicted {task.metric} after a full training of "
        f"{task.max_fidelity} slices; nothing was trained. Zero-shot it is {task.zero_shot_score:.3f}; the default "
        f"configuration ({default.configuration.id}) is on place {default.rank}.",
        _markdown(
            ["", "configuration", f"predicted {task.metric}", f"{COVERAGE:.0%} interval", "full training"],
            [
                [
                    _name(each, default),
                    each.configuration.id,
                    f"{each.curve[-1].score:.3f}",
                    f"{each.curve[-1].lower:.3f} to {each.curve[-1].upper:.3f}",
                    f"{each.cost_s:.1f} s",
                ]
                for each in rows
            ],
        ),
        "## Predicted learning curves (score after each slice)",
        _markdown(["", *fidelities], [[_name(r, default), *(f"{s.score:.3f}" for s in r.curve)] for r in rows]),
        "## Hyperparameters",
        _markdown(
            ["", *names],
            [[_name(r, default), *(_shown(r.configuration.values.get(name)) for name in names)] for r in rows],
        ),
        *([f"Of the best:\n\n{border_list(borders)}"] if borders else []),
        f"Train one of them: `lightning-quicktune fit --config {folder / best[0].file}`",
    ]
    return "\n\n".join(parts) + "\n"


def _name(each: Recommendation, default: Recommendation) -> str:
    return f"{each.rank} (default)" if each == default else str(each.rank)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
