"""Where the files of `configs` are: in the installed package, or beside it in a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("lightning_quicktune")))
FOLDER = "configs"


def configs_folder() -> Path:
    """The folder of recipes, search spaces and settings."""
    installed = _PACKAGE / FOLDER
    return installed if installed.is_dir() else _PACKAGE.parent / FOLDER


def brought(word: str) -> str:
    """A word of the command line; one that names a file below ``configs`` is found in any folder.

    Args:
        word: As it was typed, as in ``configs/tune/suite_nano.yaml`` or ``--config=configs/tune/suite_nano.yaml``.
    """
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if not value.startswith(f"{FOLDER}/") or Path(value).exists():
        return word
    found = configs_folder() / value.removeprefix(f"{FOLDER}/")
    return f"{flag}{equals}{found}" if found.is_file() else word


def is_shipped(path: str | Path) -> bool:
    """Whether a file is one of ``configs``.

    Args:
        path: Path of the file.
    """
    return configs_folder().resolve() in Path(path).resolve().parents


def shipped_surrogates() -> tuple[str, ...]:
    """Names of the surrogates that the package brings."""
    return tuple(sorted(path.name for path in (_PACKAGE / "assets" / "surrogates").iterdir() if path.is_dir()))


def shipped_tables() -> tuple[str, ...]:
    """Names of the meta-datasets that the package brings."""
    return tuple(sorted(path.name for path in (_PACKAGE / "assets" / "meta_datasets").iterdir() if path.is_dir()))


def surrogate_folder(name: str, kind: str) -> Path:
    """The folder of a shipped surrogate, which may lack this kind.

    Args:
        name: One of ``shipped_surrogates``.
        kind: ``curves``, ``performance`` or ``cost``.
    """
    return _PACKAGE / "assets" / "surrogates" / name / kind
