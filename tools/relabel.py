#!/usr/bin/env python
"""Takes shipped tables and parts over into the search space and the labels of now, without those whose meaning changed.

From version 1 of the labels to version 2 the LoRA+ ratio scales updates, Adafactor has no limit on its step and clamps
no small gradients, and DoRA's magnitudes don't decay. A trial is kept where the limit took less than a twentieth of the
sum of its rates, and decay less than a twentieth of the magnitudes: trained anew, 8 such trials of the miniature Phi-3
each gave final scores within 0.001 (Adafactor), 0.005 (Adafactor, clipped below 0.3) and 0.016 (DoRA that decayed by a
hundredth or more), root mean square, where two seeds differ by 0.034. Random numbers of dropout and noise are drawn in
another order since, from the same distributions.

Usage: tools/relabel.py tools/collections lightning_quicktune/assets/meta_datasets
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch

from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.compose import FitConfig, configured, read_yaml, with_overrides
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.finetune.schedule import ScheduleSettings
from lightning_quicktune.metadataset.folder import load, save
from lightning_quicktune.metadataset.table import MetaDataset, configurations_of, counts
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.types import Configuration

ROOT = Path(__file__).resolve().parents[1]
SPACE = ROOT / "configs" / "space" / "lora.yaml"
TOLERANCE = 0.05
RATES = {"adamw": "lr", "adafactor": "adafactor_lr", "sgd": "sgd_lr"}
TRIALS_PER_PART = 50
SMALL_GRADIENTS = {"smollm2"}  # where Adafactor's clamp took hold of most matrices
LIMIT = "Adafactor's step was limited, and with it rate, schedule or LoRA+ ratio"
CLAMP = "Adafactor clamped the small gradients of this base model"
DECAY = "decay shrank DoRA's magnitudes, and with them the base model"
BOUND = "the rate is beyond the bounds of the space"


def changed(configuration: Configuration, fit: FitConfig, small_gradients: bool, space: SearchSpace) -> str | None:
    """Why the labels of a configuration mean something else now; none if they mean the same.

    Args:
        configuration: Point of the old search space.
        fit: The fit YAML that it was trained with.
        small_gradients: Whether Adafactor clamped most gradients.
        space: The search space of now.
    """
    values = configuration.values
    optimizer = str(values["optimizer"])
    rates = rates_of(fit, float(values[RATES[optimizer]]))
    if optimizer == "adafactor":
        limits = [1 / math.sqrt(step) for step in range(1, len(rates) + 1)]
        for scale in (1.0, float(values["lora_plus_ratio"])):
            allowed = sum(min(scale * rate, limit) for rate, limit in zip(rates, limits, strict=True))
            if allowed < (1 - TOLERANCE) * scale * sum(rates):
                return LIMIT
        if small_gradients:
            return CLAMP
    shrunk = sum(rates) * float(values["weight_decay"]) / (1 - float(values.get("sgd_momentum", 0.0)))
    if values["lora_variant"] == "dora" and shrunk > TOLERANCE:
        return DECAY
    try:
        space.check(configuration)
    except ValueError:
        return BOUND
    return None


def rates_of(fit: FitConfig, rate: float) -> list[float]:
    """The rate of each optimizer step of a full training."""
    data, trainer = fit["data"]["init_args"], fit["trainer"]
    micro_batches = math.ceil(data["records_per_slice"] / data["batch_size"])
    n_steps = trainer["max_epochs"] * math.ceil(micro_batches / trainer["accumulate_grad_batches"])
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=rate)
    scheduler = ScheduleSettings(**fit["model"]["init_args"]["schedule"]).build(optimizer, n_steps)
    rates = []
    for _ in range(n_steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def relabel_parts(folder: Path, space: SearchSpace, reasons: dict[str, str | None]) -> None:
    """Rewrites the parts of a collection.

    Args:
        folder: Of the collection.
        space: The search space of now.
        reasons: Why each configuration means something else now; those that are met are added.
    """
    collection = read_json(folder / "collection.json")
    if collection is None:
        raise SystemExit(f"tools/relabel.py: {folder} has no collection.json that can be read.")
    recipe = recipe_of(folder.name)
    old = SearchSpace.from_dict(collection["space"])
    trials = []
    for trial in (kept.trial for kept in Parts(folder).read()):
        if trial.label_version == LABEL_VERSION:
            raise SystemExit(f"tools/relabel.py: {folder} has labels of version {LABEL_VERSION} already.")
        if reason_of(trial.configuration, recipe, old, folder.name, space, reasons) is None:
            fit = configured(recipe, space, trial.configuration)
            trials.append(replace(trial, fit=fit, label_version=LABEL_VERSION))
    for path in folder.glob("part-*.parquet"):
        path.unlink()
    trials.sort(key=lambda trial: trial.key)
    for start in range(0, len(trials), TRIALS_PER_PART):
        Parts(folder).write(trials[start : start + TRIALS_PER_PART])
    write_json(folder / "collection.json", {**collection, "space": space.to_dict()})


def relabel_table(folder: Path, collection: str, space: SearchSpace, reasons: dict[str, str | None]) -> None:
    """Rewrites a table, and notes in its ``meta.json`` how many trials were dropped and why.

    Args:
        folder: Of the table.
        collection: Name of the collection that it was built from.
        space: The search space of now.
        reasons: As of ``relabel_parts``.
    """
    table = load(folder, with_test=True)
    if table.label_version == LABEL_VERSION:
        raise SystemExit(f"tools/relabel.py: {folder} has labels of version {LABEL_VERSION} already.")
    recipe, trials = recipe_of(collection), table.trials
    for configuration in configurations_of(trials, table.space.names).values():
        reason_of(configuration, recipe, table.space, collection, space, reasons)
    why = trials["config_id"].map(reasons.get)
    heads = trials.assign(why=why).drop_duplicates(["task", "config_id", "seed"])
    dropped = {str(reason): int(n) for reason, n in heads["why"].value_counts().items()}
    kept = trials[why.isna()].reset_index(drop=True)
    meta = {**table.meta, "label_version": LABEL_VERSION, "dropped_labels": dropped, **counts(kept, table.tasks)}
    save(MetaDataset(kept, table.tasks, space, meta), folder)
    sys.stdout.write(f"{folder.name}: {meta['n_trials']} of {len(heads)} trials kept; dropped {json.dumps(dropped)}\n")


def reason_of(
    configuration: Configuration,
    recipe: FitConfig,
    old: SearchSpace,
    collection: str,
    space: SearchSpace,
    reasons: dict[str, str | None],
) -> str | None:
    """As ``changed``, once for each configuration."""
    if configuration.id not in reasons:
        fit = configured(recipe, old, configuration)
        reasons[configuration.id] = changed(configuration, fit, collection in SMALL_GRADIENTS, space)
    return reasons[configuration.id]


def recipe_of(collection: str) -> FitConfig:
    """The fit YAML that the trials of a collection start from, with the length of their training."""
    settings = read_yaml(ROOT / "configs" / "collect" / f"{collection}.yaml")
    recipe = read_yaml((ROOT / "configs" / "collect" / settings["recipe"]).resolve())
    return with_overrides(recipe, {"trainer.max_epochs": settings["max_fidelity"]})


def main(collections: Path, tables: Path) -> None:
    """Rewrites each collection and the table that was built from it."""
    space = SearchSpace.from_yaml(SPACE)
    for folder in sorted(path for path in collections.iterdir() if path.is_dir()):
        reasons: dict[str, str | None] = {}
        relabel_table(tables / folder.name.removeprefix("suite_"), folder.name, space, reasons)
        relabel_parts(folder, space, reasons)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
