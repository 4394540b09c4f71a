"""Folders that exports go into: refused where something would be mixed, and written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WEIGHTS = ("adapter_config.json", "config.json", "*.safetensors", "*.safetensors.index.json", "*.bin", "*.gguf")
RECIPES = ("axolotl.yaml", "llamafactory.yaml", "train.jsonl", "train.py")


def check_free(folder: Path, kinds: Sequence[str] = WEIGHTS) -> None:
    """Refuses a folder that holds an adapter, a model or a recipe: files of two would be mixed.

    Args:
        folder: Where something is to be exported to.
        kinds: Patterns of the names that may not be there.

    Raises:
        FileExistsError: If it holds one.
        NotADirectoryError: If it is a file.
    """
    if folder.is_file():
        raise NotADirectoryError(
            f"`output` is {folder}, which is a file, but an export is a folder. Give another name as `--output`."
        )
    there = _found(folder, kinds)
    if there:
        what = "a recipe" if set(there) <= set(RECIPES) else "an adapter or a model"
        raise FileExistsError(
            f"`output` is {folder}, which holds {what} already ({', '.join(there)}), and files of two would be mixed. "
            "Give a new folder as `--output`, or remove this one."
        )


@contextmanager
def whole_folder(folder: Path, kinds: Sequence[str] = WEIGHTS, replace: bool = False) -> Iterator[Path]:
    """A folder beside ``folder`` whose files go there at the end, all of them, unless something fails before.

    Args:
        folder: Where the files are to be.
        kinds: Patterns of the names that may not be there.
        replace: Whether files of such names are replaced.

    Raises:
        FileExistsError: If there are some that may not be replaced.
    """
    if not replace:
        check_free(folder, kinds)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as unfinished:
        yield Path(unfinished)
        folder.mkdir(exist_ok=True)
        for name in _found(folder, kinds):
            (folder / name).unlink()
        for path in sorted(Path(unfinished).iterdir()):
            if path.is_dir() and (folder / path.name).is_dir():
                shutil.rmtree(folder / path.name)
            os.replace(path, folder / path.name)


def _found(folder: Path, kinds: Sequence[str]) -> list[str]:
    return sorted({path.name for pattern in kinds for path in folder.glob(pattern)})
