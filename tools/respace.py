#!/usr/bin/env python
"""Takes shipped tables and parts over into the search space of now, where every trial means the same in it.

After bounds of `configs/space/lora.yaml` are widened: parts keep the space that they were drawn from, and `collect`
refuses another one; tables are encoded by theirs. Nothing is tried in what is new. Surrogates are then learned anew by
`tools/make_shipped`.

Usage: tools/respace.py tools/collections lightning_quicktune/assets/meta_datasets
"""

from __future__ import annotations

import sys
from pathlib import Path

from lightning_quicktune.collection.collect import COLLECTION
from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.metadataset.folder import INDEX, SPACE, load
from lightning_quicktune.metadataset.table import configurations_of
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration

ROOT = Path(__file__).resolve().parents[1]
LORA = ROOT / "configs" / "space" / "lora.yaml"


def respace(folder: Path, space: SearchSpace) -> list[str]:
    """Takes one folder over.

    Args:
        folder: A meta-dataset, or the parts of a collection.
        space: The search space of now.

    Returns:
        What has changed, in words.

    Raises:
        SystemExit: If a trial's configuration isn't in the space, or the folder holds neither.
    """
    if (folder / INDEX).is_file():
        table = load(folder)
        old, configurations = table.space, list(configurations_of(table.trials, table.space.names).values())
        path, content = folder / SPACE, space.to_dict()
    elif collection := read_json(folder / COLLECTION):
        old = SearchSpace.from_dict(collection["space"])
        configurations = [kept.trial.configuration for kept in Parts(folder).read()]
        path, content = folder / COLLECTION, {**collection, "space": space.to_dict()}
    else:
        raise SystemExit(f"tools/respace.py: {folder} holds neither a meta-dataset nor parts of a collection.")
    _check(folder, configurations, space)
    changes = old.differences(space)
    if changes:
        write_json(path, content)
    return changes


def _check(folder: Path, configurations: list[Configuration], space: SearchSpace) -> None:
    for configuration in configurations:
        try:
            space.check(configuration)
        except ValueError as error:
            raise SystemExit(f"tools/respace.py: {folder} has trials that are not in {LORA.name}. {error}") from error


def main(args: list[str]) -> None:
    """Takes all folders in some folders over."""
    if not args:
        raise SystemExit((__doc__ or "").strip())
    space = SearchSpace.from_yaml(LORA)
    for folder in sorted(path for arg in args for path in Path(arg).iterdir() if path.is_dir()):
        changes = respace(folder, space)
        sys.stdout.write(f"{folder}: {'; '.join(changes) or 'as it was'}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
