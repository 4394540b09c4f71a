"""Settings of replays; light to import, so that the command line answers quickly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from lightning_quicktune.replay.methods import Method, MethodName

CostName = Literal["cost_s", "cost_cpu_s", "reference", "slices"]
SettingName = Literal["known", "new"]
FACT_PREFIX, WORD_PREFIX = "fact:", "name:"
BY_SEED, BY_DATASET = "seed", "dataset"
_FOLDS = re.compile(rf"{BY_SEED}|{BY_DATASET}|fact:.+|name:[1-9]\d*")


@dataclass(frozen=True)
class SurrogateTraining:
    """How the surrogates of each fold are trained.

    Args:
        epochs: Epochs, each followed by a validation on held-out training tasks.
        steps_per_epoch: Training steps between two validations.
        n_support: Points of the training tasks that predictions come from.
        objective: What a step of the performance surrogate maximises: ``predictive``, the likelihood of a task's points
            given points of other tasks, or ``marginal``, that of one task's points together.
    """

    epochs: int = 20
    steps_per_epoch: int = 100
    n_support: int = 1024
    objective: Literal["predictive", "marginal"] = "predictive"

    def __post_init__(self) -> None:
        for name in ("epochs", "steps_per_epoch", "n_support"):
            _check_count(f"surrogates.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class ReplaySettings:
    """Which search methods are replayed on which tasks of a meta-dataset, and within what budgets.

    Args:
        meta_dataset: Folder of the meta-dataset, or the URI of an MLflow artifact such as ``runs:/ID/meta_dataset``.
        output: Folder of this evaluation; the same command goes on where it stopped, and replays anew what a change of
            code has touched.
        methods: Search methods to compare: names, or mappings of a name and options such as
            ``{name: curve_transfer, cost: false, label: no cost}``.
        setting: ``known`` lets methods learn from other tasks about the very configurations they choose from; ``new``
            shows them one half of the configurations, of other tasks, and lets them choose from the other half; each
            pair of seeds halves anew, and what takes training is learned anew for each half.
        n_halvings: Draws of halves that pairs of seeds take in turn; fewer than pairs save training.
        budgets: What a search may spend, in full trainings; regret is reported at each.
        budgets_s: The same in seconds.
        calibration_budgets: When predicted final scores are compared with the recorded ones, of methods that predict a
            distribution, in full trainings: 0 for before any observation.
        folds: How tasks are held out: ``seed`` for random folds, ``dataset`` for one fold per dataset, ``fact:NAME``
            for one per value of a fact of the tasks, such as their domain, or ``name:2`` for one per second word of
            names such as ``suite-towns-dates``. However it is done, nothing is learned from other tasks of a replayed
            dataset.
        n_folds: Number of random folds.
        test_folds: Names of the folds that are replayed; all of them if not given. Random folds are named 0, 1, ...
        train_folds: Names of the folds that may be learned from; all of them if not given. Of these, the fold that is
            replayed is always left out.
        held_out: Names of tasks that are replayed together, as one fold, in place of all folds; the others are learned
            from.
        learn_from: Meta-datasets to learn from, in place of the one that is replayed; of one search space.
        development_folds: Names of the folds on which methods were developed. Where others are replayed too, the others
            alone are compared, and these have tables of their own.
        train_share: Share of the training tasks that is learned from, by a seeded draw of datasets.
        configuration_share: Share of the configurations of which trials are learned from, by a seeded draw.
        n_seeds: Replays of each method on each task.
        seed: Seed of folds, halves, surrogates and intervals; the first seed of the replays.
        cost: Recorded cost that moves the simulated clock: wall seconds, CPU seconds where the machine was shared,
            ``reference`` where there were several machines (CPU seconds over those of the reference step, as of one of
            median speed), or ``slices``, each of which costs 1 whatever the configuration, for methods that know
            nothing of costs.
        shuffle_configurations: Whether each replayed task gives every configuration the trials of another one, drawn by
            ``seed``: a control, on which all that methods learned of configurations is wrong.
        charge_thinking: Whether the CPU time a method takes to choose, on this machine, is spent from its budget too.
            If not given, it is where trials were recorded with the reference step of their device, and not in imported
            tables, whose seconds are of another machine.
        tells_budget: Whether methods are told what is left of the last of the budgets, as ``tune`` tells them; what
            they have after an earlier one is then that of a search that had more to spend.
        at_once: Trials that a search trains at once (``tune --cohort``), in the time of the longest of them alone, as
            on a device that one trial leaves idle.
        surrogates: How the surrogates of ``transfer`` and ``quicktune`` are trained.
        n_processes: Replays that run at the same time, each in a process of one thread.
    """

    meta_dataset: str
    output: str
    methods: list[MethodName | Method] = field(default_factory=lambda: ["transfer", "successive_halving", "random"])
    setting: Literal["known", "new", "both"] = "known"
    budgets: list[float] = field(default_factory=lambda: [0.5, 1.0, 2.0, 3.0, 5.0, 10.0])
    budgets_s: list[float] = field(default_factory=list)
    calibration_budgets: list[float] = field(default_factory=list)
    folds: str = "seed"
    n_folds: int = 5
    test_folds: list[int | str] | None = None
    train_folds: list[int | str] | None = None
    development_folds: list[int | str] | None = None
    held_out: list[str] = field(default_factory=list)
    learn_from: list[str] = field(default_factory=list)
    train_share: float = 1.0
    configuration_share: float = 1.0
    n_halvings: int = 5
    n_seeds: int = 10
    seed: int = 0
    cost: CostName = "cost_s"
    shuffle_configurations: bool = False
    charge_thinking: bool | None = None
    tells_budget: bool = False
    at_once: int = 1
    surrogates: SurrogateTraining = field(default_factory=SurrogateTraining)
    n_processes: int = 1

    def __post_init__(self) -> None:
        for name, least in (("n_folds", 2), ("n_halvings", 1), ("n_seeds", 1), ("n_processes", 1), ("at_once", 1)):
            _check_count(name, getattr(self, name), least)
        self._check_methods()
        _check_budgets("budgets", self.budgets)
        if self.budgets_s:
            _check_budgets("budgets_s", self.budgets_s)
        _check_moments(self.calibration_budgets, self.budgets[-1])
        if not _FOLDS.fullmatch(self.folds):
            raise ValueError(
                f"`folds` is {self.folds!r}, but tasks are held out at random, by dataset, by one of their facts or by "
                "a word of their names. Write `folds: seed`, `folds: dataset`, `folds: fact:domain` with the fact's "
                "name, or `folds: name:2`."
            )
        _check_share("train_share", self.train_share, "training tasks")
        _check_share("configuration_share", self.configuration_share, "configurations")
        others = [name for name in ("test_folds", "train_folds", "development_folds") if getattr(self, name)]
        if self.held_out and others:
            raise ValueError(
                f"`held_out` names {len(self.held_out)} tasks as the one fold that is replayed, but `{others[0]}` "
                f"names folds too. Leave out `held_out` or `{others[0]}`."
            )
        if self.learn_from and self.train_folds:
            raise ValueError(
                "`learn_from` names the meta-datasets that are learned from, but `train_folds` names folds of the one "
                "that is replayed. Leave one of them out."
            )
        if self.cost == "slices" and (self.charge_thinking or self.budgets_s):
            raise ValueError(
                "`cost` is slices, which have no seconds, but `charge_thinking` or `budgets_s` count some. Leave both "
                "out, or set `cost` to cost_s or cost_cpu_s."
            )

    @property
    def entries(self) -> tuple[Method, ...]:
        """The methods with their options."""
        return tuple(each if isinstance(each, Method) else Method(each) for each in self.methods)

    @property
    def compared(self) -> list[str]:
        """Labels of the methods that can be, without what no method can do."""
        return [each.shown for each in self.entries if each.name != "oracle"]

    @property
    def setting_names(self) -> tuple[SettingName, ...]:
        """The settings that are replayed."""
        return ("known", "new") if self.setting == "both" else (self.setting,)

    def _check_methods(self) -> None:
        labels = [each.shown for each in self.entries]
        if not labels or len(set(labels)) < len(labels) or len({each.key for each in self.entries}) < len(labels):
            raise ValueError(
                f"`methods` is {labels}, but each method is replayed once per task and seed, under its own label. "
                "List at least one, and each once."
            )
        if not self.compared:
            raise ValueError(
                f"`methods` is {labels}, but `oracle` is no method: it shows the limit for others. List a method too."
            )


def _check_count(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"`{name}` is {value}, but it counts things, at least {least}. Raise `{name}`.")


def _check_share(name: str, value: float, of: str) -> None:
    if not 0.0 < value <= 1.0:
        raise ValueError(
            f"`{name}` is {value}, but it is a share of the {of}, above 0 and at most 1. Write `{name}: 0.5` to learn "
            "from half of them."
        )


def _check_moments(moments: list[float], last: float) -> None:
    if sorted(set(moments)) != moments or (moments and not 0 <= moments[0] <= moments[-1] <= last):
        raise ValueError(
            f"`calibration_budgets` is {moments}, but they are rising moments of a replay, from 0 to the last of "
            f"`budgets`, which is {last:g}. Write, for example, `calibration_budgets: [0, {last:g}]`."
        )


def _check_budgets(name: str, budgets: list[float]) -> None:
    if not budgets or budgets[0] <= 0 or sorted(set(budgets)) != budgets:
        raise ValueError(
            f"`{name}` is {budgets}, but regret is reported after rising budgets, each above 0. "
            f"Write them in rising order, for example `{name}: [0.5, 1, 2, 5]`."
        )
