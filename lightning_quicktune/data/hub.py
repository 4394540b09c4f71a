"""Public datasets of the Hugging Face hub, fetched as the files they are."""

from __future__ import annotations

import glob
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from lightning_quicktune.data.arrow_files import table_rows
from lightning_quicktune.data.files import is_readable
from lightning_quicktune.data.folders import CARD, choose_files
from lightning_quicktune.data.rows import Row

_TIMEOUT_S = 10.0  # for an answer
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


def is_hub_id(path: str) -> bool:
    """Whether a path that isn't here has the form of a hub id: ``name`` or ``owner/name``."""
    return (
        _HUB_ID.fullmatch(path) is not None
        and not is_readable(path)
        and ".." not in path
        and "--" not in path
        and not path.endswith((".", "-", ".git"))
        and not ("/" in path and Path(path).parent.is_dir())
    )


@lru_cache(maxsize=16)
def fetch(hub_id: str, subset: str | None) -> Path | None:
    """Fetches the files of a public dataset that hold its records.

    Args:
        hub_id: Its id.
        subset: Which of several datasets in it is meant, if one was named.

    Returns:
        A folder with these files and the card, or none if no file of it can be read as it is.

    Raises:
        FileNotFoundError: If there is no such dataset, or it can't be reached, or it has no training records.
        ValueError: If it can't be told which files are meant, or only a script could load it.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        info = HfApi().dataset_info(hub_id, timeout=_TIMEOUT_S)
    except Exception as error:  # the hub's client raises many kinds
        return _fetched_before(hub_id, error)
    names = [sibling.rfilename for sibling in info.siblings or ()]
    if not any(map(is_readable, names)):
        _refuse_script(hub_id, names)
        return None
    try:
        card = _download(snapshot_download, hub_id, info.sha, [CARD]) / CARD if CARD in names else None
        text = card.read_text("utf-8", errors="replace") if card is not None else None
        chosen = choose_files(names, text, subset, hub_id)
        wanted = [name for files in chosen.values() for name in files]
        states = {str(Path(name).parent / "state.json") for name in wanted if name.endswith(".arrow")} & set(names)
        return _download(snapshot_download, hub_id, info.sha, [*wanted, *states, *([CARD] if card else [])])
    except (ValueError, FileNotFoundError):
        raise
    except Exception as error:
        raise FileNotFoundError(_unreachable(hub_id, error)) from error


def load_rows(hub_id: str, subset: str | None) -> dict[str, list[Row]]:
    """Rows of a dataset whose files only ``datasets`` can read, by its own splits.

    Raises:
        FileNotFoundError: If it can't.
    """
    from datasets import load_dataset

    try:
        loaded = load_dataset(hub_id, subset)
    except Exception as error:  # the hub's client raises many kinds
        raise FileNotFoundError(_unreachable(hub_id, error)) from error
    return {str(name): _rows(f"{hub_id}/{name}", part) for name, part in loaded.items()}


def _rows(name: str, part: Any) -> list[Row]:
    table = part.with_format("arrow")[:]
    return table_rows(name, table.replace_schema_metadata(part.features.arrow_schema.metadata), iter(()))


def _download(snapshot_download: Any, hub_id: str, revision: str | None, names: list[str]) -> Path:
    patterns = [glob.escape(name) for name in names]
    return Path(snapshot_download(hub_id, repo_type="dataset", revision=revision, allow_patterns=patterns))


def _fetched_before(hub_id: str, error: Exception) -> Path:
    """What an earlier call has fetched, where the hub can't be asked now."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, repo_type="dataset", local_files_only=True))
    except Exception:
        raise FileNotFoundError(_unreachable(hub_id, error)) from error


def _refuse_script(hub_id: str, names: list[str]) -> None:
    if f"{hub_id.split('/')[-1]}.py" in names:
        raise ValueError(
            f"The public dataset `{hub_id}` is loaded by a script of its own, which could run any code and isn't run. "
            "Save it as a folder with train, validation and test files, and name that as `data.init_args.path`."
        )


def _unreachable(hub_id: str, error: Exception) -> str:
    return (
        f"`{hub_id}` is neither a folder nor a file in `{Path.cwd()}`, and could not be loaded as a public dataset "
        f"either ({type(error).__name__}: {error}). Correct `data.init_args.path`, or download the dataset as files."
    )
