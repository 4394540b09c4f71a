"""The setup of a task for trials: its fit YAML, and what is known of it before any trial."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning.pytorch import seed_everything

from lightning_quicktune.compose import FitConfig, build, quiet_upstream, with_overrides
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.limits import check_packing
from lightning_quicktune.data.meta_features import text_meta_features
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.finetune.base_model import load_config
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.generation import check_room
from lightning_quicktune.finetune.landmarks import landmarks
from lightning_quicktune.finetune.scoring import split_metrics
from lightning_quicktune.suite.builtin import write_task
from lightning_quicktune.trials.identity import CONTENT_CHANGED, SETTINGS, differences, label_settings, settings_digest
from lightning_quicktune.trials.recipe import check_recipe
from lightning_quicktune.trials.trainer import trial_device
from lightning_quicktune.types import TaskInfo

TASK_RECORD = "task.json"
IDENTITY = "identity.json"
SHORTENED_FROM = "shortened_from"  # fact of a task: slices of a full training, had there been a budget for them
SUITE_PREFIX = "suite:"


@dataclass(frozen=True)
class TaskSetup:
    """A task and the fit YAML that trials on it start from."""

    info: TaskInfo
    fit: FitConfig


def set_up_task(
    source: str,
    recipe: FitConfig,
    max_fidelity: int,
    folder: Path,
    before_part: Callable[[], None] | None = None,
    name: str | None = None,
    shortened: Callable[[TaskInfo], int] | None = None,
) -> TaskSetup:
    """Describes a task by its text and by the untrained base model, once; later calls read what was kept.

    Args:
        source: ``suite:NAME`` for a built-in task, or what ``data.init_args.path`` takes.
        recipe: The fit YAML to start from.
        max_fidelity: Slices of a full training.
        folder: Where the task's record is kept.
        before_part: Called before each part of describing that takes long; what it raises ends it.
        name: Name of the task, where the dataset has several; ``task_name`` of the source if not given.
        shortened: Slices of a full training, at most ``max_fidelity``, by what describing the task has shown. It is
            asked once and what it said kept with the description.

    Raises:
        FileNotFoundError: If data or base model aren't there.
        ValueError: If the recipe doesn't compose these models, the data can't be used, or it changed since it was
            described.
    """
    check_recipe(recipe)
    name = name or task_name(source)
    path = _local_path(source, folder)
    known = read_json(folder / TASK_RECORD)
    if known is not None and shortened is not None:
        max_fidelity = int(known["max_fidelity"])
    fit = with_overrides(recipe, {"data.init_args.path": path, "trainer.max_epochs": max_fidelity})
    quiet_upstream()
    seed_everything(int(fit.get("seed_everything", 0)), verbose=False)
    module, data = task_objects(fit)
    facts = data.describe()
    if known is not None:
        _check_same(name, folder, _identity(fit, max_fidelity, facts))
        info = TaskInfo.from_dict(known)
        return TaskSetup(replace(info, facts={**info.facts, SETTINGS: settings_digest(fit)}), fit)
    before_part = before_part or (lambda: None)
    before_part()
    sys.stderr.write(f"{name}: measuring meta-features and the untrained base model\n")
    module.loaded.model.to(trial_device(fit))
    facts = {**facts, "dataset": task_name(source), SETTINGS: settings_digest(fit)}
    setup = TaskSetup(_describe(name, module, data, max_fidelity, facts, before_part), fit)
    if shortened is not None:
        setup = _of_length(setup, shortened(setup.info))
    write_json(folder / IDENTITY, _identity(setup.fit, setup.info.max_fidelity, facts))
    write_json(folder / TASK_RECORD, setup.info.to_dict())
    return setup


def _identity(fit: FitConfig, max_fidelity: int, facts: dict[str, Any]) -> dict[str, Any]:
    settings = {"max_fidelity": max_fidelity, **label_settings(fit)}
    return {"settings": settings, "content": facts["content_digest"]}


def _of_length(setup: TaskSetup, max_fidelity: int) -> TaskSetup:
    """The same task where a full training has so many slices, with what it was shortened from among its facts."""
    info = setup.info
    if max_fidelity == info.max_fidelity:
        return setup
    fit = with_overrides(setup.fit, {"trainer.max_epochs": max_fidelity})
    records, share = max_fidelity * info.records_per_slice, max_fidelity / info.max_fidelity
    length = {
        "training_records": records,
        "epochs": float(info.facts["epochs"]) * share,
        SHORTENED_FROM: info.max_fidelity,
    }
    facts = {**info.facts, **length, SETTINGS: settings_digest(fit)}
    return TaskSetup(replace(info, max_fidelity=max_fidelity, facts=facts), fit)


def task_objects(fit: FitConfig) -> tuple[Finetuner, TaskData]:
    """Model and data of a fit YAML; the data is read and tokenized, weights are not loaded.

    Raises:
        ValueError: If the YAML composes something else, or the data can't be used.
    """
    module, data = unread_objects(fit)
    data.setup("fit")
    check_rooms(module, data)
    return module, data


def check_rooms(module: Finetuner, data: TaskData) -> None:
    """Refuses prompts of a split that is to be scored that leave an answer too few positions.

    Raises:
        ValueError: If there are any, or a record has no answer.
    """
    for split in ("validation", "test") if module.score.generates else ("test",):
        check_room(load_config(module.base_model), data.prompt_dataloader(split), module.score.max_new_tokens)


def unread_objects(fit: FitConfig) -> tuple[Finetuner, TaskData]:
    """Model and data of a fit YAML; the data has its tokenizer and is not read yet.

    Raises:
        ValueError: If the YAML composes something else.
    """
    composed = build(fit)
    module, data = composed.model, composed.data
    if not isinstance(module, Finetuner) or not isinstance(data, TaskData):
        raise ValueError(
            f"`recipe` composes {type(module).__name__} with {type(data).__name__}, but trials need a "
            "Finetuner with TaskData. Set `model.class_path` and `data.class_path` as in `configs/recipe`."
        )
    if data.packing:
        check_packing(module.layout, module.keeps_packed_apart)
    module.use_chat_template(data.chat_template)
    data.attach_tokenizer(module.tokenizer, layout=module.layout, positions=module.positions)
    return module, data


def task_name(source: str) -> str:
    """The name that tables carry: of the folder, of the file without its ending, or of the built-in task."""
    name = source.removeprefix(SUITE_PREFIX) if source.startswith(SUITE_PREFIX) else Path(source).stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "task"


def _local_path(source: str, folder: Path) -> str:
    if not source.startswith(SUITE_PREFIX):
        return source
    name = source.removeprefix(SUITE_PREFIX)
    target = folder / "data" / name
    return str(target if (target / "meta.json").is_file() else write_task(name, folder / "data"))


def _check_same(name: str, folder: Path, now: dict[str, Any]) -> None:
    before = read_json(folder / IDENTITY) or {}
    changes = differences(before.get("settings", {}), now["settings"])
    if before.get("content") != now["content"]:
        changes.append(CONTENT_CHANGED)
    if changes:
        raise ValueError(
            f"The task `{name}` in {folder} was described with other settings or data: {'; '.join(changes)}. Trials of "
            "both can't be compared: set `output` to another folder, or put data and `recipe` back."
        )


def _describe(
    name: str,
    module: Finetuner,
    data: TaskData,
    max_fidelity: int,
    facts: dict[str, Any],
    before_part: Callable[[], None],
) -> TaskInfo:
    module.configure_model()  # a wrong adapter is to fail here, once, and not in every trial
    module.release()
    base = module.loaded
    start = time.perf_counter()
    texts = text_meta_features(data.records("train"), data.tokens("train"))
    before_part()
    read = time.perf_counter()
    score = module.score
    zero_shot = split_metrics(base.model, module.tokenizer, data, "validation", score, generate=score.generates)
    before_part()
    scored = time.perf_counter()
    features = texts | landmarks(base, data.evaluation_dataloader("train"), zero_shot["loss"])
    end = time.perf_counter()
    n_records = len(data.tokens("train"))
    per_slice = data.records_per_slice or n_records
    length = {"training_records": max_fidelity * per_slice, "epochs": max_fidelity * per_slice / n_records}
    seconds = {"text_features_s": read - start, "zero_shot_s": scored - read, "landmarks_s": end - scored}
    return TaskInfo(
        name=name,
        base_model=base.info,
        metric=score.name,
        max_fidelity=max_fidelity,
        records_per_slice=per_slice,
        zero_shot_score=zero_shot[score.name],
        meta_features=features,
        meta_features_cost_s=end - start,
        facts={**facts, **length, **seconds},
    )
