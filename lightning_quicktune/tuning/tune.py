"""The main job: a dataset, a base model and a budget; out comes the best adapter."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_quicktune.compose import FitConfig, quiet_upstream, read_yaml, to_yaml, with_overrides
from lightning_quicktune.data.reading import column_overrides
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.files.whole import read_json, write_json, write_text
from lightning_quicktune.finetune.export import export_adapter, load_adapter
from lightning_quicktune.finetune.provenance import provenance
from lightning_quicktune.search.build import build_searcher
from lightning_quicktune.search.guarded_searcher import GuardedSearcher, Verdict
from lightning_quicktune.search.journal import Journal
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.search.loop import run_search
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.search.searcher import Searcher
from lightning_quicktune.search.state import Incumbent, SearchResult, SearchState
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.threads import one_thread
from lightning_quicktune.tracking.delivery import Delivery
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.trials.checkpoints import BEST
from lightning_quicktune.trials.cohort_executor import CohortExecutor, executor_capacity
from lightning_quicktune.trials.in_process import InProcessExecutor
from lightning_quicktune.trials.recipe import check_search
from lightning_quicktune.trials.runner import stop_trial
from lightning_quicktune.trials.storage import check_output, read_trial
from lightning_quicktune.trials.task_setup import TaskSetup, set_up_task, task_objects
from lightning_quicktune.trials.trainer import time_reference_step
from lightning_quicktune.tuning.comparison import Compared, compare
from lightning_quicktune.tuning.experience import base_model_name, load_experience
from lightning_quicktune.tuning.figure import draw_search
from lightning_quicktune.tuning.identity import contents, search_identity
from lightning_quicktune.tuning.kept_checkpoints import drop_failed, keep_best, slices_to_repeat
from lightning_quicktune.tuning.one_thread_searcher import OneThreadSearcher
from lightning_quicktune.tuning.publish import publish
from lightning_quicktune.tuning.report import headline, report
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.types import Budget, Configuration, Observation, Suggestion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """Where a search left its results.

    Args:
        headline: What was found, in one line.
        report: The report, Markdown.
        adapter: Folder of the adapter, for peft; none if nothing was trained.
        fit_yaml: Fit YAML of the chosen configuration; none likewise.
        run_id: MLflow run of the search; none if the server was away.
        tracking_uri: Where that run is.
        delivery: What MLflow has of the task and the trials.
    """

    headline: str
    report: Path
    adapter: Path | None
    fit_yaml: Path | None
    run_id: str | None
    tracking_uri: str
    delivery: Delivery


def tune(settings: TuneSettings) -> Tuned:
    """Searches within the budget, tests what was found, and reports; goes on with what ``output`` holds.

    Args:
        settings: What to tune, and how long.

    Raises:
        FileNotFoundError: If data, base model, recipe or surrogates aren't there.
        ValueError: If they don't fit each other, or ``output`` holds another search.
        RuntimeError: If no trial got through its first slice, or another process works in ``output``.
    """
    quiet_upstream()
    check_output(Path(settings.output))
    with exclusive(Path(settings.output)) as free:
        if not free:
            raise RuntimeError(
                f"Another process is tuning in {settings.output}, and two would train the same trials. Wait until it "
                "has ended, or set `output` to another folder."
            )
        job = _Job(settings)
        return job.conclude(job.search())


class _Job:
    """One search from its settings to its report."""

    def __init__(self, settings: TuneSettings) -> None:
        self.settings = settings
        self.output = Path(settings.output)
        self.trials = self.output / "trials"
        self.tracker = Tracker(settings.tracking.uri, settings.tracking.experiment)
        self.tracker.check()
        recipe = with_overrides(read_yaml(Path(settings.recipe)), column_overrides(settings.columns))
        self.experience = load_experience(settings.surrogates, settings.experience)
        self.space = self._space()
        if settings.surrogates or settings.experience:
            self.experience.use_in(
                self.space, base_model_name(recipe), settings.allow_other_base_model, settings.partial
            )
        check_search(recipe, self.space)
        _say(f"Describing {settings.task} and the base model ...")
        self.setup: TaskSetup = set_up_task(settings.task, recipe, self._max_fidelity(recipe), self.output / "task")
        self.deliver()
        self.searcher: Searcher
        self.to_repeat: dict[str, int] = {}
        self.warned = False
        self.executor = self._executor()

    def _executor(self) -> InProcessExecutor:
        place = (self.setup, self.space, self.trials, self.settings.seed, self.tracker.follow_trial)
        executor, cohort = InProcessExecutor(*place), self.settings.cohort
        if cohort == 1:
            return executor
        candidates = candidate_pool(self.space, self.settings.pool_size - 1, self.settings.seed)
        capacity = executor_capacity(cohort, [executor.plan(candidate) for candidate in candidates])
        _say(f"Up to {capacity} trials are trained at once.")
        return CohortExecutor(*place, capacity)

    def search(self) -> SearchResult:
        """Spends the budget; what describing the task took is part of it."""
        settings, task = self.settings, self.setup.info
        pool = candidate_pool(self.space, settings.pool_size - 1, settings.seed)
        context = self._context(pool)  # times the reference step, on as many threads as a trial has
        with one_thread():
            self.searcher = build_searcher(settings.searcher, context)
        identity = search_identity(settings, self.setup, self.space.id, self.experience)
        journal = Journal(self.output, identity, later=contents(identity))
        self.to_repeat = slices_to_repeat(self.trials, journal.entries)
        _say(f"Zero-shot {task.metric} {task.zero_shot_score:.4f}; {len(pool)} candidates, {settings.searcher}.")
        searcher = OneThreadSearcher(self.searcher)
        result = run_search(
            searcher, self.executor, self._budget(), journal, self._on_observation, to_repeat=self.to_repeat
        )
        for folder in sorted(self.trials.glob("*/")):
            stop_trial(folder, self.tracker.sync_trial)
        if result.incumbent is None and result.entries:
            self.deliver()
            raise RuntimeError(
                f"None of {len(result.entries)} trials got through its first slice, so there is nothing to choose. "
                f"The reason of each is in {self.output / 'trials'}/*/trial.json under `failure`."
            )
        return result

    def deliver(self) -> Delivery:
        """Sends what MLflow lacks of the task and of all trials, whatever came of them; says how much that is."""
        folders = sorted(path.parent for path in self.trials.glob("*/trial.json"))
        delivery = self.tracker.deliver([self.output / "task"], folders)
        if delivery.n_lacking:
            log.warning("%s. All are in %s and are sent at the end, or at the next start.", delivery.words, self.output)
        return delivery

    def conclude(self, result: SearchResult) -> Tuned:
        """Tests, exports and reports; everything that is done already is kept."""
        incumbent, folder = result.incumbent, self.output / "result"
        task, verdict = self.setup.info, self._verdict()
        _say("Testing the chosen configuration, zero-shot and the default ...")
        adapter = self._export(incumbent) if incumbent else None
        rows = self._rows(incumbent)
        scores, figure, fit_yaml = self._default_scores(result), folder / "search.png", None
        draw_search(result.entries, incumbent, self.space.default.id, scores, task.zero_shot_score, task.metric, figure)
        lost = self._interrupted()
        text = report(task, self.settings.searcher, result, rows, self.space, figure.name, verdict, lost)
        write_text(folder / "report.md", text)
        if incumbent is not None:
            fit_yaml = folder / "fit.yaml"
            write_text(fit_yaml, to_yaml(self.executor.plan(incumbent.configuration).resolved))
        write_text(folder / "settings.json", json.dumps(vars(self.settings), default=str, indent=1) + "\n")
        run_id = publish(self.tracker, self.output, task, rows, len(result.entries), verdict)
        self._free(incumbent)
        return Tuned(
            headline=headline(task, rows, result),
            report=folder / "report.md",
            adapter=adapter,
            fit_yaml=fit_yaml,
            run_id=run_id,
            tracking_uri=self.tracker.uri,
            delivery=self.deliver(),
        )

    def _free(self, incumbent: Incumbent | None) -> None:
        """Frees the disk of all but the best trials' checkpoints; the default's stays until it has been tested."""
        needed = () if self.settings.compare_default else (self.space.default.id,)
        best = incumbent.configuration.id if incumbent else None
        dropped = keep_best(self.trials, self.settings.keep_checkpoints, best, needed)
        if dropped:
            _say(f"Dropped the checkpoints of {dropped} trials; `keep_checkpoints: {self.settings.keep_checkpoints}`.")

    def _context(self, pool: tuple[Configuration, ...]) -> SearchContext:
        task, curves = self.setup.info, self.experience.curves
        if curves is not None:
            curves.check_task(task)
        return SearchContext(
            pool=pool,
            task=task,
            space=self.space,
            reference_step_s=time_reference_step(self.setup.fit),
            seed=self.settings.seed,
            knowledge=self.experience,
            acquisition=self.settings.acquisition,
        )

    def _verdict(self) -> Verdict | None:
        """Whether the task is like those that are known, where the searcher asks so and has seen something."""
        if not isinstance(self.searcher, GuardedSearcher) or not self.searcher.verdict.forecasts:
            return None
        return self.searcher.verdict

    def _rows(self, incumbent: Incumbent | None) -> list[Compared]:
        """The comparison on the test split, what was found last."""
        tested, plan = self.output / "test", self.executor.plan(self.space.default)
        rows = [compare("zero-shot", plan, None, 0, self.setup.info.zero_shot_score, tested)]
        found = []
        if incumbent is not None:
            plan = self.executor.plan(incumbent.configuration)
            found = [compare("incumbent", plan, incumbent.configuration, incumbent.fidelity, incumbent.score, tested)]
        default = self._default()
        return [*rows, *([default] if default is not None else []), *found]

    def _space(self) -> SearchSpace:
        if self.settings.space is not None:
            return SearchSpace.from_yaml(Path(self.settings.space))
        if self.experience.space is None:
            raise ValueError(
                "There is no search space: set `space` to a YAML such as configs/space/lora.yaml, or `surrogates` or "
                "`experience`, which bring their own."
            )
        return self.experience.space

    def _max_fidelity(self, recipe: FitConfig) -> int:
        chosen = (
            self.settings.max_fidelity
            or self.experience.max_fidelity
            or (recipe.get("trainer") or {}).get("max_epochs")
        )
        if chosen is None:
            raise ValueError(
                "Nothing says how long a full training is: `max_fidelity` is not set, there are no `surrogates`, and "
                "`recipe` has no `trainer.max_epochs`. Set `max_fidelity` to a number of slices."
            )
        return int(chosen)

    def _budget(self) -> Budget:
        budget, spent = self.settings.budget, self.setup.info.meta_features_cost_s
        if budget.seconds is None:
            return budget
        if budget.seconds <= spent:
            raise ValueError(
                f"`budget.seconds` is {budget.seconds:g}, but describing the task and the base model took "
                f"{spent:.0f} s of it already. Raise `budget.seconds`, or set `budget.slices`."
            )
        return replace(budget, seconds=budget.seconds - spent)

    def _on_observation(self, observation: Observation, state: SearchState) -> None:
        incumbent = state.incumbent
        curve = observation.curve
        what = f"slice {curve.fidelity}: {curve.scores[-1]:.4f}" if curve.scores else "no slice"
        what += " (ended early)" if observation.failed else ""
        if repeated := self.to_repeat.pop(observation.configuration.id, 0):
            what += f" ({repeated} of these slices trained again: their checkpoint had been dropped)"
        best = f"best {incumbent.score:.4f} by {incumbent.configuration.id}" if incumbent else "nothing yet"
        _say(f"[{state.elapsed_s:6.0f} s, {state.slices:3d} slices] {observation.configuration.id} {what}; {best}")
        if state.n_failed:
            drop_failed(self.trials, incumbent.configuration.id if incumbent else None)
        verdict = self._verdict()
        if verdict is not None and verdict.is_unlike and not self.warned:
            self.warned = True
            log.warning(verdict.words)

    def _export(self, incumbent: Incumbent) -> Path:
        """The adapter as it was when it had its best score, before the same trial is trained any further."""
        folder, plan = self.output / "result" / "adapter", self.executor.plan(incumbent.configuration)
        note = {"config_id": incumbent.configuration.id, "fidelity": incumbent.fidelity}
        if read_json(self.output / "incumbent.json") != note:
            module, _ = task_objects(plan.resolved)
            state = load_adapter(module, plan.folder / BEST)
            export_adapter(module, folder, provenance(plan.resolved, state), replace=True)
            module.release()
            shutil.copyfile(plan.folder / BEST, self.output / "incumbent.ckpt")
            write_json(self.output / "incumbent.json", note)
        return folder

    def _default(self) -> Compared | None:
        """The default configuration, trained in full after the search if it wasn't in it."""
        if not self.settings.compare_default:
            return None
        plan = self.executor.plan(self.space.default)
        _say("Training the default configuration in full, for comparison ...")
        trial = self.executor.train(Suggestion(self.space.default, plan.task.max_fidelity))
        if not trial.curve.scores:
            log.warning("The default configuration has no score (%s), so it is not compared.", trial.failure)
            return None
        fidelity, score = max(enumerate(trial.curve.scores, start=1), key=lambda pair: pair[1])
        return compare("default", plan, self.space.default, fidelity, score, self.output / "test")

    def _interrupted(self) -> frozenset[str]:
        """Configurations whose trials were given up because of errors, not because of what they are."""
        trials = (read_trial(folder) for folder in self.trials.glob("*/"))
        return frozenset(t.configuration.id for t in trials if t is not None and t.status == "interrupted")

    def _default_scores(self, result: SearchResult) -> tuple[float, ...]:
        trial = read_trial(self.executor.plan(self.space.default).folder)
        return trial.curve.scores if trial is not None else ()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
