"""The settings that stand behind a model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lightning_quicktune.arguments.names import closest_name
from lightning_quicktune.presets.places import configs_folder

BASE_MODEL = "model.init_args.base_model.name"  # the key of a recipe that names the base model
_OTHER = "other"  # settings of a base model that has no name here
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Preset:
    """What the name of a model stands for.

    Args:
        name: The name, or the folder, file or hub id of a base model that has none.
        base_model: What the recipe calls the base model.
        settings: Keys of ``tune`` with plain values; paths are absolute.
    """

    name: str
    base_model: str
    settings: Mapping[str, Any]

    @property
    def borrowed(self) -> str | None:
        """Whose experience it starts from, where it has none of its own."""
        experience = self.settings.get("experience")
        return str(experience) if self.settings.get("allow_other_base_model") and experience else None


def model_names() -> tuple[str, ...]:
    """The names that ``--model`` knows."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml") if path.stem != _OTHER))


def preset(model: str) -> Preset:
    """The settings of a model.

    Args:
        model: A name; or a folder, ``.gguf`` file or hub id, whose experience is that of the model most like it.

    Raises:
        ValueError: If it is none of these; names the closest.
    """
    names = model_names()
    if model in names:
        settings = _settings(_folder() / f"{model}.yaml")
        recipe = yaml.safe_load(Path(settings["recipe"]).read_text(encoding="utf-8"))
        return Preset(model, str(recipe["model"]["init_args"]["base_model"]["name"]), settings)
    close = closest_name(model.lower(), names)
    is_file = model.endswith(".gguf") and Path(model).is_file()
    if is_file or Path(model).is_dir() or (_HUB_ID.fullmatch(model) and not model.endswith(".gguf")):
        return Preset(model, model, _settings(_folder() / f"{_OTHER}.yaml"))
    hint = f"Did you mean `{close}`? " if close else ""
    raise ValueError(
        f"There is no model `{model}`. {hint}`--model` takes {', '.join(names)}, or the folder, .gguf file or hub id "
        "of a base model."
    )


def base_model_override(model: str | None) -> dict[str, str]:
    """The key of a recipe that another base model sets, with its value; nothing where none was asked for."""
    return {} if model is None else {BASE_MODEL: model}


def _folder() -> Path:
    return configs_folder() / "preset"


def _settings(path: Path) -> dict[str, Any]:
    """The settings in a file, with what they name relative to it."""
    settings: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    places = {key: str((path.parent / settings[key]).resolve()) for key in ("recipe", "space") if key in settings}
    return settings | places
