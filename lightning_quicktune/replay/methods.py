"""The methods that are compared, with the options that take a part of them away."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Literal

from lightning_quicktune.search.names import DEFAULT_ACQUISITION, Acquisition, SearcherName

Lesson = Literal["surrogates", "surrogates_undescribed", "prior"]
MethodName = SearcherName | Literal["oracle", "strong", "recommended"]

_OPTIONS: dict[str, tuple[MethodName, ...]] = {
    "acquisition": ("transfer", "quicktune"),
    "meta_features": ("transfer", "quicktune"),
    "curve": ("transfer", "curve_transfer"),
    "cost": ("transfer", "curve_transfer"),
    "pretraining": ("curve_transfer",),
    "order": ("curve_transfer",),
    "default_first": (
        "random",
        "portfolio",
        "portfolio_asha",
        "forest_portfolio",
        "forest_portfolio_asha",
        "nearest_task_portfolio",
        "successive_halving",
        "optuna",
        "dehb",
    ),
}
_DESCRIBED = ("transfer", "quicktune", "nearest_task_portfolio")
_LABEL = re.compile(r"[\w .-]+")


@dataclass(frozen=True, order=True)
class Method:
    """A search method, as it is or without a part of it.

    Args:
        name: Name of the search method. ``oracle`` takes configurations by their final scores, best first, which no
            method can know: it shows the limit. ``strong`` trains a recipe that is commonly advised, or what was
            recorded nearest to it; ``recommended`` what ``recommend`` names, in that order, each to the end.
        acquisition: What a candidate is worth to ``transfer`` and ``quicktune``: its improvement at the next slice, at
            the end of training, or the probability to pass a random threshold at a random horizon.
        meta_features: Whether surrogates are trained with the meta-features of tasks; ``transfer`` and ``quicktune``.
        curve: Whether partial curves count. Without, ``transfer`` predicts from configurations alone, and
            ``curve_transfer`` sees final scores only, so that it trains each configuration it takes up to the end.
        cost: Whether predicted costs count; ``transfer`` and ``curve_transfer``.
        pretraining: Whether ``curve_transfer`` knows anything from other tasks. Without, it knows that neighbouring
            configurations are alike and that scores rise towards the end, no scale, no order and no cost.
        order: Whether ``curve_transfer`` may begin with configurations in the order of ranks.
        default_first: Whether the default configuration is trained to the end first, of which the method is told: a
            head start that needs no other task. DEHB learns of it once it proposes it.
        label: How it is called in tables and figures; by its name and options if not given.
    """

    name: MethodName
    acquisition: Acquisition = DEFAULT_ACQUISITION
    meta_features: bool = True
    curve: bool = True
    cost: bool = True
    pretraining: bool = True
    order: bool = True
    default_first: bool = False
    label: str | None = None

    def __post_init__(self) -> None:
        for option in self.changed:
            if self.name not in _OPTIONS[option]:
                raise ValueError(
                    f"`methods` has {self.name!r} with `{option}: {str(getattr(self, option)).lower()}`, but that "
                    f"changes nothing there: it is for {' and '.join(_OPTIONS[option])}. Take `{option}` out of the "
                    "entry in `methods`, or name one of these."
                )
        if self.label is not None and not _LABEL.fullmatch(self.label):
            raise ValueError(
                f"`label` is {self.label!r}, but MLflow takes letters, digits, spaces and `_.-` in names of metrics. "
                "Write the `label` in `methods` with these."
            )

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the options that are not as usual."""
        return tuple(f.name for f in fields(self) if f.name in _OPTIONS and getattr(self, f.name) != f.default)

    @property
    def key(self) -> str:
        """Says what is replayed, for folders: name and options."""
        parts = [f"no_{o}" if getattr(self, o) is False else o for o in self.changed]
        return "-".join([self.name, *(self.acquisition if part == "acquisition" else part for part in parts)])

    @property
    def shown(self) -> str:
        """For tables and figures."""
        return self.label or self.key

    @property
    def lesson(self) -> Lesson | None:
        """What is learned from the other tasks once per split, and takes long; none for cheap methods."""
        if self.name in ("transfer", "quicktune"):
            return "surrogates" if self.meta_features else "surrogates_undescribed"
        return "prior" if self.name in ("curve_transfer", "transfer_guarded", "recommended") else None

    @property
    def head_start(self) -> Literal["default_first", "none"]:
        """What is trained before the method chooses."""
        return "default_first" if self.default_first else "none"

    @property
    def describes_the_task(self) -> bool:
        """Whether it needs the task's meta-features, and so pays for them."""
        return self.name in _DESCRIBED and self.meta_features
