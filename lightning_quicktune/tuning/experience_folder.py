"""An experience on disk: a meta-dataset, and beside it the surrogate of learning curves that was learned from it.

``tasks.parquet`` names the base model and ``space.json`` the search space, as in every meta-dataset. The surrogate
tells of which trials it was learned; one that is missing, damaged or of other trials is learned anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lightning_quicktune.metadataset.folder import INDEX, SHIPPED, SPACE, TASKS, TRIALS, load
from lightning_quicktune.metadataset.merge import merged
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.presets.places import shipped_surrogates, surrogate_folder
from lightning_quicktune.surrogate.artifact import read_curves, save_surrogate
from lightning_quicktune.surrogate.curves.learn import learn_curves
from lightning_quicktune.surrogate.curves.model import CurveModel

CURVES = "curves"
_DIGEST = "trials_digest"  # in the provenance of a surrogate
_TABLES = {"smollm2": ("smollm2_cohort", "smollm2")}  # what shipped curves were learned from, if not of their name
_OWN = {INDEX, SPACE, TASKS, TRIALS, CURVES, "lock"}
_FILES = ("surrogate.json", "weights.safetensors")


def is_shipped(experience: str) -> bool:
    """Whether it is the name of one that the package brings.

    Args:
        experience: A name, folder or URI.
    """
    return experience in shipped_surrogates() or experience in SHIPPED


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, or what a first contribution left that was killed.

    Args:
        folder: A folder, or none yet.
    """
    return not folder.exists() or (
        folder.is_dir() and not (folder / INDEX).exists() and {each.name for each in folder.iterdir()} <= _OWN
    )


def check_there(experience: str, contribute: str | None) -> None:
    """Refuses an experience that isn't there, unless this search makes it.

    Args:
        experience: Name of a shipped one, a folder or a URI.
        contribute: Folder that the search adds to; none if it adds to none.

    Raises:
        FileNotFoundError: If it isn't.
    """
    if is_shipped(experience) or ":/" in experience or not is_empty(Path(experience)):
        return
    if contribute is None or Path(contribute).resolve() != Path(experience).resolve():
        raise FileNotFoundError(
            f"The experience {experience} is not there. Give a folder that `contribute` or `collect` wrote, a shipped "
            f"one ({', '.join(shipped_surrogates())}), or the same folder as `contribute` to begin with none."
        )


def read_taught(experience: str) -> tuple[MetaDataset | None, CurveModel | None]:
    """What an experience says of learning curves; where it has too few trials for that, these.

    Args:
        experience: Name of a shipped one, a folder or a URI; an empty folder has neither.

    Raises:
        FileNotFoundError: If it isn't there.
        ValueError: If it is damaged.
    """
    if experience in shipped_surrogates():
        return None, read_curves(surrogate_folder(experience, CURVES))
    if Path(experience).is_dir() and is_empty(Path(experience)):
        return None, None
    table = load(experience)
    model = _kept(Path(experience), table) or _learned(table)
    return (table, None) if model is None else (None, model)


def learn(folder: Path) -> None:
    """Learns the surrogate of a folder from its trials, unless it is there or they are too few.

    Args:
        folder: Folder of the experience.
    """
    table = load(folder)
    if _kept(folder, table) is None and (model := _learned(table)) is not None:
        save_surrogate(model, folder / CURVES)


def read_whole(experience: str) -> MetaDataset:
    """All trials of an experience that its curves were learned from, with what was measured on test splits.

    Args:
        experience: Name of a shipped one, a folder or a URI.
    """
    names = _TABLES.get(experience, (experience,))
    table = merged([load(name, with_test=True) for name in names], names)
    if experience not in shipped_surrogates():
        return table
    origin = read_curves(surrogate_folder(experience, CURVES)).card.provenance
    return table.select(sorted([*origin["training_tasks"], *origin["validation_tasks"]]))


def as_it_was(experience: str | None, output: Path) -> str | None:
    """Where a search finds its experience: a folder is copied once, so that what is added to it later changes nothing.

    Args:
        experience: Name of a shipped one, a folder or a URI; none if there is none.
        output: Folder of the search.
    """
    if experience is None or is_shipped(experience) or ":/" in experience:
        return experience
    kept, source = output / "experience", Path(experience)
    if kept.is_dir() and (output / "observations.jsonl").exists():
        return str(kept)
    unfinished = output / "experience.unfinished"
    for folder in (kept, unfinished):
        shutil.rmtree(folder, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, unfinished, ignore=lambda _, names: [n for n in names if n not in (*_OWN, *_FILES)])
    else:
        unfinished.mkdir(parents=True)
    unfinished.rename(kept)
    return str(kept)


def table_digest(table: MetaDataset) -> str:
    """Changes with any trial or task of a meta-dataset.

    Args:
        table: The meta-dataset, without what was measured on test splits.
    """
    digest = hashlib.sha256(json.dumps(table.space.to_dict(), sort_keys=True).encode())
    for frame in (table.trials, table.tasks):
        digest.update(json.dumps([str(name) for name in frame.columns]).encode())
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _kept(folder: Path, table: MetaDataset) -> CurveModel | None:
    """The surrogate beside a meta-dataset, if it was learned from just these trials."""
    try:
        model = read_curves(folder / CURVES)
    except (FileNotFoundError, ValueError):  # there is none, or a kill left half of one
        return None
    return model if model.card.provenance.get(_DIGEST) == table_digest(table) else None


def _learned(table: MetaDataset) -> CurveModel | None:
    model = learn_curves(table)
    if model is not None:
        model.card = replace(model.card, provenance={**model.card.provenance, _DIGEST: table_digest(table)})
    return model
