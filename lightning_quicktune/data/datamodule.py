"""The LightningDataModule of one task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from lightning_quicktune.data.chat_template_file import read_chat_template, with_chat_template
from lightning_quicktune.data.choices import ChoiceCollator, answer_choices, choice_samples
from lightning_quicktune.data.collate import EvaluationCollator, PromptCollator, TrainingCollator, TrainingDataset
from lightning_quicktune.data.evaluation import EvaluationSettings, check_positive, evenly_spaced
from lightning_quicktune.data.limits import check_answered, check_enough, check_packing, check_positions
from lightning_quicktune.data.loading import LoadedTask, TokenSettings, Unanswered, load_task
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.report import ReadingReport
from lightning_quicktune.data.resume import check_same
from lightning_quicktune.data.sampler import SliceBatchSampler, StepShape
from lightning_quicktune.data.seeding import global_seed
from lightning_quicktune.data.split_names import SPLITS, SplitName
from lightning_quicktune.data.template import Template
from lightning_quicktune.data.tokens import Layout, TokenRecord
from lightning_quicktune.data.turns import Record
from lightning_quicktune.types import Value

# What a stage of Lightning doesn't score may lack answers.
_UNANSWERED: dict[str | None, Unanswered] = {
    "fit": frozenset({"test"}),
    "validate": frozenset({"test"}),
    "predict": frozenset(SPLITS),
}


class TaskData(LightningDataModule):
    """Questions and answers from text files, as batches of tokens.

    One Lightning epoch trains on one slice. Needs ``trainer.use_distributed_sampler: false``: the batches are dealt to
    devices here.

    Args:
        path: A folder with train, validation and test files (JSON Lines, JSON, CSV, TSV, Parquet, Arrow), one file that
            is split by a seed, or the id of a public dataset.
        batch_size: Records per device and micro-batch; an optimizer step has ``trainer.accumulate_grad_batches`` times
            ``trainer.devices`` as many.
        records_per_slice: Training records of one slice; the whole training split if left out.
        max_length: Most tokens that a record may have, question and answer together.
        template: ``chat`` for the chat template of the base model's tokenizer; ``plain`` for question, line break,
            answer.
        packing: Whether the records of a training micro-batch share rows: less padding, same gradient.
        reading: How files become records.
        evaluation: How much of validation and test is used.
        chat_template: File with a chat template (Jinja) to use in the place of the tokenizer's own; what is exported
            has it too.
    """

    def __init__(
        self,
        path: str,
        batch_size: int = 8,
        records_per_slice: int | None = None,
        max_length: int = 2048,
        template: Template = "chat",
        packing: bool = False,
        reading: ReadingSettings = ReadingSettings(),
        evaluation: EvaluationSettings = EvaluationSettings(),
        chat_template: str | None = None,
    ) -> None:
        super().__init__()
        check_positive("batch_size", batch_size)
        check_positive("records_per_slice", records_per_slice)
        check_positive("max_length", max_length)
        self.path = path
        self.batch_size = batch_size
        self.records_per_slice = records_per_slice
        self.token_settings = TokenSettings(template, max_length)
        self.packing = packing
        self.reading = reading
        self.evaluation = evaluation
        self.chat_template = read_chat_template(chat_template, template)
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self._positions: int | None = None
        self._loaded: LoadedTask | None = None
        self._unanswered: Unanswered = frozenset()

    def attach_tokenizer(
        self, tokenizer: PreTrainedTokenizerBase, layout: Layout = "decoder", positions: int | None = None
    ) -> None:
        """Sets what is to read the records where no trainer brings it; records read with others are forgotten.

        Args:
            tokenizer: The base model's tokenizer.
            layout: What the model reads in one row.
            positions: Most tokens of a row, if limited.
        """
        self._tokenizer = tokenizer
        self._positions = positions
        self.token_settings = replace(self.token_settings, layout=layout)
        self._loaded = None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The attached tokenizer, or that of the model in training, with the chat template that is to be used.

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
        return with_chat_template(self._tokenizer, self.chat_template)

    def setup(self, stage: str | None = None) -> None:
        """Reads and tokenizes all splits, once per process; what the stage doesn't score may lack answers.

        Raises:
            ValueError: If records are to be packed for a model that isn't known to keep them apart, or have more tokens
                than it has positions.
        """
        module = getattr(self.trainer, "lightning_module", None)
        layout = getattr(module, "layout", self.token_settings.layout)
        if self.packing:
            check_packing(layout, getattr(module, "keeps_packed_apart", True))
        if module is not None and hasattr(module, "use_chat_template"):
            module.use_chat_template(self.chat_template)
        unanswered = _UNANSWERED.get(stage, frozenset())
        if self._loaded is None or layout != self.token_settings.layout or not self._unanswered <= unanswered:
            self.token_settings = replace(self.token_settings, layout=layout)
            self._loaded = load_task(self.path, self.reading, self.token_settings, self.tokenizer, unanswered)
            self._unanswered = unanswered
        self._positions = getattr(module, "positions", self._positions)
        rows = [row for split in self._loaded.splits.values() for row in split.tokens]
        check_positions(self.path, rows, layout, self._positions)

    def train_dataloader(self) -> DataLoader[Any]:
        """Micro-batches of the training split, slice by slice; the seed is the one that is set now."""
        tokens, shape = self.tokens("train"), self._step_shape()
        n_records = self.records_per_slice or len(tokens)
        sampler = SliceBatchSampler(
            lengths=[record.n_tokens for record in tokens],
            targets=[record.n_targets for record in tokens],
            records_per_slice=n_records,
            shape=shape,
            seed=global_seed(),
        )
        collator = TrainingCollator(self.pad_id, self.token_settings.layout, self.packing)
        return _loader(TrainingDataset(tokens), collator, batch_sampler=sampler)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the validation split."""
        return self.evaluation_dataloader("validation")

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches of the test split."""
        return self.evaluation_dataloader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Prompts of the whole test split, in the order of the file."""
        return self._prompt_loader(self._chosen("test", None), "test", None)

    def evaluation_dataloader(self, split: SplitName) -> DataLoader[Any]:
        """Batches of at most ``max_eval_records`` records, from short to long; each record on one rank."""
        self._check_answered(split)
        chosen = self._chosen(split, self.evaluation.max_eval_records)
        own = self._dealt(sorted(chosen, key=lambda pair: pair[0].n_tokens), split, "max_eval_records")
        collator = EvaluationCollator(self.pad_id, self.token_settings.layout)
        return _loader(own, collator, batch_size=self.evaluation.batch_size)

    def prompt_dataloader(self, split: SplitName, limit: int | None = None) -> DataLoader[Any]:
        """Prompts to generate answers for, from short to long; each on one rank.

        Args:
            split: Which split.
            limit: Most records, evenly spaced; ``max_generation_records`` if left out.
        """
        self._check_answered(split)
        chosen = self._chosen(split, self.evaluation.max_generation_records if limit is None else limit)
        return self._prompt_loader(
            sorted(chosen, key=lambda pair: pair[0].prompt_length), split, "max_generation_records"
        )

    def answer_choices(self) -> tuple[str, ...]:
        """The closed set: all different answers of the training split, sorted."""
        return answer_choices(self._task(), self.evaluation.max_choices)

    def choice_dataloader(self, split: SplitName) -> DataLoader[Any]:
        """Records with each of ``answer_choices`` as their answer, all of a record in one batch and on one rank."""
        self._check_answered(split)
        choices = self.answer_choices()
        chosen = sorted(
            self._chosen(split, self.evaluation.max_generation_records), key=lambda pair: pair[0].prompt_length
        )
        indices = tuple(index for _, index in self._dealt(chosen, split, "max_generation_records"))
        samples = choice_samples(self._task(), split, indices, choices, self.token_settings, self.tokenizer)
        rows = [row for sample in samples for row in sample.rows]
        if rows:
            check_positions(self.path, rows, self.token_settings.layout, self._positions)
        collator = ChoiceCollator(self.pad_id, self.token_settings.layout)
        return _loader(samples, collator, batch_size=max(1, self.evaluation.batch_size // len(choices)))

    def records(self, split: SplitName) -> tuple[Record, ...]:
        """Records of a split, in the order of ``tokens``."""
        return self._task().splits[split].records

    def tokens(self, split: SplitName) -> tuple[TokenRecord, ...]:
        """Token records of a split."""
        return self._task().splits[split].tokens

    def describe(self) -> dict[str, Value]:
        """What a person wants to know of the task: sizes, lengths in tokens, and what was left out."""
        return {"path": self.path, **self._task().facts()}

    @property
    def report(self) -> ReadingReport:
        """What reading the files found."""
        return self._task().report

    def n_unanswered(self, split: SplitName) -> int:
        """Records of a split without an answer, which can be answered but not scored."""
        return self._task().splits[split].n_unanswered

    def long(self, split: SplitName) -> tuple[str, ...]:
        """Records of a split that are left out because they are too long: file, line and tokens."""
        return self._task().splits[split].long

    def state_dict(self) -> dict[str, Value]:
        """What a training that goes on must find unchanged; Lightning keeps it in every checkpoint.

        How a step's records are spread and whether they are packed isn't in it: neither changes what is learned.
        """
        return {
            "step_records": self._step_shape().records,
            "order_seed": global_seed(),
            "records_per_slice": self.records_per_slice or len(self.tokens("train")),
            "template": self.token_settings.template,
            "max_length": self.token_settings.max_length,
            "content_digest": self._task().digest,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compares a checkpoint's data settings with the present ones, if the training is to go on."""
        if self.trainer is None or self.trainer.state.fn == TrainerFn.FITTING:
            check_same(state_dict, self.state_dict())

    def _check_answered(self, split: SplitName) -> None:
        check_answered(self.path, split, self.n_unanswered(split))

    def _task(self) -> LoadedTask:
        if self._loaded is None:
            raise RuntimeError(
                f"The records of `{self.path}` are not read yet, so there is nothing to give. Call `setup` first."
            )
        return self._loaded

    @property
    def pad_id(self) -> int:
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

    def _step_shape(self) -> StepShape:
        accumulate = self.trainer.accumulate_grad_batches if self.trainer is not None else 1
        rank, world_size = self._place()
        return StepShape(self.batch_size, accumulate, world_size, rank)

    def _chosen(self, split: SplitName, limit: int | None) -> list[tuple[TokenRecord, int]]:
        """Records with their indices; at most ``limit``, evenly spaced, so always the same ones."""
        pairs = [(record, index) for index, record in enumerate(self.tokens(split))]
        return pairs if limit is None else list(evenly_spaced(pairs, limit))

    def _prompt_loader(
        self, pairs: list[tuple[TokenRecord, int]], split: SplitName, limit: str | None
    ) -> DataLoader[Any]:
        collator = PromptCollator(self.pad_id, self.token_settings.layout)
        return _loader(self._dealt(pairs, split, limit), collator, batch_size=self.evaluation.batch_size)

    def _dealt(
        self, pairs: list[tuple[TokenRecord, int]], split: SplitName, limit: str | None
    ) -> list[tuple[TokenRecord, int]]:
        """This rank's share of a split's records, of which ``evaluation`` may limit the number."""
        rank, world_size = self._place()
        check_enough(len(pairs), world_size, f"{split} records", limit and f"evaluation.{limit}")
        return pairs[rank::world_size]


def _loader(dataset: Sequence[Any] | TrainingDataset, collator: Any, **batching: Any) -> DataLoader[Any]:
    """A loader that leaves the global random generator alone, which ``DataLoader`` otherwise draws from."""
    return DataLoader(dataset, collate_fn=collator, generator=torch.Generator(), **batching)  # type: ignore[arg-type]
