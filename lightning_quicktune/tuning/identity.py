"""What makes a search the same one when it goes on: its settings, and digests of all that it learns from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lightning_quicktune.trials.identity import LABEL_VERSION, settings_digest
from lightning_quicktune.trials.task_setup import TaskSetup
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.tuning.settings import TuneSettings

_CONTENT = "content of the data"


def search_identity(settings: TuneSettings, setup: TaskSetup, space_id: str, experience: Experience) -> dict[str, Any]:
    """The identity of a search, in plain values for JSON.

    Args:
        settings: The search.
        setup: Its task.
        space_id: Id of its search space.
        experience: What it learns from, of which contents count and not names alone.
    """
    task, learned_from = setup.info, settings.learned_from
    surrogates = {**asdict(settings.surrogates), **learned_from["surrogates"]} if settings.surrogates else None
    return {
        "task": task.name,
        "base_model": task.base_model.weight_hash,
        "recipe": settings_digest(setup.fit),
        "space": space_id,
        "pool_size": settings.pool_size,
        "max_fidelity": task.max_fidelity,
        "searcher": settings.searcher,
        "acquisition": settings.acquisition,
        "experience": learned_from.get("experience"),
        "surrogates": surrogates,
        "seed": settings.seed,
        "label_version": LABEL_VERSION,
        _CONTENT: task.facts.get("content_digest"),
        **{f"content of `{name}`": digest for name, digest in experience.digests().items()},
    }


def contents(identity: dict[str, Any]) -> list[str]:
    """Names of the digests in an identity, which searches of earlier versions don't have."""
    return [name for name in identity if name.startswith("content of ")]
