"""Answers people with a finetuned model, whose prompts are written as its training records were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_quicktune.data.collate import PromptCollator
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.encode import Encoder
from lightning_quicktune.data.turns import Record, Turn
from lightning_quicktune.finetune.base_model import load_base_model
from lightning_quicktune.finetune.export import load_adapter
from lightning_quicktune.finetune.finetuner import Finetuner
from lightning_quicktune.finetune.generation import generate_answers

_WEIGHTS = ("adapter_model.safetensors", "adapter_config.json")


class Speaker:
    """A model that answers one question at a time, greedily.

    Args:
        module: The finetuner; its adapter is that of the checkpoint or the folder, or none.
        data: How prompts are written; no record is read.
        checkpoint: A Lightning checkpoint of the adapter.
        adapter: A folder with the adapter, as peft reads it.
        max_new_tokens: Most tokens of an answer; as many as the recipe says if left out.

    Raises:
        FileNotFoundError: If the base model or the adapter isn't there.
        ValueError: If they don't fit each other.
    """

    def __init__(
        self,
        module: Finetuner,
        data: TaskData,
        *,
        checkpoint: str | None = None,
        adapter: Path | None = None,
        max_new_tokens: int | None = None,
    ) -> None:
        settings = data.token_settings
        self._tokenizer = module.tokenizer
        self._encoder = Encoder(self._tokenizer, settings.template, settings.layout)
        self._collator = PromptCollator(data.pad_id, settings.layout)
        self._max_new_tokens = max_new_tokens or module.score.max_new_tokens
        load_base_model.cache_clear()  # one of its own: the adapter stays on it
        try:
            self._model = _with_adapter(module, checkpoint, adapter)
        finally:
            load_base_model.cache_clear()

    def answer(self, turns: Sequence[Turn]) -> str:
        """What the model says next.

        Args:
            turns: What was said so far; the last turn is the user's.

        Raises:
            ValueError: If the template can't write the turns, or they leave too few positions for an answer.
        """
        (tokens,) = self._encoder.encode(Record(tuple(turns), "prompt", 1))
        (answer,) = generate_answers(self._model, self._tokenizer, self._collator([(tokens, 0)]), self._max_new_tokens)
        return answer.generated


def _with_adapter(module: Finetuner, checkpoint: str | None, folder: Path | None) -> Any:
    from peft import PeftModel

    if checkpoint is not None:
        load_adapter(module, checkpoint)
        return module.model
    if folder is None:
        return module.loaded.model

    missing = [name for name in _WEIGHTS if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"The adapter in {folder} is not whole: it lacks {' and '.join(missing)}. Give the folder of a search that "
            "has ended, or start the same `tune` again to end it."
        )
    try:
        return PeftModel.from_pretrained(module.loaded.model, str(folder)).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(
            f"The adapter in {folder} can't be put on `{module.loaded.name}`: {' '.join(str(error).split())} Give the "
            "folder with the adapter that its `fit.yaml` describes."
        ) from error
