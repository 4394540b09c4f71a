"""The data of one task as Lightning wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.collate import EvaluationCollator, PromptCollator, TrainingCollator, TrainingDataset
from lightning_quicktune.data.loading import LoadedTask, TokenSettings, load_task
from lightning_quicktune.data.records import Record
from lightning_quicktune.data.sampler import SliceBatchSampler, StepShape
from lightning_quicktune.data.seeding import global_seed
from lightning_quicktune.data.splits import ReadingSettings, SplitName
from lightning_quicktune.data.template import Template
from lightning_quicktune.data.tokens import TokenRecord
from lightning_quicktune.types import Value


def _check_positive(key: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(
            f"`data.init_args.{key}` is {value}, but it counts records or tokens, and fewer than 1 leaves nothing to "
            "train on or to score. Raise it."
        )


@dataclass(frozen=True)
class EvaluationSettings:
    """How much of validation and test is used.

    Args:
        batch_size: Records per device and batch.
        max_eval_records: Most records of a split that are scored, evenly spaced; all if left out.
        max_generation_records: Most records of a split that answers are generated for, evenly spaced; all if left out.
    """

    batch_size: int = 16
    max_eval_records: int | None = None
    max_generation_records: int | None = 100

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_eval_records", "max_generation_records"):
            _check_positive(f"evaluation.{name}", getattr(self, name))


class TaskData(LightningDataModule):
    """Questions and answers from text files, as batches of tokens.

    One Lightning epoch trains on one slice. Needs ``trainer.use_distributed_sampler: false``: the batches are dealt to
    devices here.

    Args:
        path: A folder with train, validation and test files (.jsonl, .json, .csv, .parquet), one file that is split by
            a seed, or the id of a public dataset.
        batch_size: Records per device and micro-batch; an optimizer step has ``trainer.accumulate_grad_batches`` times
            ``trainer.devices`` as many.
        records_per_slice: Training records of one slice; the whole training split if left out.
        max_length: Most tokens that a record may have, question and answer together.
        template: ``chat`` for the chat template of the base model's tokenizer; ``plain`` for question, line break,
            answer.
        on_long_prompt: ``error`` counts the records that are too long; ``drop`` leaves them out.
        reading: How files become records.
        evaluation: How much of validation and test is used.
    """

    def __init__(
        self,
        path: str,
        batch_size: int = 8,
        records_per_slice: int | None = None,
        max_length: int = 2048,
        template: Template = "chat",
        on_long_prompt: Literal["error", "drop"] = "error",
        reading: ReadingSettings = ReadingSettings(),
        evaluation: EvaluationSettings = EvaluationSettings(),
    ) -> None:
        super().__init__()
        _check_positive("batch_size", batch_size)
        _check_positive("records_per_slice", records_per_slice)
        _check_positive("max_length", max_length)
        self.path = path
        self.batch_size = batch_size
        self.records_per_slice = records_per_slice
        self.token_settings = TokenSettings(template, max_length, on_long_prompt)
        self.reading = reading
        self.evaluation = evaluation
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self._loaded: LoadedTask | None = None

    def attach_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Sets the tokenizer where no trainer brings one; records read with another one are forgotten."""
        self._tokenizer = tokenizer
        self._loaded = None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The attached tokenizer, or that of the model that is being trained.

        Raises:
            RuntimeError: If there is neither.
        """
        module = getattr(self.trainer, "lightning_module", None)
        if self._tokenizer is None and module is not None:
            self._tokenizer = getattr(module, "tokenizer", None)
        if self._tokenizer is None:
            raise RuntimeError(
                f"There is no tokenizer for the records of `{self.path}`: no trainer with a model that has one, and "
                "none attached. Call `attach_tokenizer` before `setup`, or set `model.class_path` to a finetuner."
            )
        return self._tokenizer

    def setup(self, stage: str | None = None) -> None:
        """Reads and tokenizes all splits, once per process."""
        if self._loaded is None:
            self._loaded = load_task(self.path, self.reading, self.token_settings, self.tokenizer)

    def train_dataloader(self) -> DataLoader[Any]:
        """Micro-batches of the training split, slice by slice; the seed is the one that is set now."""
        tokens = self.tokens("train")
        rank, world_size = self._place()
        accumulate = self.trainer.accumulate_grad_batches if self.trainer is not None else 1
        sampler = SliceBatchSampler(
            lengths=[record.n_tokens for record in tokens],
            targets=[record.n_targets for record in tokens],
            records_per_slice=self.records_per_slice or len(tokens),
            shape=StepShape(self.batch_size, accumulate, world_size, rank),
            seed=global_seed(),
        )
        return _loader(TrainingDataset(tokens), TrainingCollator(self._pad_id), batch_sampler=sampler)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the validation split."""
        return self.evaluation_dataloader("validation")

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches of the test split."""
        return self.evaluation_dataloader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Prompts of the whole test split, in the order of the file."""
        own = self._dealt(self._chosen("test", None))
        return _loader(own, PromptCollator(self._pad_id), batch_size=self.evaluation.batch_size)

    def evaluation_dataloader(self, split: SplitName) -> DataLoader[Any]:
        """Batches of at most ``max_eval_records`` records, from short to long; each record on one rank."""
        chosen = self._chosen(split, self.evaluation.max_eval_records)
        own = self._dealt(sorted(chosen, key=lambda pair: pair[0].n_tokens))
        return _loader(own, EvaluationCollator(self._pad_id), batch_size=self.evaluation.batch_size)

    def prompt_dataloader(self, split: SplitName, limit: int | None = None) -> DataLoader[Any]:
        """Prompts to generate answers for, from short to long; each on one rank.

        Args:
            split: Which split.
            limit: Most records, evenly spaced; ``max_generation_records`` if left out.
        """
        chosen = self._chosen(split, self.evaluation.max_generation_records if limit is None else limit)
        own = self._dealt(sorted(chosen, key=lambda pair: pair[0].prompt_length))
        return _loader(own, PromptCollator(self._pad_id), batch_size=self.evaluation.batch_size)

    def records(self, split: SplitName) -> tuple[Record, ...]:
        """Records of a split, in the order of ``tokens``."""
        return self._task().splits[split].records

    def tokens(self, split: SplitName) -> tuple[TokenRecord, ...]:
        """Token records of a split."""
        return self._task().splits[split].tokens

    def describe(self) -> dict[str, Value]:
        """What a person wants to know of the task: sizes, lengths in tokens, and what was left out."""
        task = self._task()
        facts: dict[str, Value] = {
            "path": self.path,
            "content_digest": task.digest[:12],
            "n_skipped": task.n_skipped,
            "n_duplicates": task.n_duplicates,
        }
        for name, split in task.splits.items():
            lengths = [record.n_tokens for record in split.tokens]
            facts |= {
                f"{name}_records": len(split.tokens),
                f"{name}_too_long": split.n_long,
                f"{name}_tokens_median": float(np.median(lengths)),
                f"{name}_tokens_max": max(lengths),
                f"{name}_targets": sum(record.n_targets for record in split.tokens),
            }
        return facts

    def _task(self) -> LoadedTask:
        if self._loaded is None:
            raise RuntimeError(
                f"The records of `{self.path}` are not read yet, so there is nothing to give. Call `setup` first."
            )
        return self._loaded

    @property
    def _pad_id(self) -> int:
        """Any id will do, since padding is masked by position."""
        known = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0)
        return next(int(token) for token in known if token is not None)

    def _place(self) -> tuple[int, int]:
        """This process's rank, and how many there are.

        Raises:
            ValueError: If Lightning would deal the batches a second time.
        """
        if self.trainer is None:
            return 0, 1
        if self.trainer.world_size > 1 and self.trainer._accelerator_connector.use_distributed_sampler:
            raise ValueError(
                f"`trainer.use_distributed_sampler` is true on {self.trainer.world_size} devices, but TaskData deals "
                "records to devices itself, and doing so twice would leave most of them out. Set "
                "`trainer.use_distributed_sampler: false`."
            )
        return self.trainer.global_rank, self.trainer.world_size

    def _chosen(self, split: SplitName, limit: int | None) -> list[tuple[TokenRecord, int]]:
        """Records with their indices; at most ``limit``, evenly spaced, so always the same ones."""
        tokens = self.tokens(split)
        n_chosen = len(tokens) if limit is None else min(limit, len(tokens))
        return [(tokens[i * len(tokens) // n_chosen], i * len(tokens) // n_chosen) for i in range(n_chosen)]

    def _dealt(self, pairs: list[tuple[TokenRecord, int]]) -> list[tuple[TokenRecord, int]]:
        rank, world_size = self._place()
        return pairs[rank::world_size]


def _loader(dataset: Sequence[Any] | TrainingDataset, collator: Any, **batching: Any) -> DataLoader[Any]:
    """A loader that leaves the global random generator alone, which ``DataLoader`` otherwise draws from."""
    return DataLoader(dataset, collate_fn=collator, generator=torch.Generator(), **batching)  # type: ignore[arg-type]
