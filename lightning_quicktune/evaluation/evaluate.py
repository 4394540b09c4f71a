"""Replays search methods on a meta-dataset, fold by fold, and compares them."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lightning_quicktune.evaluation.comparison import Comparison, compare
from lightning_quicktune.evaluation.figure import draw
from lightning_quicktune.evaluation.methods import check_default, lesson_of
from lightning_quicktune.evaluation.parallel import do_all
from lightning_quicktune.evaluation.pool import TaskPool
from lightning_quicktune.evaluation.report import Findings, report
from lightning_quicktune.evaluation.results import Replayed, ReplayKey, ReplayStore, write_whole
from lightning_quicktune.evaluation.settings import EvaluateSettings, SettingName
from lightning_quicktune.evaluation.splits import Split
from lightning_quicktune.evaluation.summary import (
    Summary,
    Unit,
    results_table,
    summarise,
    task_clusters,
    test_scores,
)
from lightning_quicktune.evaluation.workplace import LearnJob, ReplayJob, Workplace
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.search.names import SearcherName
from lightning_quicktune.tracking.tracker import Tracker

log = logging.getLogger(__name__)

_FIGURE_POINTS = 60


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What an evaluation left.

    Args:
        report: The report, Markdown; figures and Parquet tables lie beside it.
        summaries: The comparison at the budgets of the settings, by setting and unit.
        comparisons: One method against each other one, the primary comparison first.
        left_out: Why tasks were not replayed, by name.
        run_id: MLflow run of the report; none if the server was away.
    """

    report: Path
    summaries: Mapping[tuple[SettingName, Unit], Summary]
    comparisons: Sequence[Comparison]
    left_out: Mapping[str, str]
    run_id: str | None


def evaluate(settings: EvaluateSettings) -> Evaluated:
    """Replays what isn't replayed yet, then writes tables, figures and report.

    Args:
        settings: Methods, budgets and folds.

    Raises:
        FileNotFoundError: If there is no such meta-dataset.
        ValueError: If it doesn't serve the settings, or ``output`` holds another evaluation.
        RuntimeError: If a replay fails.
    """
    job = _Evaluation(settings)
    return job.conclude(job.replays())


class _Evaluation:
    """One evaluation from its settings to its report."""

    def __init__(self, settings: EvaluateSettings) -> None:
        self.settings, self.output = settings, Path(settings.output)
        self.place = Workplace(settings)
        self.divider = self.place.divider
        self.tasks, self.left_out = self._telling_tasks()
        pools = {task: self.place.whole_pool(task) for task in self.tasks}
        check_default(settings.methods, self.place.table.space.default, pools)
        self.clusters = task_clusters(self.place.table)
        self.store = ReplayStore(self.output, self._identity())

    def replays(self) -> list[Replayed]:
        """All replays, in the order of their keys; those of an earlier session come from the disk."""
        missing: dict[tuple[Split, SearcherName, str], list[int]] = {}
        wanted = list(self._wanted())
        for key, method in wanted:
            if self.store.find(key, self._horizon_s(key)) is None:
                missing.setdefault((key.split, method, key.task), []).append(key.seed)
        jobs = [
            ReplayJob(split, method, task, tuple(seeds), self._horizon_s(ReplayKey(split, method, task, seeds[0])))
            for (split, method, task), seeds in missing.items()
        ]
        lessons = {(job.split, lesson) for job in jobs if (lesson := lesson_of(job.method)) is not None}
        learning = [LearnJob(split, lesson) for split, lesson in sorted(lessons)]
        if jobs:
            do_all([learning, jobs], self.place, self.store.add)
        found = [self.store.find(key, self._horizon_s(key)) for key, _ in wanted]
        return [replayed for replayed in found if replayed is not None]

    def conclude(self, replays: list[Replayed]) -> Evaluated:
        """Writes the report of all replays and logs it."""
        settings, folder = self.settings, self.output / "report"
        results = self._results(replays)
        summaries: dict[tuple[SettingName, Unit], Summary] = {
            (setting, unit): summarise(rows, self.clusters, settings.seed)
            for (setting, unit), rows in results.groupby(["setting", "unit"], sort=False)
        }
        by_setting = {s: summaries[s, "full trainings"] for s in settings.setting_names}
        method = settings.primary.method if settings.primary else settings.methods[0]
        comparisons = compare(by_setting, method, settings.primary, self.clusters, settings.seed)
        grouped = {s: [summary for (name, _), summary in summaries.items() if name == s] for s in by_setting}
        findings = Findings(grouped, comparisons, _thinking(replays), self.left_out)
        files = self._figures(replays)
        pictures = [name for name in files if name.endswith(".png")]
        files["report.md"] = report(settings, findings, self.divider.test_folds, pictures).encode()
        files["results.parquet"] = _parquet(results)
        files["comparisons.parquet"] = _parquet(pd.DataFrame([asdict(each) for each in comparisons]))
        files["settings.json"] = (json.dumps(asdict(settings), indent=1) + "\n").encode()
        for name, content in files.items():
            write_whole(folder / name, content)
        run_id = self._track(folder, summaries, comparisons)
        return Evaluated(folder / "report.md", summaries, comparisons, self.left_out, run_id)

    def _wanted(self) -> Iterable[tuple[ReplayKey, SearcherName]]:
        """Replays of one split follow each other, so that a process needs few training tables at a time."""
        settings = self.settings
        splits: dict[Split, list[int]] = {}
        for setting in settings.setting_names:
            for fold in self.divider.test_folds:
                for seed in range(settings.seed, settings.seed + settings.n_seeds):
                    splits.setdefault(self.divider.split(setting, fold, seed), []).append(seed)
        for split, seeds in splits.items():
            for method in settings.methods:
                for task in (task for task in self.divider.held_out(split.fold) if task in self.tasks):
                    yield from ((ReplayKey(split, method, task, seed), method) for seed in seeds)

    def _horizon_s(self, key: ReplayKey) -> float:
        pool = self.place.pool(key.task, key.split)
        return max([self.settings.budgets[-1] * pool.full_training_s, *self.settings.budgets_s])

    def _telling_tasks(self) -> tuple[list[str], dict[str, str]]:
        telling, left_out = [], {}
        names = sorted({name for fold in self.divider.test_folds for name in self.divider.held_out(fold)})
        for name in names:
            splits = [self.divider.split(s, "", seed) for s in self.settings.setting_names for seed in (0, 1)]
            pools = [self.place.whole_pool(name), *(self.place.pool(name, split) for split in splits)]
            poor = next((pool for pool in pools if not pool.is_telling), None)
            if poor is None:
                telling.append(name)
            else:
                left_out[name] = _reason(poor)
        if not telling:
            raise ValueError(
                f"None of the {len(names)} tasks of {self.settings.meta_dataset} tells search methods apart: "
                f"{'; '.join(f'{name}: {reason}' for name, reason in left_out.items())}. "
                "Collect more configurations, up to full trainings."
            )
        return telling, left_out

    def _results(self, replays: list[Replayed]) -> pd.DataFrame:
        tested, budgets_s = test_scores(self.place.table), self.settings.budgets_s
        parts = [results_table(replays, self.place.pool, tested, self.settings.budgets)]
        if budgets_s:
            parts.append(results_table(replays, self.place.pool, tested, budgets_s, "s"))
        return pd.concat(parts, ignore_index=True)

    def _figures(self, replays: list[Replayed]) -> dict[str, bytes]:
        settings, last = self.settings, self.settings.budgets[-1]
        grid = [float(b) for b in np.geomspace(min(settings.budgets[0], last / 10), last, _FIGURE_POINTS)]
        rows = results_table(replays, self.place.pool, {}, grid)
        summaries: dict[SettingName, Summary] = {
            setting: summarise(rows[rows["setting"] == setting], self.clusters, settings.seed)
            for setting in settings.setting_names
        }
        primary = settings.primary
        highlighted = (primary.method, primary.against) if primary else tuple(settings.methods[:2])
        return {
            f"{what}.{kind}": content
            for what in ("regret", "rank")
            for kind, content in draw(summaries, what, highlighted).items()
        }

    def _identity(self) -> dict[str, object]:
        settings = self.settings
        names = ("folds", "n_folds", "train_share", "seed", "cost", "charge_thinking")
        return {
            "meta_dataset": _fingerprint(self.place.table),
            **{name: getattr(settings, name) for name in names},
            "train_folds": sorted(self.divider.train_folds),
            "surrogates": asdict(settings.surrogates),
        }

    def _track(
        self, folder: Path, summaries: Mapping[tuple[SettingName, Unit], Summary], comparisons: Sequence[Comparison]
    ) -> str | None:
        """One MLflow run of the report; the same report again finds the first one's."""
        note = self.output / "mlflow.json"
        digest = hashlib.sha256((folder / "results.parquet").read_bytes()).hexdigest()
        known = json.loads(note.read_text()) if note.is_file() else {}
        if known.get("results") == digest:
            return str(known["run_id"])
        tracking = self.settings.tracking
        tracker = Tracker(tracking.uri, tracking.experiment)
        tags = {"tasks": str(len(self.tasks)), "left_out": str(len(self.left_out))}
        metrics = _metrics(summaries, comparisons)
        try:
            run_id = tracker.log_folder(folder, "evaluation", "evaluate", kind="evaluation", tags=tags, metrics=metrics)
        except Exception as error:  # a server that is away in any way must not cost the result
            log.warning("MLflow at %s did not take the report (%s); it is in %s.", tracker.uri, error, folder)
            return None
        write_whole(note, json.dumps({"run_id": run_id, "results": digest}).encode())
        return run_id


def _metrics(
    summaries: Mapping[tuple[SettingName, Unit], Summary], comparisons: Sequence[Comparison]
) -> dict[str, float]:
    metrics = {
        f"{setting}/{method}/regret_{budget:g}{'s' if unit == 's' else ''}": float(summary.regret[m, b])
        for (setting, unit), summary in summaries.items()
        for m, method in enumerate(summary.methods)
        for b, budget in enumerate(summary.budgets)
    }
    for each in comparisons:
        if each.is_primary:
            metrics |= {"primary/gain": each.gain, "primary/lower": each.lower, "primary/upper": each.upper}
    return metrics


def _thinking(replays: Sequence[Replayed]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for replayed in replays:
        found.setdefault(replayed.key.method, []).append(replayed.thinking_s / max(replayed.n_suggestions, 1))
    return {method: float(np.median(seconds)) for method, seconds in found.items()}


def _reason(pool: TaskPool) -> str:
    if not np.isfinite(pool.median_final):
        return "no trial reached a full training"
    gain = pool.best - pool.median_final
    return f"best and median score differ by {gain:.3g}, not more than the noise between seeds ({pool.seed_std:.3g})"


def _fingerprint(table: MetaDataset) -> str:
    digest = hashlib.sha256(json.dumps(table.space.to_dict(), sort_keys=True).encode())
    for frame in (table.trials, table.tasks):
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()
