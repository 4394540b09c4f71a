"""The keys of a record or of a turn: which are there, which were read, and which would be lost."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from lightning_quicktune.data.names import LISTS, ROLE_KEYS, STRUCTURES
from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.values import as_text, is_absent, shown, texts_in

# Keys that say something about a record and nothing in it.
_HARMLESS = (
    "id ids idx index uid uuid guid source sources src origin score scores category categories topic topics lang "
    "language locale url uri link title split subset annotator annotators author date time timestamp created updated "
    "dataset dataset_name config task task_name task_type type subject level difficulty domain tag tags keywords "
    "license licence version hash model model_name models generator generation_model generation_models quality rating "
    "ratings file filename filepath path page row line key meta metadata meta_info vectors annotation "
    "lead_time distilabel_metadata tool_choice schemaversion unnamed:_0 session user_agent revision kind subcategory "
    "subtopic sub_topic subtask task_category language_code lang_code dataset_source annotation_approver approver "
    "reviewer labeler subject_name topic_name user_name file_name task_source question_source stop_reason "
    "stop_sequence finish_reason usage"
)
HARMLESS = frozenset(_HARMLESS.split())
_HARMLESS_NAME = re.compile(
    r"_.*|.+_(id|ids|idx|index|hash|url|uri|at|on|date|time|timestamp|score|scores|lang|language|version|model|tokens"
    r"|type|category|topic|fingerprint)"
    r"|(n|num|score|rating)_.+"
)
_NO_CELL = frozenset({"nan", "<NA>"})
_NO_STRUCTURE = frozenset({"[]", "{}", "null", "None"})
_WHOLE = frozenset({"text", "full_text", "formatted", "formatted_text"})  # keys of a record written out as one text


@lru_cache(maxsize=4096)
def canonical(key: Any) -> str:
    """A key as it is compared: without case, blanks as underscores."""
    return "_".join(str(key).strip().lower().replace("-", " ").split())


@lru_cache(maxsize=4096)
def is_harmless(key: str) -> bool:
    """Whether a key, as ``canonical`` gives it, says something about a record and nothing in it."""
    return key in HARMLESS or _HARMLESS_NAME.fullmatch(key) is not None


class Fields:
    """The values of an object by key, each taken by whoever reads it.

    Args:
        raw: The object.
        ignore: Keys, as typed, that are to be left out.
        columns: Key that the object uses, by the key that is known here.
        cells: Whether the values may be cells of a table, in which tools write lists and objects as text.
    """

    def __init__(
        self,
        raw: Mapping[Any, Any],
        ignore: Collection[str] = (),
        columns: Mapping[str, str] | None = None,
        cells: bool = False,
    ) -> None:
        self.ignore = ignore
        self.cells = cells
        self.typed: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.empty: dict[str, Any] = {}
        self.read: set[str] = set()
        self.ignored: set[str] = set()
        names = known_names(raw, columns or {})
        for key, value in raw.items():
            name = names[key]
            self.typed[name] = str(key)
            if key in ignore:
                self.ignored.add(str(key))
            elif is_absent(value) or _is_written_absent(name, value, cells):
                self.empty[name] = value
            else:
                self.values[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def first(self, names: Collection[str]) -> str | None:
        """The first of these names that is there."""
        return next((name for name in names if name in self.values), None)

    def take(self, name: str) -> Any:
        """A value, which counts as read then; none if it isn't there."""
        if name not in self.values:
            return None
        self.read.add(name)
        return self.values[name]

    def drop(self, name: str) -> None:
        """Leaves a value out that says nothing of the content."""
        if name in self.values:
            self.ignored.add(self.typed[name])
            self.read.discard(name)
            del self.values[name]

    def put(self, name: str, value: Any) -> None:
        """Adds a value that was found elsewhere in the record."""
        self.typed.setdefault(name, name)
        self.values[name] = value

    def rename(self, name: str, to: str) -> None:
        """Gives a value another name; messages keep the typed one."""
        self.values[to] = self.values.pop(name)
        self.typed[to] = self.typed[name]

    def text(self, name: str) -> str:
        """A required text.

        Raises:
            BadRecordError: If it isn't there, or isn't a text.
        """
        typed = self.typed.get(name, name)
        if name in self.values:
            return as_text(self.take(name), typed, self.cells)
        if name not in self.empty:
            raise BadRecordError(f"no `{typed}`")
        value = self.empty[name]
        if is_absent(value):
            what = "empty" if isinstance(value, str) else f"{shown(value)}, not a text"
        else:
            what = f"{shown(value)}, which is written where there is no value"
        raise BadRecordError(f"`{typed}` is {what}")

    def optional_text(self, name: str) -> str:
        """A text, empty where it isn't there."""
        return self.text(name) if name in self.values else ""

    def check_unread(self, where: str = "") -> None:
        """Refuses text that nobody read, and counts the rest as ignored.

        A copy of what was read loses nothing: the same text under another key, or all of it written out as one text.

        Args:
            where: What error messages put before the key.

        Raises:
            BadRecordError: If a text would be lost.
        """
        unread = [name for name in self.values if name not in self.read]
        if not unread:
            return
        self.ignored |= {self.typed[name] for name in unread}
        known = {text for name in self.read for text in texts_in(self.values[name])}
        lost = [
            name for name in unread if not is_harmless(canonical(self.typed[name])) and not self._is_copy(name, known)
        ]
        if not lost:
            return
        keys = ", ".join(f"`{self.typed[name]}`" for name in lost)
        raise BadRecordError(
            f"{where}{keys} would not be read ({shown(self.values[lost[0]])}), and what it says would be lost: map a "
            "known key to it by `data.init_args.reading.columns`, or leave it out by "
            f"`data.init_args.reading.ignore: [{', '.join(self.typed[name] for name in lost)}]`"
        )

    def _is_copy(self, name: str, known: Collection[str]) -> bool:
        value = self.values[name]
        if name in LISTS and isinstance(value, list):  # who speaks is said in several ways
            value = [_without_role(entry) for entry in value]
        whole = name in _WHOLE and isinstance(value, str) and bool(known)
        return all(text in known for text in texts_in(value)) or (whole and all(text in value for text in known))


def _is_written_absent(name: str, value: Any, cells: bool) -> bool:
    """Whether a text stands for nothing: as pandas writes it into a table, or as JSON does in place of a structure."""
    if not isinstance(value, str) or len(value) > 6:
        return False
    return (cells and value.strip() in _NO_CELL) or (name in STRUCTURES and value.strip() in _NO_STRUCTURE)


def _without_role(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {key: value for key, value in entry.items() if canonical(key) not in ROLE_KEYS}


def known_names(raw: Mapping[Any, Any], columns: Mapping[str, str]) -> dict[Any, str]:
    """The name of each key that is known here; as typed where two of an object's keys would have the same.

    Args:
        raw: The object.
        columns: Key that the object uses, by the key that is known here.
    """
    names = {key: str(key) if str(key) in columns else canonical(key) for key in raw}
    if columns:
        chosen = {_column(raw, theirs): ours for ours, theirs in columns.items()}
        names = {key: f"{key} (not mapped)" if name in columns else name for key, name in names.items()}
        names |= {key: ours for key, ours in chosen.items() if key is not None}
    if len(set(names.values())) == len(names):
        return names
    present = [names[key] for key in raw if not is_absent(raw[key])]
    return {
        key: name if str(key) == name or present.count(name) <= (not is_absent(raw[key])) else f"{key} (as typed)"
        for key, name in names.items()
    }


def _column(raw: Mapping[Any, Any], theirs: str) -> Any:
    """The key that a person means by a name."""
    if theirs in raw:
        return theirs
    alike = [key for key in raw if canonical(key) == canonical(theirs)]
    return alike[0] if len(alike) == 1 else None
