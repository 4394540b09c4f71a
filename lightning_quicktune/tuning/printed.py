"""What a search printed in its end, so that the same command says it again at once, before any library is loaded.

It holds as long as the settings, the files that the search reads and its result are what they were, by their sizes and
times; where any of that has changed, ``tune`` looks at all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.presets.preset import BASE_MODEL
from lightning_quicktune.tracking.places import resolve_uri, shown_uri, sqlite_path
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.tuning.settings import TuneSettings

PRINTED = "printed.json"
_RESULT = ("finished.json", "result/outcome.json", "result/report.html", "result/adapter/adapter_model.safetensors")
_FILES = (BASE_MODEL, "data.init_args.path", "data.init_args.chat_template")  # keys of a recipe that may name some


def what_is_read(settings: TuneSettings) -> dict[str, Any]:
    """The settings of a search and the state of all files that they name; what the hub has is taken as it was.

    Args:
        settings: The search.
    """
    recipe = _recipe(Path(settings.recipe))
    of_recipe = [settings.overrides.get(key, _at(recipe, key)) for key in _FILES]
    surrogates = asdict(settings.surrogates).values() if settings.surrogates else ()
    named = [settings.task, settings.recipe, settings.space, *of_recipe, *surrogates]
    places = [Path(name) for name in named if name is not None]
    return {
        "label_version": LABEL_VERSION,
        "settings": settings.to_dict(),
        "output": settings.output,  # as paths are printed
        "mlflow": shown_uri(resolve_uri(settings.tracking.uri)),
        "files": {str(place): state for place in places if (state := _state(place))},
    }


def printed_before(settings: TuneSettings, reads: Mapping[str, Any]) -> str | None:
    """What the same search has printed in its end; none if there was none, or something has changed.

    Args:
        settings: The search.
        reads: From ``what_is_read``.
    """
    known = read_json(Path(settings.output) / PRINTED)
    if known is None or known["reads"] != reads or known["result"] != _result(settings):
        return None
    database = sqlite_path(resolve_uri(settings.tracking.uri))
    added_to = settings.contribute
    is_there = (database is None or database.exists()) and (added_to is None or any(Path(added_to).glob("*.parquet")))
    return str(known["text"]) if is_there else None


def keep_printed(settings: TuneSettings, reads: Mapping[str, Any], text: str) -> None:
    """Keeps what a search has printed in its end.

    Args:
        settings: The search.
        reads: From ``what_is_read`` before the search began, so that what has changed since is noticed.
        text: What was printed.
    """
    record = {"reads": reads, "result": _result(settings), "text": text}
    write_json(Path(settings.output) / PRINTED, record)


def _result(settings: TuneSettings) -> list[list[Any]]:
    return [_facts(path) for name in _RESULT if (path := Path(settings.output, name)).is_file()]


def _recipe(path: Path) -> Any:
    """What a recipe holds; nothing where it is no YAML, which the search says."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}


def _at(nested: Any, key: str) -> Any:
    """The value of a dotted key; none if it isn't there."""
    for name in key.split("."):
        nested = nested.get(name) if isinstance(nested, Mapping) else None
    return nested


def _state(place: Path) -> list[list[Any]]:
    """Sizes and times of all files at a place; none if there is nothing."""
    if place.is_dir():
        return [_facts(path) for path in sorted(place.rglob("*")) if path.is_file()]
    return [_facts(place)] if place.is_file() else []


def _facts(path: Path) -> list[Any]:
    facts = path.stat()
    return [str(path), facts.st_size, facts.st_mtime_ns]
