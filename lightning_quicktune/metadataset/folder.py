"""A meta-dataset as a folder: ``trials.parquet``, ``tasks.parquet``, ``space.json``, ``meta.json``."""

import json
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lightning_quicktune.files.whole import staged
from lightning_quicktune.metadataset.build import check_names
from lightning_quicktune.metadataset.table import (
    FACT,
    META,
    METRIC,
    OVERHEADS,
    SCHEMA_VERSION,
    TASK_COLUMNS,
    TEST,
    TRIAL_COLUMNS,
    MetaDataset,
    counts,
)
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.wording.spelling import did_you_mean

TRIALS, TASKS, SPACE, INDEX = "trials.parquet", "tasks.parquet", "space.json", "meta.json"

SHIPPED = ("nano", "nano_seeds", "nano_t5", "smollm2", "smollm2_cohort")


def save(table: MetaDataset, folder: str | Path, grows: bool = False) -> Path:
    """Writes a meta-dataset; a reader never sees a mixture of an old and a new one.

    All files are written beside their places first. ``meta.json`` goes before and comes back after the others, and a
    folder without it is none. Where the table holds all that the folder held, none of that is ever gone: tasks come
    first and trials then, so that what is read in between is the old one, beside tasks that have no trial yet.

    Args:
        table: What to write.
        folder: Where; other files in it are left alone.
        grows: Whether the table holds all tasks that the folder holds.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:  # the first of these takes its place last
        unfinished = {name: stack.enter_context(staged(folder / name)) for name in (INDEX, SPACE, TRIALS, TASKS)}
        table.trials.to_parquet(unfinished[TRIALS], index=False)
        table.tasks.to_parquet(unfinished[TASKS], index=False)
        unfinished[SPACE].write_text(json.dumps(table.space.to_dict(), indent=1))
        unfinished[INDEX].write_text(json.dumps(table.meta, indent=1))
        if not grows:
            (folder / INDEX).unlink(missing_ok=True)
    return folder


def load(source: str | Path, with_test: bool = False) -> MetaDataset:
    """Reads a meta-dataset.

    Of a trial that was recorded more than once the furthest record is kept, of equally far ones the last.

    Args:
        source: A folder, the URI of an MLflow artifact such as ``runs:/ID/meta_dataset``, or a
            shipped one: ``nano``, ``nano_seeds``, ``nano_t5``, ``smollm2``, ``smollm2_cohort``.
        with_test: Whether to keep what was measured on test splits; only an evaluation may look at it.

    Raises:
        FileNotFoundError: If the source is not a meta-dataset.
        ValueError: If it has another schema version, or columns that do not fit its search space.
    """
    folder = _local(str(source))
    _check_files(folder)
    meta = json.loads((folder / INDEX).read_text())
    _check_version(meta, folder)
    space = SearchSpace.from_dict(json.loads((folder / SPACE).read_text()))
    check_names(space)
    tasks = pd.read_parquet(folder / TASKS)
    _check_columns(tasks, TASK_COLUMNS, (META, FACT), folder / TASKS)
    trials = _with_overheads(pd.read_parquet(folder / TRIALS))
    _check_columns(trials, (*TRIAL_COLUMNS, *space.names), (METRIC, TEST), folder / TRIALS)
    trials = furthest_rows(trials)
    if not with_test:
        trials = trials.drop(columns=[c for c in trials.columns if c.startswith(TEST)])
    return MetaDataset(trials, tasks, space, {**meta, **counts(trials, tasks)})


def _with_overheads(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.assign(**{name: 0.0 for name in OVERHEADS if name not in trials.columns})


def _local(source: str) -> Path:
    if source.startswith(("runs:/", "models:/", "mlflow-artifacts:/")):
        from lightning_quicktune.tracking.artifacts import download  # brings in mlflow, which takes seconds

        return download(source)
    if source in SHIPPED:
        return Path(str(files("lightning_quicktune") / "assets" / "meta_datasets" / source))
    return Path(source)


def _check_files(folder: Path) -> None:
    missing = [name for name in (INDEX, SPACE, TASKS, TRIALS) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} is not a meta-dataset: it lacks {', '.join(missing)}. "
            "Give the folder that `lightning-quicktune collect` wrote, or `runs:/ID/meta_dataset`."
        )


def _check_version(meta: dict[str, Any], folder: Path) -> None:
    version = meta.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"{folder / INDEX} has schema version {version!r}, but this package reads version {SCHEMA_VERSION}, and "
            "columns may mean something else there. Build the table again from its MLflow runs, "
            "or install the package version that wrote it."
        )


def _check_columns(frame: pd.DataFrame, needed: tuple[str, ...], prefixes: tuple[str, ...], path: Path) -> None:
    free = [column for column in frame.columns if column not in needed and not column.startswith(prefixes)]
    for name in (name for name in needed if name not in frame.columns):
        raise ValueError(
            f"{path} has no column {name!r}.{did_you_mean(name, free)} The table needs {', '.join(needed)}: "
            f"rename the column, or correct {SPACE} beside it."
        )
    if free:
        raise ValueError(
            f"{path} has a column {free[0]!r} that is neither a hyperparameter of {SPACE} nor known otherwise."
            f"{did_you_mean(free[0], needed)} Rename it, put one of {', '.join(prefixes)} before its name, or drop it."
        )


def furthest_rows(trials: pd.DataFrame) -> pd.DataFrame:
    """Of a trial that was recorded more than once the furthest record, of equally far ones the last; sorted by trial.

    Args:
        trials: Rows of ``trials.parquet``, each record without a gap.
    """
    key = ["task", "config_id", "seed"]
    rows = trials.sort_values(key, kind="stable", ignore_index=True)
    trial = rows.groupby(key).ngroup().to_numpy()
    fidelity = rows["fidelity"].to_numpy()
    # A record is a run of rows of one trial with rising fidelity; the last of the longest ones stays.
    rises = (trial[1:] == trial[:-1]) & (fidelity[1:] > fidelity[:-1])
    rows["_record"] = np.cumsum(np.concatenate([np.zeros(min(1, len(rows)), dtype=np.int64), ~rises]))
    ends = rows.drop_duplicates("_record", keep="last").sort_values(["fidelity", "_record"])
    best = ends.drop_duplicates(key, keep="last")["_record"]
    return rows[rows["_record"].isin(best)].drop(columns="_record").reset_index(drop=True)
