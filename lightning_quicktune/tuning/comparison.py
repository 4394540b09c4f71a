"""Tests what a search found beside zero-shot and the default configuration, on the test split and once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.finetune.export import load_adapter
from lightning_quicktune.finetune.scoring import split_metrics
from lightning_quicktune.trials.checkpoints import BEST
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import task_objects
from lightning_quicktune.trials.trainer import trial_device
from lightning_quicktune.types import Configuration


@dataclass(frozen=True)
class Compared:
    """One row of the comparison.

    Args:
        name: ``zero-shot``, ``default`` or ``incumbent``.
        config_id: Its configuration; none for zero-shot.
        fidelity: Slices that its adapter was trained for.
        validation_score: Score by which it was chosen.
        test_metrics: All metrics on the test split.
    """

    name: str
    config_id: str | None
    fidelity: int
    validation_score: float
    test_metrics: dict[str, float]


def compare(
    name: str,
    plan: TrialPlan,
    configuration: Configuration | None,
    fidelity: int,
    validation_score: float,
    folder: Path,
) -> Compared:
    """Tests one adapter, or reads what an earlier call kept of it.

    Args:
        name: Name of the row.
        plan: The trial; of zero-shot, any of the task.
        configuration: What was trained; none tests the base model without adapter.
        fidelity: Slices of the trial's best checkpoint.
        validation_score: Its score on validation.
        folder: Where rows are kept.
    """
    kept = read_json(folder / f"{name}.json")
    identity = {
        "name": name,
        "config_id": configuration.id if configuration else None,
        "fidelity": fidelity,
        "validation_score": validation_score,
    }
    if kept is not None and all(kept[key] == value for key, value in identity.items()):
        return Compared(**kept)
    module, data = task_objects(plan.resolved)
    if configuration is None:
        model = module.loaded.model
    else:
        load_adapter(module, plan.folder / BEST)
        model = module.model
    model.to(trial_device(plan.resolved))
    metrics = split_metrics(model, module.tokenizer, data, "test", module.score, generate=True)
    module.release()
    row = Compared(**identity, test_metrics=metrics)  # type: ignore[arg-type]
    write_json(folder / f"{name}.json", asdict(row))
    return row
