"""What one line leaves out: recipe, search space, experience, budget and folder, by the names of model and dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from lightning_quicktune.finetune.source import missing_weights
from lightning_quicktune.presets.places import shipped_surrogates, shipped_tables
from lightning_quicktune.presets.preset import Preset, model_names, preset

DEFAULT_SECONDS = 600.0
RUNS = "runs"
SUITE = "suite:"
FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


class IncompleteError(ValueError):
    """Something is missing that nothing stands for; says all of it."""


@dataclass(frozen=True)
class OneLine:
    """Settings for what the user did not say.

    Args:
        under: Settings that hold unless the user says otherwise.
        model: What a recipe calls the base model that the user named, if one was named.
        notes: What a person should know of them, a sentence each.
    """

    under: Mapping[str, Any]
    model: str | None = None
    notes: tuple[str, ...] = ()


def complete(given: Mapping[str, Any], kind: type[Any], faults: Sequence[str] = ()) -> OneLine:
    """Settings for what is not given, once nothing is missing.

    Args:
        given: Settings that the user gave in any way, plain values by their first key; ``model`` may be any name that
            ``preset`` knows.
        kind: The dataclass of the subcommand's settings; what it doesn't have is left out.
        faults: What is wrong with it already, a sentence each.

    Raises:
        IncompleteError: If something is missing, or there is a fault; says all at once.
    """
    task, found = given.get("task"), list(faults)
    wanted = {field.name: field.default is MISSING for field in fields(kind)}
    found += _faults_of_task(task, wanted["task"])
    chosen = _preset(given.get("model"), found)
    if chosen is None and "recipe" not in given and not given.get("model"):
        found.append(f"No model is given. Name one, as in `--model nano`; there are {', '.join(model_names())}.")
    if chosen and (lacking := missing_weights(chosen.base_model)):
        found.append(lacking)
    settings = dict(chosen.settings) if chosen else {}
    if given.get("surrogates"):
        settings.pop("experience", None)
    settings |= _experience(given, found)
    if found:
        raise IncompleteError(_together(found))
    suffix = "" if "budget" in wanted else "_recommended"
    settings |= {"output": default_output(str(task)) + suffix, "budget": {"seconds": DEFAULT_SECONDS}}
    under = {key: value for key, value in settings.items() if key in wanted and given.get(key) is None}
    return OneLine(
        under, chosen.base_model if chosen else None, _notes(chosen, given.get("experience") or under.get("experience"))
    )


def default_output(task: str) -> str:
    """The folder of a search for a dataset: ``runs/shop`` for ``data/shop.jsonl``.

    Args:
        task: Path of a file or folder, hub id, or ``suite:NAME``.
    """
    place = Path(task.removeprefix(SUITE))
    return str(Path(RUNS) / (place.stem if place.is_file() else place.resolve().name or "tune"))


def _faults_of_task(task: Any, is_needed: bool) -> list[str]:
    if not task:
        return [] if not is_needed else ["No dataset is given. Name its file or folder first, as in `shop.jsonl`."]
    path = Path(str(task))
    if path.suffix.lower() in FILES and not path.is_file():
        return [f"The dataset {task} is not there: no such file in {path.resolve().parent}. Correct the path."]
    return []


def _preset(model: Any, found: list[str]) -> Preset | None:
    """The settings of the model that was named; what is wrong with the name is added to ``found``."""
    try:
        return preset(str(model)) if model else None
    except ValueError as error:
        found.append(str(error))
        return None


def _experience(given: Mapping[str, Any], found: list[str]) -> dict[str, Any]:
    """The settings of an experience that was asked for: a shipped one is meant, whatever base model it is of."""
    experience, contribute = given.get("experience"), given.get("contribute")
    if experience in shipped_surrogates():
        return {"allow_other_base_model": True}
    is_place = bool(experience) and ":/" not in str(experience) and experience not in shipped_tables()
    is_made = bool(contribute) and Path(str(contribute)).resolve() == Path(str(experience)).resolve()
    if is_place and not is_made and not Path(str(experience)).is_dir():
        names = ", ".join(shipped_surrogates())
        found.append(
            f"The experience {experience} is not there. Give a folder that `--contribute` or `collect` wrote, a "
            f"shipped one ({names}), or the same folder to `--contribute` to begin with none."
        )
    return {}


def _notes(chosen: Preset | None, source: Any) -> tuple[str, ...]:
    if chosen is None or chosen.borrowed is None or source not in shipped_surrogates():
        return ()
    return (
        f"There is no experience with {chosen.name} yet. It starts from what was learned with {source}, another base "
        "model, and is on guard: it trusts its own trials as soon as they differ. `--experience` names another one.",
    )


def _together(found: Sequence[str]) -> str:
    """One fault as it is, several as a list."""
    if len(found) == 1:
        return found[0]
    return f"{len(found)} things are missing or wrong:\n" + "\n".join(f"  - {each}" for each in found)
