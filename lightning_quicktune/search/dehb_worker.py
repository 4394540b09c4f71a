"""Runs DEHB in an environment of its own; started by path, so it imports nothing of this package.

Reads one JSON object per line and answers each with one: first the settings, then ``ask`` (answered by a job) or
``tell`` (the number of a job, with its fitness, lower is better, and its cost).
"""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

import ConfigSpace
from dehb import DEHB
from loguru import logger


def main() -> None:
    """Serves until the input ends."""
    logger.remove()
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else is printed must not be read as an answer
    with tempfile.TemporaryDirectory() as folder:
        optimizer = _optimizer(json.loads(sys.stdin.readline()), folder)
        jobs: list[dict[str, Any]] = []
        for line in sys.stdin:
            message = json.loads(line)
            if "tell" in message:
                optimizer.tell(jobs[message["tell"]], {"fitness": message["fitness"], "cost": message["cost"]})
                answer: dict[str, Any] = {}
            else:
                job = optimizer.ask()
                answer = {"job": len(jobs), "config_id": int(job["config_id"]), "fidelity": float(job["fidelity"])}
                answer["draws"] = {name: float(value) for name, value in dict(job["config"]).items()}
                jobs.append(job)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _optimizer(settings: dict[str, Any], folder: str) -> Any:
    space = ConfigSpace.ConfigurationSpace(seed=settings["seed"])
    for name, domain in settings["domains"].items():
        space.add(_hyperparameter(name, domain))
    return DEHB(
        cs=space,
        min_fidelity=1,
        max_fidelity=settings["max_fidelity"],
        eta=settings["eta"],
        seed=settings["seed"],
        n_workers=1,
        save_freq="end",
        output_path=folder,
    )


def _hyperparameter(name: str, domain: dict[str, Any]) -> Any:
    if domain["type"] == "ordered":
        return ConfigSpace.OrdinalHyperparameter(name, list(range(domain["n"])))
    if domain["type"] == "unordered":
        return ConfigSpace.CategoricalHyperparameter(name, list(range(domain["n"])))
    kind = ConfigSpace.Integer if domain["type"] == "int" else ConfigSpace.Float
    return kind(name, tuple(domain["bounds"]), log=domain["log"])


if __name__ == "__main__":
    main()
