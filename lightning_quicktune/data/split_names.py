"""Which files of a folder are which split, told from their names alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from lightning_quicktune.data.contents import COMPRESSIONS

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

_WORDS: Mapping[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing", "holdout", "heldout"), "test"),
}
_HELD_OUT = re.compile(r"(hold|held)[-_ ]?out", re.IGNORECASE)
_KIND = re.compile(r"[-_ ]?(data|dataset|set|split|files?|records)$")
_OF = re.compile(r"[-_.](\d+)[-_]of[-_](\d+)$", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:[-_](?:part[-_]?)?(\d+)|(?:^|[-_.])part[-_]?(\d+)(?:[-_.].*)?)$", re.IGNORECASE)


def split_word(text: str) -> SplitName | None:
    """The split that a text is a word for, in any case, such as ``dev`` or ``TestSet``; none for other texts."""
    return _WORDS.get(_HELD_OUT.sub("holdout", _KIND.sub("", text.lower())))


def arrange(names: Sequence[str], where: str) -> dict[SplitName, list[str]]:
    """Finds the files of each split.

    Args:
        names: Paths of readable files, relative to the folder, with ``/`` between parts.
        where: The folder, for messages.

    Returns:
        The files of the splits that are there, in order. One file, or the shards of one, whose name says no split is
        under the first split's name.

    Raises:
        ValueError: If there are no such files, if more than one could be meant, or if a shard is missing.
    """
    words = {name: _splits_named(name) for name in names}
    if any(len(found) == 1 for found in words.values()) or len(names) > 1:
        unclear = [name for name, found in words.items() if len(found) > 1]
        if unclear:
            raise ValueError(
                f"`{where}` holds {' and '.join(unclear)}, whose name says more than one of train, validation and "
                "test. Rename it so that it says one, or name one file as `data.init_args.path`."
            )
    named = {split: [name for name in names if words[name] == {split}] for split in SPLITS}
    named["test"] = [name for name in named["test"] if not _HELD_OUT.search(name)] or named["test"]
    if not any(named.values()):
        return {"train": _one_set(names, "all", where)}
    return {split: _one_set(found, split, where) for split, found in named.items() if found}


def says_split(name: str) -> bool:
    """Whether a file's name or one of its folders' is that of a split."""
    return bool(_splits_named(name))


def outer_folder(name: str) -> str:
    """The folders of a file but those named for a split, or ``data``: ``en`` for ``en/train/0.parquet``.

    Where the last folder alone says the split, beside other words, those are left: ``sft`` for ``train_sft/0.arrow``.
    """
    folders = [f for f in PurePosixPath(name).parts[:-1] if f.lower() != "data" and not split_word(f)]
    if folders and not _splits_in(name):
        folders[-1] = "_".join(word for word in _words(folders[-1]) if split_word(word) is None) or folders[-1]
    return "/".join(folders)


def stem(name: str) -> str:
    """The file's name without its ending and that of a compression."""
    path = PurePosixPath(name)
    return PurePosixPath(path.stem).stem if path.suffix.lower() in COMPRESSIONS else path.stem


def _splits_named(name: str) -> set[SplitName]:
    """Splits that a file's name or its folders' say; those of the words of its last folder if that alone says one."""
    return _splits_in(name) or {
        split for folder in PurePosixPath(name).parts[-2:-1] for word in _words(folder) if (split := split_word(word))
    }


def _splits_in(name: str) -> set[SplitName]:
    """Splits that the words of a file's name say, or the whole name of one of its folders."""
    folders = PurePosixPath(name).parts[:-1]
    words = [*folders, *(word.rstrip("0123456789") for word in _words(stem(name)))]
    return {split for word in words if (split := split_word(word)) is not None}


def _words(text: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _HELD_OUT.sub("holdout", text))
    return re.split(r"[^A-Za-z0-9]+", spaced)


def _one_set(names: Sequence[str], split: str, where: str) -> list[str]:
    """Names of one table's files in order."""
    sets: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        sets.setdefault(_set_of(name), []).append(name)
    plain = [found for key, found in sets.items() if split_word(key[-1]) == split]
    if len(plain) == 1:  # `train` is meant, whatever `train_small` beside it is
        return _in_order(plain[0], where)
    if len(sets) > 1:
        first = [found[0] for found in sets.values()]
        shown = f"`{where}` holds {' and '.join(first[:10])}"
        if split not in SPLITS:
            raise ValueError(
                f"{shown}, and no name says which split a file is. Rename them to train, validation and test, or name "
                "one file as `data.init_args.path` to have it split."
            )
        raise ValueError(
            f"The {split} split is there twice: {shown}, and only one can be meant. Remove or rename the others, or "
            "name another folder as `data.init_args.path`."
        )
    (found,) = sets.values()
    return _in_order(found, where)


def _set_of(name: str) -> tuple[str, ...]:
    """Equal for files that are parts of one table: shards, or all files of one ending in a split's own folder."""
    path = PurePosixPath(name)
    endings = "".join(path.suffixes[-1:]).lower()
    if len(path.parts) > 1 and split_word(path.parts[-2]):
        return (str(path.parent), endings)
    base = stem(name)
    numbered = _OF.search(base) or _NUMBERED.search(base)
    return (str(path.parent), endings, base[: numbered.start()] if numbered else base)


def _in_order(names: Sequence[str], where: str) -> list[str]:
    """Sorts shards by their numbers.

    Raises:
        ValueError: If a number is missing.
    """
    numbers = {name: _number(name) for name in names}
    ordered = sorted(names, key=lambda name: (numbers[name] if numbers[name] is not None else -1, name))
    known = [number for number in numbers.values() if number is not None]
    totals = {int(found.group(2)) for name in names if (found := _OF.search(stem(name)))}
    if not totals and (len(known) < 2 or min(known) > 1):
        return ordered
    first = (1 if max(totals) in known else 0) if totals else min(known)
    wanted = max(totals) if totals else max(known) + 1 - first
    missing = [number for number in range(first, first + wanted) if number not in known]
    if missing or len(totals) > 1:
        raise ValueError(
            f"`{where}` holds {len(names)} of the {wanted} shards of {ordered[0]}: missing "
            f"{', '.join(map(str, missing[:10])) or 'none, but their names count differently'}. Without them records "
            "would be lost without a word. Fetch the others, or rename the files if they are whole."
        )
    return ordered


def _number(name: str) -> int | None:
    found = _OF.search(stem(name)) or _NUMBERED.search(stem(name))
    number = next((group for group in found.groups()[:2] if group), None) if found else None
    return None if number is None else int(number)
