"""The base model in an export: what is said of it, and what is taken from its own files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_quicktune.finetune.base_model import BaseModelSettings
from lightning_quicktune.finetune.source import resolve_base_model

_SNAPSHOT = re.compile(r"models--(?P<owner>[^/]+?)--(?P<name>[^/]+)/snapshots/(?P<revision>[0-9a-f]{7,40})/?$")


@dataclass(frozen=True)
class BaseReference:
    """Where readers of an adapter find its base model.

    Args:
        source: A hub id, or the folder that was trained on.
        revision: Branch, tag or commit of a hub id.
        on_hub: Whether ``source`` is a hub id.
    """

    source: str
    revision: str | None
    on_hub: bool


def base_reference(settings: BaseModelSettings) -> BaseReference:
    """The hub id of a base model, also where it is a folder of the hub's cache; else its folder.

    Args:
        settings: The base model.
    """
    source = resolve_base_model(settings.name)
    snapshot = _SNAPSHOT.search(Path(source).as_posix())
    if snapshot:
        return BaseReference(f"{snapshot['owner']}/{snapshot['name']}", snapshot["revision"], True)
    if Path(source).is_dir():
        return BaseReference(str(Path(source).resolve()), None, False)
    return BaseReference(source, settings.revision, True)


def base_file(settings: BaseModelSettings, name: str) -> Path | None:
    """A file of the base model's folder or hub repository, or none if it has none of that name.

    Args:
        settings: The base model.
        name: Name of the file.
    """
    from transformers.utils import cached_file

    found = cached_file(
        resolve_base_model(settings.name),
        name,
        revision=settings.revision or "main",
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None


def base_json(settings: BaseModelSettings, name: str) -> dict[str, Any]:
    """What a JSON file of the base model says; nothing if there is none.

    Args:
        settings: The base model.
        name: Name of the file.
    """
    path = base_file(settings, name)
    content = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return content if isinstance(content, dict) else {}
