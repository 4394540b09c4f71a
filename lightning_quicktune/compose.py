"""Fit YAML to objects and back, by class path: the one parser of a trial's configuration; knows no model."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, dict_to_namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser

from lightning_quicktune.arguments.origin import own_words
from lightning_quicktune.arguments.parser import Strict
from lightning_quicktune.arguments.refusal import unsealed
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

FitConfig = dict[str, Any]

_SECTIONS: Mapping[str, type] = {"trainer": Trainer, "model": LightningModule, "data": LightningDataModule}

_OWN_NUMBERS = {"accumulate_grad_batches": (int,), "gradient_clip_val": (int, float)}  # of the trainer, and their types

_OF_THE_CALL = ("ckpt_path", "weights_only")  # `fit` keeps them in its config.yaml: where it went on from, and how

_UPSTREAM_NOISE = (
    ".*does not have many workers.*",  # the data is tokenized already: workers would only cost
    ".*Checkpoint directory .* exists and is not empty.*",  # of a trial that resumes, by intention
    ".*The dirpath has changed from.*",  # of ModelCheckpoint, when a checkpoint is only tested
    ".*`LightningModule.configure_optimizers` returned `None`.*",  # a cohort's members have their own
    ".*grad and param do not obey the gradient layout contract.*",  # a cohort's gradients have a place of their own
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*`isinstance.treespec, LeafSpec.` is deprecated.*",  # Lightning 2.6 on torch 2.13
    ".*`is_gradient_checkpointing` is deprecated.*",  # peft 0.21 on transformers 5.23
)


class StrictLightningParser(Strict, LightningArgumentParser):
    """The parser of trainer, model and data."""


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
    """Reads a fit YAML, or the ``config.yaml`` that ``fit`` kept, without what tells of that one call of ``fit``.

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
    return {key: value for key, value in content.items() if key not in _OF_THE_CALL}


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
    try:
        built = fit_parser().instantiate(parsed)
    except ValueError as error:
        raise ValueError(own_words(error)) from error
    return Composed(built.model, built.data, dict(vars(built.trainer)), int(parsed.seed_everything))


def check_space(config: FitConfig, space: SearchSpace) -> None:
    """Checks, before anything trains, the fit YAML alone, then that it takes every key and value of a search space.

    Raises:
        ValueError: If the fit YAML is wrong, or a key or value doesn't fit it; names the configuration.
    """
    _parse(config)
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
    logging.getLogger("huggingface_hub.utils._http").setLevel(
        logging.ERROR
    )  # each try to reach it; the last one raises


@lru_cache(maxsize=1)
def fit_parser() -> LightningArgumentParser:
    """The parser of a fit YAML, with the arguments that LightningCLI's ``fit`` has; built once."""
    parser = StrictLightningParser(exit_on_error=False)
    parser.add_argument("--seed_everything", type=int, default=0)
    for section, kind in _SECTIONS.items():
        parser.add_lightning_class_args(kind, section, subclass_mode=kind is not Trainer)
    parser.add_argument("--ckpt_path", type=str | None, default=None)
    return parser


def _parse(config: FitConfig) -> Any:
    """Parses section by section, because trials share most of them; what is wrong, the whole parser says."""
    seed = config.get("seed_everything", 0)
    if config.keys() <= {*_SECTIONS, "seed_everything"} and type(seed) is int:
        try:
            sections = {name: _section(name, config[name]) for name in _SECTIONS}
            return dict_to_namespace({"seed_everything": seed, **sections, "ckpt_path": None})
        except (ArgumentError, KeyError, TypeError):
            pass
    try:
        return fit_parser().parse_object(copy.deepcopy(config))
    except ArgumentError as error:
        raise ValueError(f"{unsealed(str(error))} Mend the fit YAML (`recipe`).") from error


def _section(name: str, content: Any) -> Any:
    """One section; numbers that most trials have of their own are set in one that is parsed without them."""
    own = {}
    if name == "trainer" and isinstance(content, dict):
        own = {key: content[key] for key in _OWN_NUMBERS if type(content.get(key)) in _OWN_NUMBERS[key]}
        content = {key: value for key, value in content.items() if key not in own}
    section = _parse_section(name, json.dumps(content)).clone()
    for key, value in own.items():
        section[key] = value
    return section


@lru_cache(maxsize=512)  # a cohort's, each slice of a search anew
def _parse_section(name: str, text: str) -> Any:
    """One section, from JSON; trials that go on or differ elsewhere find it here."""
    return _section_parser(name).parse_object({name: json.loads(text)})[name]


@lru_cache(maxsize=len(_SECTIONS))
def _section_parser(name: str) -> LightningArgumentParser:
    parser = StrictLightningParser(exit_on_error=False)
    parser.add_lightning_class_args(_SECTIONS[name], name, subclass_mode=_SECTIONS[name] is not Trainer)
    return parser
