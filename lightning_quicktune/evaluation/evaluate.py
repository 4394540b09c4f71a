"""The evaluation: search methods replayed on a meta-dataset, fold by fold, and compared."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lightning_quicktune.evaluation.calibration_table import calibration_table, mean_calibration
from lightning_quicktune.evaluation.comparison import Comparison, compare
from lightning_quicktune.evaluation.figure import draw
from lightning_quicktune.evaluation.findings import Findings, Folds, LeftOut, Time
from lightning_quicktune.evaluation.publish import metrics_of, publish
from lightning_quicktune.evaluation.report import report
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.evaluation.summary import (
    Summary,
    outcomes_of,
    results_table,
    summarise,
    task_clusters,
    test_scores,
)
from lightning_quicktune.files.whole import write_whole
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.outcome import Outcome
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.replay.parallel import do_all
from lightning_quicktune.replay.plan import Plan
from lightning_quicktune.replay.results import Replayed, ReplayStore
from lightning_quicktune.replay.settings import SettingName
from lightning_quicktune.replay.strong import nearest_to_strong, strong_configuration
from lightning_quicktune.replay.workplace import Workplace
from lightning_quicktune.tracking.places import resolve_uri

_FIGURE_POINTS = 60


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What an evaluation left.

    Args:
        report: The report, Markdown; figures and Parquet tables lie beside it.
        summaries: The comparison by setting: at budgets in full trainings, then in seconds if there are any.
        comparisons: One method against each other one, the primary comparison first.
        left_out: Why tasks were not replayed, by name.
        outcomes: How many trials of the replayed folds had which outcome; only full and failed ones are replayed.
        clusters: Cluster of each task, for intervals.
        run_id: MLflow run of the report; none if the server was away.
    """

    report: Path
    summaries: Mapping[SettingName, Sequence[Summary]]
    comparisons: Sequence[Comparison]
    left_out: Mapping[str, str]
    outcomes: Mapping[Outcome, int]
    clusters: Mapping[str, int]
    run_id: str | None


def evaluate(settings: EvaluateSettings) -> Evaluated:
    """Replays what isn't replayed yet, then writes tables, figures and report.

    Args:
        settings: Methods, budgets and folds.

    Raises:
        FileNotFoundError: If there is no such meta-dataset.
        ValueError: If it doesn't serve the settings, ``output`` holds another evaluation, or MLflow can't keep runs at
            the tracking URI.
        RuntimeError: If a replay fails.
    """
    resolve_uri(settings.tracking.uri)  # a URI that is wrong for good is refused before anything is replayed
    place = Workplace(settings)
    settings = replace(settings, cost=place.settings.cost)  # slices, where the table has no costs
    plan, store = Plan(place), ReplayStore(place.output, _identity(place), place.codes)
    learning, jobs = plan.missing(store)
    if jobs:
        do_all([learning, jobs], place, store.add)
    return _conclude(settings, place, plan, plan.replays(store))


def _conclude(settings: EvaluateSettings, place: Workplace, plan: Plan, replays: list[Replayed]) -> Evaluated:
    """Writes the report of all replays and logs it."""
    folder, clusters = place.output / "report", task_clusters(place.table)
    tested = {} if settings.shuffle_configurations else test_scores(place.table)
    tables = [results_table(replays, place.pool, tested, settings.budgets)]
    if settings.budgets_s:
        tables.append(results_table(replays, place.pool, tested, settings.budgets_s, "s"))
    folds = Folds(plan.compared_folds, plan.development_folds)
    summaries, apart = (_summaries(tables, f, settings, clusters) for f in (folds.compared, folds.development))
    first = {setting: several[0] for setting, several in summaries.items()}
    method, limits = settings.first_method, settings.limits
    comparisons = compare(first, method, settings.primary, clusters, settings.seed, limits)
    replays = [replayed for replayed in replays if replayed.key.split.fold in folds.compared]
    calibration, outcomes = _calibration(replays), outcomes_of(place.table, [*plan.tasks, *plan.left_out])
    findings = Findings(
        summaries=summaries,
        development=apart,
        comparisons=comparisons,
        calibration=mean_calibration(calibration) if len(calibration) else calibration,
        thinking=_thinking(replays),
        fallen_back=_fallen_back(replays),
        left_out=LeftOut(plan.left_out, outcomes),
        time=Time(place.charges_thinking, place.lacks_costs),
        stand_ins=_stand_ins(place, plan.tasks),
    )
    files = _figures(settings, place, replays, folds, clusters)
    pictures = [name for name in files if name.endswith(".png")]
    files["report.md"] = report(settings, findings, folds, pictures).encode()
    files["results.parquet"] = _parquet(pd.concat(tables, ignore_index=True))
    files["comparisons.parquet"] = _parquet(pd.DataFrame([asdict(each) for each in comparisons]))
    files["calibration.parquet"] = _parquet(calibration)
    files["settings.json"] = (json.dumps(asdict(settings), indent=1) + "\n").encode()
    for name, content in files.items():
        write_whole(folder / name, content)
    tags = {"tasks": str(len(plan.tasks)), "left_out": str(len(plan.left_out))}
    metrics = metrics_of(summaries, comparisons, findings.calibration)
    run_id = publish(folder, place.output / "mlflow.json", metrics, tags, settings.tracking)
    return Evaluated(folder / "report.md", summaries, comparisons, plan.left_out, outcomes, clusters, run_id)


def _summaries(
    tables: Sequence[pd.DataFrame], folds: Sequence[str], settings: EvaluateSettings, clusters: Mapping[str, int]
) -> dict[SettingName, list[Summary]]:
    """The comparison on some folds, by setting; empty if there are no folds."""
    parts = [table[table["fold"].isin(folds)] for table in tables]
    if not folds:
        return {}
    return {
        setting: [
            summarise(part[part["setting"] == setting], clusters, settings.seed, settings.limits) for part in parts
        ]
        for setting in settings.setting_names
    }


def _figures(
    settings: EvaluateSettings, place: Workplace, replays: list[Replayed], folds: Folds, clusters: Mapping[str, int]
) -> dict[str, bytes]:
    last = settings.budgets[-1]
    grid = [float(b) for b in np.geomspace(min(settings.budgets[0], last / 10), last, _FIGURE_POINTS)]
    rows = results_table(replays, place.pool, {}, grid)
    summaries = {s: several[0] for s, several in _summaries([rows], folds.compared, settings, clusters).items()}
    primary = settings.primary
    highlighted = (primary.method, primary.against) if primary else tuple(each.shown for each in settings.entries[:2])
    return {
        f"{what}.{kind}": content
        for what in ("regret", "rank")
        for kind, content in draw(summaries, what, highlighted).items()
    }


def _calibration(replays: Sequence[Replayed]) -> pd.DataFrame:
    return calibration_table(
        ({"setting": k.split.setting, "method": k.method, "task": k.task, "seed": k.seed}, replayed.calibration)
        for replayed in replays
        for k in (replayed.key,)
    )


def _thinking(replays: Sequence[Replayed]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for replayed in replays:
        if replayed.n_suggestions:
            found.setdefault(replayed.key.method, []).append(replayed.thinking_s / replayed.n_suggestions)
    return {method: float(np.median(seconds)) for method, seconds in found.items()}


def _fallen_back(replays: Sequence[Replayed]) -> dict[tuple[str, str], tuple[int, int]]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for replayed in replays:
        if replayed.fell_back is not None:
            key = (replayed.key.split.setting, replayed.key.method)
            times, n = found.get(key, (0, 0))
            found[key] = (times + replayed.fell_back, n + 1)
    return found


def _stand_ins(place: Workplace, tasks: Sequence[str]) -> list[str]:
    """On how many tasks another configuration stands in for a recipe that wasn't recorded."""
    labels = [method.shown for method in place.settings.entries if method.name == "strong"]
    if not labels:
        return []
    space = place.table.space
    wanted = strong_configuration(space)
    pools = [place.whole_pool(name).configurations for name in tasks]
    lacking = [nearest_to_strong(space, pool) for pool in pools if wanted not in pool]
    if not lacking:
        return []
    n_default = lacking.count(space.default)
    return [
        f"{', '.join(labels)}: the recipe itself was not recorded on {len(lacking)} of {len(tasks)} tasks, where the "
        "nearest configuration that was stands in for it"
        + (f", the default on {n_default} of them." if n_default else ".")
    ]


def _identity(place: Workplace) -> dict[str, object]:
    settings = place.settings
    later: tuple[tuple[str, object, object], ...] = (  # what came later, so that finished evaluations without it go on
        ("at_once", settings.at_once, 1),
        ("tells_budget", settings.tells_budget, False),
        ("held_out", sorted(settings.held_out), []),
        ("learn_from", {name: _fingerprint(load(name)) for name in settings.learn_from}, {}),
        ("configuration_share", settings.configuration_share, 1.0),
    )
    names = ("calibration_budgets", "folds", "n_folds", "train_share", "seed", "cost", "shuffle_configurations")
    return {
        "meta_dataset": _fingerprint(place.table),
        **{name: getattr(settings, name) for name in names},
        "charge_thinking": place.charges_thinking,
        "train_folds": sorted(place.divider.train_folds),
        "surrogates": asdict(settings.surrogates),
        **{name: value for name, value, usual in later if value != usual},
    }


def _fingerprint(table: MetaDataset) -> str:
    digest = hashlib.sha256(json.dumps(table.space.to_dict(), sort_keys=True).encode())
    for frame in (table.trials, table.tasks):
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()
