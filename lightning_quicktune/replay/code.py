"""The code that stored replays and lessons were made by: only what they used counts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lightning_quicktune.replay.closure import Closure, closure
from lightning_quicktune.search.names import SearcherName

if TYPE_CHECKING:
    from lightning_quicktune.replay.methods import Lesson, Method

_PACKAGE = Path(__file__).parents[1]
_REPLAYING = ("replay/workplace.py",)
_LEARNING = ("replay/lessons.py", "replay/splits.py", "metadataset/folder.py")
# What these say is compared by itself: settings and the table's content in an evaluation's identity, a method below.
_KNOWN_OTHERWISE = (
    "__init__.py",
    "replay/code.py",
    "replay/closure.py",
    "replay/methods.py",
    "replay/settings.py",
    "metadataset/import_table.py",
    "search/names.py",
    "tracking",
)
_CASES = frozenset(
    (
        *get_args(SearcherName),
        *("oracle", "strong", "recommended", "default_first"),
        *("prior", "surrogates", "surrogates_undescribed"),
    )
)
_VERSIONED = {"numpy": "numpy", "scipy": "scipy", "torch": "torch", "gpytorch": "gpytorch", "optuna": "optuna"} | {
    "sklearn": "scikit-learn"
}


def replay_code(method: Method, package: Path = _PACKAGE) -> str:
    """A hash of all that a replay of a method depends on: sources, what the method is, and versions of libraries.

    What only reads finished replays is no part of it, nor is what other methods are made of.

    Args:
        method: The method.
        package: Folder of the package.
    """
    facts = f"{method.key} {method.acquisition} {method.lesson} {method.describes_the_task}"
    return _fingerprint(replay_closure(method, package), facts)


def lesson_code(lesson: Lesson, package: Path = _PACKAGE) -> str:
    """The same of what methods learn from other tasks.

    Args:
        lesson: What is learned.
        package: Folder of the package.
    """
    return _fingerprint(lesson_closure(lesson, package), lesson)


@cache
def replay_closure(method: Method, package: Path = _PACKAGE) -> Closure:
    """The sources that a replay of a method uses.

    Args:
        method: The method.
        package: Folder of the package.
    """
    cases = {method.name, method.head_start} | ({method.lesson} if method.lesson else set())
    return closure(package, _REPLAYING, _CASES, cases, _KNOWN_OTHERWISE)


@cache
def lesson_closure(lesson: Lesson, package: Path = _PACKAGE) -> Closure:
    """The sources that a lesson is learned with.

    Args:
        lesson: What is learned.
        package: Folder of the package.
    """
    return closure(package, _LEARNING, _CASES, {lesson}, _KNOWN_OTHERWISE)


def _fingerprint(used: Closure, facts: str) -> str:
    digest = sha256(f"{facts} {_versions(used.libraries)}".encode())
    for name, source in sorted(used.sources.items()):
        digest.update(f"{name}\0{source}\0".encode())
    return digest.hexdigest()[:12]


def _versions(libraries: Iterable[str]) -> str:
    found = []
    for name in sorted(_VERSIONED[library] for library in libraries if library in _VERSIONED):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)
