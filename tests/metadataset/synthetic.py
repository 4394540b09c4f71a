"""A small search space, and trials of a known response surface over several tasks."""

import math

from lightning_quicktune.types import (
    BaseModelInfo,
    DeviceInfo,
    LearningCurve,
    SliceResult,
    TaskInfo,
    Trial,
)

DECLARATION = {
    "lr": {"key": "a.lr", "domain": {"type": "float", "bounds": [1e-5, 1e-1], "log": True, "default": 1e-3}},
    "variant": {"key": "a.variant", "domain": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a"}},
    "schedule": {"key": "a.schedule", "domain": {"type": "categorical", "choices": ["up", "down"], "default": "up"}},
    "warmup": {
        "key": "a.warmup",
        "domain": {"type": "int", "bounds": [0, 10], "default": 1},
        "when": {"schedule": ["down"]},
    },
}
MAX_FIDELITY = 4
BASE_MODEL = BaseModelInfo(name="tiny", n_parameters=1000, weight_hash="ab")


def make_task(name, shift=0.0, **changes):
    fields = {
        "base_model": BASE_MODEL,
        "metric": "answer_likelihood",
        "max_fidelity": MAX_FIDELITY,
        "records_per_slice": 100,
        "zero_shot_score": 0.2,
        "meta_features": {"shift": shift, "size": 1.0},
        "facts": {"domain": "towns", "n_train": 400},
    }
    return TaskInfo(name=name, **{**fields, **changes})


def make_trial(task, configuration, n=MAX_FIDELITY, seed=0, step_s=0.01, **changes):
    """Trials whose final latent score peaks at a learning rate that moves a little with the task's `shift`."""
    values = configuration.values
    distance = math.log10(values["lr"]) + 3 - 0.3 * task.meta_features["shift"]
    final = 2 - distance**2 + {"a": 0.0, "b": 0.6, "c": -0.6}[values["variant"]]
    final += 0.4 if values["schedule"] == "up" else 0.05 * values["warmup"]
    cost = 0.5 * task.records_per_slice * step_s * {"a": 1.0, "b": 2.0, "c": 3.0}[values["variant"]]
    slices = []
    for fidelity in range(1, n + 1):
        latent = final * (1 - 0.5**fidelity) / (1 - 0.5**MAX_FIDELITY)
        score = 1 / (1 + math.exp(-(latent + math.log(0.25))))
        slices.append(SliceResult(fidelity, score, cost, cost, 10, {"loss": -latent}, score / 2, {"loss": 7.0}))
    return Trial(
        **{
            "task": task.name,
            "base_model": task.base_model.name,
            "metric": task.metric,
            "configuration": configuration,
            "seed": seed,
            "max_fidelity": task.max_fidelity,
            "curve": LearningCurve(tuple(slices)),
            "status": "completed" if n == task.max_fidelity else "stopped",
            "device": DeviceInfo("cpu", 1, 1, 0.0, step_s),
            **changes,
        }
    )
