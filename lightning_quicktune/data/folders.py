"""Which files a folder of records has for each split: by its dataset card, by its subsets, by their names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from lightning_quicktune.data.files import READERS, conversion, ending, is_readable
from lightning_quicktune.data.split_names import SPLITS, SplitName, arrange, outer_folder, says_split, split_word

CARD = "README.md"
_ABOUT_DATA = {
    *("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "meta.json", "metadata.json"),
    *("config.json", "package.json", "synthesis.json", "croissant.json"),
}


def choose_files(names: Sequence[str], card: str | None, subset: str | None, where: str) -> dict[SplitName, list[str]]:
    """Chooses among the files of a folder, here or on the hub.

    Args:
        names: Paths of all its files, relative to it, with ``/`` between parts.
        card: Text of its dataset card, if it has one.
        subset: Which of several datasets in it is meant, if one was named.
        where: The folder, for messages.

    Returns:
        The files of each split that is there, in order.

    Raises:
        FileNotFoundError: If there is nothing to train on.
        ValueError: If it can't be told which files are meant.
    """
    readable = [name for name in names if is_readable(name) and not _hidden(name)]
    subsets = _card_subsets(card)
    files = _by_card(subsets, readable, subset, where) if subsets else _by_folder(readable, subset, where)
    if "train" not in files:
        there = ", ".join(sorted({name.split("/")[0] for name in names})[:20]) or "nothing"
        advice = next((found for name in names if (found := conversion(name)) is not None), "Add or rename the file")
        raise FileNotFoundError(
            f"The train split is missing: `{where}` holds {there}, but a task folder needs a train file, and may have "
            f"validation and test files, ending in {', '.join(READERS)}. {advice}, or name one file as "
            "`data.init_args.path` to have it split."
        )
    return files


def could_be_records(name: str) -> bool:
    """Whether a file is of records by its ending; JSON may as well be about them."""
    return is_readable(name) and ending(name) != ".json" and not _hidden(name)


def _hidden(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    cached = path.name.startswith("cache-") and path.suffix == ".arrow"  # what ``datasets`` leaves beside its files
    return hidden or cached or path.name.lower() in _ABOUT_DATA


def _by_folder(names: Sequence[str], subset: str | None, where: str) -> dict[SplitName, list[str]]:
    """The files of the folder itself, else of the only folder in it, else of the one that was named."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(outer_folder(name), []).append(name)
    if subset is not None:
        return arrange(_named(folders, subset, where), f"{where}/{subset}")
    with_splits = [folder for folder, found in folders.items() if any(map(says_split, found))]
    if "" in folders and ("" in with_splits or not with_splits):
        return arrange(folders[""], where)
    candidates = with_splits or list(folders)
    if len(candidates) > 1:
        raise ValueError(_which(candidates, where))
    return arrange(folders[candidates[0]], where) if candidates else {}


def _by_card(
    subsets: Mapping[str, Mapping[str, Any]], names: Sequence[str], subset: str | None, where: str
) -> dict[SplitName, list[str]]:
    """What the card of a dataset says of its files."""
    if subset is None:
        default = [name for name, entry in subsets.items() if entry.get("default") is True]
        candidates = default or [name for name in subsets if name == "default"] or list(subsets)
        if len(candidates) > 1:
            raise ValueError(_which(candidates, where))
        subset = candidates[0]
    entry = _named(subsets, subset, where)
    base = str(entry.get("data_dir") or "").strip("./")
    found: dict[SplitName, list[str]] = {}
    for key, patterns in _patterns(entry.get("data_files")).items():
        split = _card_split(key, where)
        matching = [name for name in names if any(_matches(name, base, pattern) for pattern in patterns)]
        if matching and split in found:
            raise ValueError(
                f"The {split} split is there twice: the card of `{where}` has {key} and another. Save the one that is "
                "meant as a folder of files, and name that as `data.init_args.path`."
            )
        if matching:
            found[split] = matching
    return found or _by_folder([name for name in names if name.startswith(base)], None, where)


def _named(candidates: Mapping[str, Any], subset: str, where: str) -> Any:
    if subset not in candidates:
        there = ", ".join(name for name in candidates if name) or "none"
        raise ValueError(
            f"`data.init_args.reading.subset` is {subset}, but the subsets of `{where}` are {there}. Name one of them, "
            "or leave it out."
        )
    return candidates[subset]


def _which(candidates: Sequence[str], where: str) -> str:
    shown = ", ".join(name or "the folder itself" for name in candidates)
    return (
        f"`{where}` holds {len(candidates)} subsets: {shown}. Only one of them can be the task. Name it as "
        f"`data.init_args.reading.subset`, for example {candidates[0]}."
    )


def _card_subsets(card: str | None) -> dict[str, Mapping[str, Any]]:
    """The ``configs`` in the YAML head of a card that say which files they have."""
    head = re.match(r"\ufeff?---\r?\n(.*?)\r?\n---", card or "", re.DOTALL)
    try:
        parsed = yaml.safe_load(head.group(1)) if head else None
    except yaml.YAMLError:
        return {}
    entries = parsed.get("configs") if isinstance(parsed, dict) else None
    listed = entries if isinstance(entries, list) else []
    usable = [entry for entry in listed if isinstance(entry, dict) and {"data_files", "data_dir"} & set(entry)]
    return {str(entry.get("config_name", "default")): entry for entry in usable}


def _patterns(data_files: Any) -> dict[str, list[str]]:
    """Patterns of each split, of the ways in which a card may say them."""
    if isinstance(data_files, dict):
        return {str(split): _as_list(patterns) for split, patterns in data_files.items()}
    if isinstance(data_files, list) and all(isinstance(entry, dict) for entry in data_files):
        return {str(entry.get("split", "train")): _as_list(entry.get("path")) for entry in data_files}
    return {"train": _as_list(data_files)} if data_files else {}


def _as_list(patterns: Any) -> list[str]:
    return [str(pattern) for pattern in (patterns if isinstance(patterns, list) else [patterns])]


def _matches(name: str, base: str, pattern: str) -> bool:
    whole = "/".join(part for part in (base, pattern.removeprefix("./")) if part)
    return fnmatch.fnmatchcase(name, whole) or fnmatch.fnmatchcase(name, whole.replace("**/", ""))


def _card_split(key: str, where: str) -> SplitName:
    found = {split for word in re.split(r"[^A-Za-z]+", key) if (split := split_word(word)) is not None}
    if len(found) == 1:
        return found.pop()
    raise ValueError(
        f"The card of `{where}` has a split `{key}`, which is none of {', '.join(SPLITS)}. Save the split that is "
        "meant as a folder of files, and name that as `data.init_args.path`."
    )
