"""Search methods on live trials, of which each is trained once, whichever methods ask for it.

    python tools/benchmarks/live.py --config tools/benchmarks/live_smollm2.yaml [--data FOLDER]

Every method chooses from the same pool with the same budget in slices, and sees of a trial only the slices that it
asked for. One whose name ends in `-tried` has beside the pool what did best on earlier tasks, as it has in `tune`. The
checkpoint of each slice that is the best of its trial so far is kept, so that what a method would have given away is
tested, on all test records, once. What is finished is read again: the same command goes on. Prints tables. Each key of
the YAML is an option as well (`--tasks`, `--methods`, `--experience`, `--output`, `--results` ...).
"""

from __future__ import annotations

import logging
import shutil
import sys
import warnings
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import ArgumentParser
from jsonargparse.typing import Path_fr
from live_tables import OURS, TARGETS, Found, tables

from lightning_quicktune.compose import quiet_upstream, read_yaml, with_overrides
from lightning_quicktune.files.whole import read_json, write_json, write_text
from lightning_quicktune.finetune.export import load_adapter
from lightning_quicktune.finetune.record_scores import record_scores
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.replay.strong import strong_configuration
from lightning_quicktune.search.build import build_searcher
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.search.left import Left
from lightning_quicktune.search.loop import run_search
from lightning_quicktune.search.ordered_searcher import OrderedSearcher
from lightning_quicktune.search.pool import shuffled
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.state import Incumbent
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.trials.checkpoints import BEST
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.trials.task_setup import TaskSetup, set_up_task, task_objects
from lightning_quicktune.trials.trainer import time_reference_step, trial_device
from lightning_quicktune.tuning.candidates import candidates_of
from lightning_quicktune.tuning.experience import Experience, base_model_name, load_experience
from lightning_quicktune.tuning.experience_folder import read_whole
from lightning_quicktune.types import Budget, LearningCurve, Observation, Suggestion

_STRONG = "strong"
_TRIED = "-tried"
_ALL = {  # what scores few records while is searched, scores all of them in the test
    "data.init_args.evaluation.max_eval_records": None,
    "data.init_args.evaluation.max_generation_records": 100,
}


@dataclass(frozen=True)
class LiveSettings:
    """Compares search methods on live trials.

    Args:
        tasks: Datasets, in ``data`` if that is given.
        recipe: Fit YAML that every trial starts from.
        output: Folder of trials and results.
        experience: Name or folder of what earlier tasks taught, as ``tune`` takes it; the portfolio knows the trials
            that it was learned from.
        methods: Search methods; ``strong`` trains a recipe that is commonly advised.
        budgets: Slices that each method may spend.
        n_seeds: Pools, and seeds of methods.
        pool_size: Configurations to choose from.
        max_fidelity: Slices of a full training.
        data: Folder of the datasets.
        results: Folder of what each method gave away; in ``output`` if left out. A dataset of which all is there needs
            neither its records nor the base model. A file that is removed is made again.
    """

    tasks: list[str]
    recipe: Path_fr
    output: str
    experience: str
    methods: list[str] = field(
        default_factory=lambda: ["default", _STRONG, "random", "successive_halving", "optuna", "portfolio", OURS]
    )
    budgets: list[int] = field(default_factory=lambda: [9, 30])
    n_seeds: int = 1
    pool_size: int = 64
    max_fidelity: int = 5
    data: str | None = None
    results: str | None = None


class StoredTrials:
    """Answers suggestions of one method from trials that all methods share, and trains what they lack.

    Args:
        plan_of: The plan of a configuration.
    """

    capacity = 1

    def __init__(self, plan_of: Any) -> None:
        self._plan_of = plan_of
        self._waiting: list[Suggestion] = []
        self.trained = 0

    @property
    def n_ended(self) -> int:
        """Each is trained when it is waited for."""
        return 0

    def submit(self, suggestion: Suggestion) -> None:
        """Keeps a suggestion until it is waited for."""
        self._waiting.append(suggestion)

    def wait(self) -> Observation:
        """Trains the suggestion as far as others haven't; what they trained beyond it is not shown."""
        suggestion = self._waiting.pop()
        plan = self._plan_of(suggestion.configuration)
        trial = read_trial(plan.folder)
        known = trial.curve.fidelity if trial is not None else 0
        if known < suggestion.fidelity and not (trial is not None and trial.status == "failed"):
            trial = run_trial(plan, suggestion.fidelity, _keep_best)
            self.trained += trial.curve.fidelity - known
        assert trial is not None  # it was trained, or had been
        if trial.status == "interrupted":
            raise RuntimeError(f"The trial in {plan.folder} was interrupted: {trial.failure}. Start the command again.")
        curve = LearningCurve(trial.curve.slices[: suggestion.fidelity])
        return Observation(suggestion.configuration, curve, curve.fidelity < suggestion.fidelity, sum(curve.costs_s))


def _keep_best(folder: Path) -> None:
    """Keeps the checkpoint of a slice that is the best of its trial so far."""
    trial = read_trial(folder)
    scores = trial.curve.scores if trial is not None else ()
    target = folder / f"slice-{len(scores)}.ckpt"
    if scores and max(scores[:-1], default=-np.inf) < scores[-1] and not target.exists():
        shutil.copyfile(folder / BEST, target)


class Live:
    """All searches of one task and seed.

    Args:
        settings: What is compared.
        setup: The task.
        folder: Where trials and tests of this task are kept.
        seed: Seed of pool, methods and trials.
    """

    def __init__(self, settings: LiveSettings, setup: TaskSetup, folder: Path, seed: int) -> None:
        self._settings, self._setup, self._folder, self._seed = settings, setup, folder, seed
        self._experience = load_experience(None, settings.experience, by_curves=True)
        space = self._experience.space
        assert space is not None  # an experience has one
        self._space = space
        self._experience.use_in(space, base_model_name(setup.fit), allow_other_base_model=False)
        self._reference_step_s = time_reference_step(setup.fit)

    def search(self, method: str, slices: int) -> dict[str, Any]:
        """What a method would have given away, tested.

        Args:
            method: Name of the method.
            slices: What it may spend.
        """
        executor = StoredTrials(self._plan)
        left = Left()
        searcher = self._searcher(method, left)
        result = run_search(searcher, executor, Budget(slices=slices), journal=None, left=left)
        incumbent = result.state.incumbent
        if incumbent is None:
            raise RuntimeError(f"{method} has no score on {self._setup.info.name} within {slices} slices.")
        return {
            "method": method,
            "slices": result.state.slices,
            "trained": executor.trained,
            "config_id": incumbent.configuration.id,
            "values": dict(incumbent.configuration.values),
            "fidelity": incumbent.fidelity,
            "validation": incumbent.score,
            **self._test(incumbent),
        }

    def _plan(self, configuration: Any) -> TrialPlan:
        folder = self._folder / "trials" / f"{configuration.id}-{self._seed}"
        return TrialPlan(self._setup.info, self._setup.fit, self._space, configuration, self._seed, folder)

    def _searcher(self, method: str, left: Left) -> Searcher:
        task = self._setup.info
        if method == _STRONG:
            return OrderedSearcher((strong_configuration(self._space),), task.max_fidelity)
        by_trials = method.startswith(("portfolio", "forest", "nearest"))
        experience = Experience(self._others) if by_trials else self._experience
        pool = candidates_of(
            self._space, self._settings.pool_size, self._seed, experience if method.endswith(_TRIED) else None
        )
        with one_thread():
            context = SearchContext(
                pool=shuffled(pool, self._seed),
                task=task,
                space=self._space,
                reference_step_s=self._reference_step_s,
                seed=self._seed,
                knowledge=experience,
                left=left,
            )
            return build_searcher(method.removesuffix(_TRIED), context)  # type: ignore[arg-type]  # it refuses other names

    def _others(self) -> MetaDataset:
        """The trials that the experience was learned from, of other datasets."""
        table, own = read_whole(self._settings.experience), self._setup.info.dataset
        return table.select([name for name, dataset in table.datasets.items() if dataset != own])

    def _test(self, incumbent: Incumbent) -> dict[str, Any]:
        """Test scores of an adapter, record by record; those of one that was tested before are read."""
        plan = self._plan(incumbent.configuration)
        path = plan.folder / f"tested-{incumbent.fidelity}.json"
        known = read_json(path)
        if known is not None:
            return known
        fit = with_overrides(plan.resolved, _ALL)
        module, data = task_objects(fit)
        load_adapter(module, plan.folder / f"slice-{incumbent.fidelity}.ckpt")
        module.model.to(trial_device(fit))
        scores = record_scores(module.model, module.tokenizer, data, "test", module.score)
        module.release()
        tested = {"means": scores.means, "loss": scores.per_record["loss"], TARGETS: scores.per_record[TARGETS]}
        write_json(path, tested)
        return read_json(path) or {}


def settings_of(args: list[str] | None = None) -> LiveSettings:
    """The settings that ``args`` describe."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(LiveSettings)
    built = parser.instantiate(parser.parse_args(args))
    return LiveSettings(**{name: built[name] for name in LiveSettings.__dataclass_fields__})


def main(args: list[str] | None = None) -> None:
    """Runs every search that isn't done, then prints the tables."""
    settings = settings_of(args)
    for name in ("lightning.pytorch", "lightning_quicktune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    quiet_upstream()
    warnings.filterwarnings("ignore")
    recipe, output = read_yaml(Path(settings.recipe)), Path(settings.output)
    results = output / "results" if settings.results is None else Path(settings.results)
    found: Found = {}
    for source in settings.tasks:
        name = Path(source).name.removeprefix("suite:").replace(":", "-")
        path = source if settings.data is None else str(Path(settings.data) / source)
        searches: dict[int, Live] = {}
        for seed, slices, method in product(range(settings.n_seeds), settings.budgets, settings.methods):
            kept = results / name / f"{method}-{slices}-{seed}.json"
            each = read_json(kept)
            if each is None:
                if seed not in searches:
                    setup = set_up_task(path, recipe, settings.max_fidelity, output / "tasks" / name)
                    searches[seed] = Live(settings, setup, output / "searches" / name, seed)
                each = searches[seed].search(method, slices)
                write_json(kept, each)
            found[name, seed, slices, method] = each
            words = f"{name}, seed {seed}, {slices} slices, {method}: {each['means']['answer_likelihood']:.3f}"
            sys.stderr.write(f"{words} ({each['config_id']}, slice {each['fidelity']})\n")
    text = tables(found, settings.methods, settings.budgets, settings.n_seeds)
    write_text(output / "live.md", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
