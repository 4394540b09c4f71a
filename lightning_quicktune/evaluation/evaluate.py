"""Replays search methods on a meta-dataset, fold by fold, and compares them."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from lightning_quicktune.evaluation.figure import draw_regret
from lightning_quicktune.evaluation.methods import (
    Surrogates,
    build_searcher,
    check_default,
    describes_the_task,
    fold_surrogates,
)
from lightning_quicktune.evaluation.pool import TaskPool, task_pool
from lightning_quicktune.evaluation.regret import incumbents
from lightning_quicktune.evaluation.replay import SimulatedClock, replay
from lightning_quicktune.evaluation.report import report
from lightning_quicktune.evaluation.results import Replayed, ReplayKey, ReplayLog, write_whole
from lightning_quicktune.evaluation.settings import EvaluateSettings, MethodName
from lightning_quicktune.evaluation.summary import Summary, results_table, summarise, task_clusters
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.splits import task_folds
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.tracking.tracker import Tracker

log = logging.getLogger(__name__)

_CLOCKS = {"cost_s": time.perf_counter, "cost_cpu_s": time.process_time}
_FIGURE_POINTS = 60


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation left.

    Args:
        report: The report, Markdown; the figure and ``results.parquet`` lie beside it.
        summary: The comparison at the budgets of the settings.
        left_out: Why tasks were not replayed, by name.
        run_id: MLflow run of the report; none if the server was away.
    """

    report: Path
    summary: Summary
    left_out: dict[str, str]
    run_id: str | None


def evaluate(settings: EvaluateSettings) -> Evaluated:
    """Replays what isn't replayed yet, then writes tables, figure and report.

    Args:
        settings: Methods, budgets and folds.

    Raises:
        FileNotFoundError: If there is no such meta-dataset.
        ValueError: If it doesn't serve the settings, or ``output`` holds another evaluation.
    """
    job = _Job(settings)
    return job.conclude(list(job.replays()))


class _Job:
    """One evaluation from its settings to its report."""

    def __init__(self, settings: EvaluateSettings) -> None:
        self.settings = settings
        self.output = Path(settings.output)
        self.table = load(settings.meta_dataset, with_test=True)
        self.visible = load(settings.meta_dataset)  # what surrogates may see
        pools = {name: task_pool(self.table, name, settings.cost) for name in self.table.task_names}
        self.pools = {name: pool for name, pool in pools.items() if pool.is_telling}
        self.left_out = {name: _reason(pool) for name, pool in pools.items() if not pool.is_telling}
        if not self.pools:
            raise ValueError(
                f"None of the {len(pools)} tasks of {settings.meta_dataset} tells search methods apart: "
                f"{'; '.join(f'{name}: {reason}' for name, reason in self.left_out.items())}. "
                "Collect more configurations, up to full trainings."
            )
        check_default(settings.methods, self.table.space.default, self.pools)
        self.folds = task_folds(self.table.task_names, settings.n_folds, settings.seed)
        self.log = ReplayLog(self.output, self._identity())

    def replays(self) -> Iterator[Replayed]:
        """All replays, method by method; those of an earlier session come from the log."""
        for method in self.settings.methods:
            for fold, held_out in enumerate(self.folds):
                surrogates = cache(lambda fold=fold, held_out=held_out: self._surrogates(fold, held_out))
                for task in (task for task in held_out if task in self.pools):
                    for seed in range(self.settings.seed, self.settings.seed + self.settings.n_seeds):
                        yield self._replay(ReplayKey(fold, method, seed, task), method, surrogates)
            _say(f"{method}: replayed on {len(self.pools)} tasks")

    def conclude(self, replays: list[Replayed]) -> Evaluated:
        """Writes the report of all replays and logs it."""
        settings, folder = self.settings, self.output / "report"
        results = results_table(replays, self.pools, self.table, settings.budgets)
        summary = summarise(results, task_clusters(self.table), settings.seed)
        text = report(settings, summary, sorted(self.pools), self.left_out, "regret.png")
        write_whole(folder / "report.md", text.encode())
        write_whole(folder / "regret.png", self._figure(replays))
        write_whole(folder / "results.parquet", _parquet(results))
        write_whole(folder / "settings.json", (json.dumps(asdict(settings), indent=1) + "\n").encode())
        return Evaluated(folder / "report.md", summary, self.left_out, self._track(folder, summary))

    def _replay(self, key: ReplayKey, method: MethodName, surrogates: Callable[[], Surrogates]) -> Replayed:
        settings, pool, horizon = self.settings, self.pools[key.task], self.settings.budgets[-1]
        known = self.log.find(key, horizon)
        if known is not None:
            return known
        searcher = build_searcher(method, pool, self.table.space.default, key.seed, surrogates)
        clock = SimulatedClock(_CLOCKS[settings.cost] if settings.charge_thinking else None)
        description_s = pool.task.meta_features_cost_s if describes_the_task(method) else 0.0
        observed = replay(searcher, pool, pool.draw(key.seed), horizon, clock, description_s)
        replayed = Replayed(key, horizon, incumbents(observed))
        self.log.add(replayed)
        return replayed

    def _surrogates(self, fold: int, held_out: tuple[str, ...]) -> Surrogates:
        _say(f"Surrogates of fold {fold + 1} of {len(self.folds)} ...")
        others = [name for name in self.visible.task_names if name not in held_out]
        folder = self.output / "surrogates" / f"fold-{fold}"
        return fold_surrogates(self.visible, others, self.settings.surrogates, self.settings.seed, folder)

    def _figure(self, replays: list[Replayed]) -> bytes:
        last = self.settings.budgets[-1]
        first = min(self.settings.budgets[0], last / 10)
        grid = [float(budget) for budget in np.geomspace(first, last, _FIGURE_POINTS)]
        rows = results_table(replays, self.pools, self.table, grid)
        return draw_regret(summarise(rows, task_clusters(self.table), self.settings.seed), len(self.pools))

    def _identity(self) -> dict[str, object]:
        settings = self.settings
        names = ("n_folds", "seed", "cost", "charge_thinking")
        return {
            "meta_dataset": _fingerprint(self.table),
            **{name: getattr(settings, name) for name in names},
            "surrogates": asdict(settings.surrogates),
        }

    def _track(self, folder: Path, summary: Summary) -> str | None:
        """One MLflow run of the report; the same report again finds the first one's."""
        note = self.output / "mlflow.json"
        digest = hashlib.sha256((folder / "results.parquet").read_bytes()).hexdigest()
        known = json.loads(note.read_text()) if note.is_file() else {}
        if known.get("results") == digest:
            return str(known["run_id"])
        tracking = self.settings.tracking
        tracker = Tracker(tracking.uri, tracking.experiment)
        metrics = {
            f"{method}/regret_{budget:g}": float(summary.regret[m, b])
            for m, method in enumerate(summary.methods)
            for b, budget in enumerate(summary.budgets)
        }
        tags = {"tasks": str(len(self.pools)), "left_out": str(len(self.left_out))}
        try:
            run_id = tracker.log_folder(folder, "evaluation", "evaluate", kind="evaluation", tags=tags, metrics=metrics)
        except Exception as error:  # a server that is away in any way must not cost the result
            log.warning("MLflow at %s did not take the report (%s); it is in %s.", tracker.uri, error, folder)
            return None
        write_whole(note, json.dumps({"run_id": run_id, "results": digest}).encode())
        return run_id


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


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
