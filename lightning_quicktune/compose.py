"""Fit YAML to objects and back, by class path: the one parser of a trial's configuration; knows no model."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

FitConfig = dict[str, Any]

_UPSTREAM_NOISE = (
    ".*does not have many workers.*",  # the data is tokenized already: workers would only cost
    ".*Checkpoint directory .* exists and is not empty.*",  # of a trial that resumes, by intention
    ".*The dirpath has changed from.*",  # of ModelCheckpoint, when a checkpoint is only tested
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*`isinstance.treespec, LeafSpec.` is deprecated.*",  # Lightning 2.6 on torch 2.13
    ".*`is_gradient_checkpointing` is deprecated.*",  # peft 0.21 on transformers 5.23
)


@dataclass(frozen=True)
class Composed:
    """What a fit YAML describes, built.

    Args:
        model: The LightningModule.
        data: The LightningDataModule.
        trainer: Arguments of the Trainer, callbacks included.
        seed: Seed of everything.
    """

    model: LightningModule
    data: LightningDataModule
    trainer: dict[str, Any]
    seed: int


def read_yaml(path: str | Path) -> FitConfig:
    """Reads a fit YAML.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not YAML, or not a mapping.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file `{path}`. Give the path of a YAML that `fit` takes.")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"`{path}` is not valid YAML: {error}. Mend it, then run the same command again.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"`{path}` holds {type(content).__name__}, but a fit YAML has the keys trainer, model and data."
        )
    return content


def with_overrides(config: FitConfig, overrides: Mapping[str, Any]) -> FitConfig:
    """A copy of ``config`` with dotted keys set.

    Where a ``class_path`` changes, the old class's ``init_args`` are dropped, whichever order the keys come in.
    """
    result = copy.deepcopy(config)
    for key, value in sorted(overrides.items(), key=lambda item: not item[0].endswith("class_path")):
        *parents, last = key.split(".")
        node = result
        for parent in parents:
            if not isinstance(node.get(parent), dict):
                node[parent] = {}
            node = node[parent]
        if last == "class_path" and node.get("class_path") != value:
            node.pop("init_args", None)
        node[last] = value
    return result


def configured(config: FitConfig, space: SearchSpace, configuration: Configuration) -> FitConfig:
    """The fit YAML of one configuration, as a plain dictionary."""
    return with_overrides(config, space.overrides(configuration))


def build(config: FitConfig) -> Composed:
    """Builds model and data of a fit YAML; loads no weights and reads no data yet.

    Raises:
        ValueError: If a key is unknown, missing or has a wrong value; says which.
    """
    parsed = _parse(config)
    built = fit_parser().instantiate(parsed)
    trainer = {k: v for k, v in vars(built.trainer).items()}
    return Composed(built.model, built.data, trainer, int(parsed.seed_everything))


def check_space(config: FitConfig, space: SearchSpace) -> None:
    """Checks, before anything trains, that every key a search space sets exists and takes its values.

    Raises:
        ValueError: If a key or value doesn't fit the fit YAML; names the configuration.
    """
    for configuration in [space.default, *space.sample(int(min(32, space.size - 1)), seed=0)]:
        try:
            _parse(configured(config, space, configuration))
        except ValueError as error:
            raise ValueError(
                f"The search space doesn't fit the recipe: {error} This came of the configuration "
                f"{dict(configuration.values)}. Mend `key` or `sets` of that hyperparameter in `space`."
            ) from error


def to_yaml(config: FitConfig) -> str:
    """The YAML text that ``fit --config`` takes."""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def quiet_upstream() -> None:
    """Silences what Lightning and its peers say of themselves and no user can act on."""
    for message in _UPSTREAM_NOISE:
        warnings.filterwarnings("ignore", message=message)
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)


@lru_cache(maxsize=1)
def fit_parser() -> LightningArgumentParser:
    """The parser of a fit YAML, with the arguments that LightningCLI's ``fit`` has; built once."""
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_argument("--seed_everything", type=int, default=0)
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.add_lightning_class_args(LightningModule, "model", subclass_mode=True)
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    parser.add_argument("--ckpt_path", type=str | None, default=None)
    return parser


def _parse(config: FitConfig) -> Any:
    try:
        return fit_parser().parse_object(copy.deepcopy(config))
    except ArgumentError as error:
        raise ValueError(f"{' '.join(str(error).split())} Mend the fit YAML (`recipe`).") from error
