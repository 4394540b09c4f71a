"""The LightningModules that finetune: an adapter on a frozen base model, trained on answer tokens only."""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import AdamW

from lightning_quicktune.data.chat_template_file import with_chat_template
from lightning_quicktune.data.seeding import global_seed, seed_slice
from lightning_quicktune.data.tokens import Layout
from lightning_quicktune.finetune.base_model import (
    BaseModel,
    BaseModelSettings,
    check_layout,
    check_precision,
    keeps_packed_apart,
    load_base_model,
    load_tokenizer,
    positions_of,
)
from lightning_quicktune.finetune.generation import check_room, generate_answers
from lightning_quicktune.finetune.identity import count_weights
from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter
from lightning_quicktune.finetune.loss import next_token_loss, target_logits
from lightning_quicktune.finetune.neftune import embedding_noise
from lightning_quicktune.finetune.noise import RecordNoise
from lightning_quicktune.finetune.optimizers import OptimizerFactory, build_optimizer
from lightning_quicktune.finetune.resuming import (
    check_base_model,
    check_same_fit,
    check_slice_end,
    check_weights,
    fit_state,
)
from lightning_quicktune.finetune.schedule import ScheduleSettings
from lightning_quicktune.finetune.scoring import ScoreSettings, further_totals, likelihood_metrics, mean_over_ranks
from lightning_quicktune.finetune.text_metrics import GENERATION_METRICS


class DivergedError(RuntimeError):
    """The loss is no longer a finite number; the trial can't go on."""


class Finetuner(LightningModule, ABC):
    """Finetunes an adapter on a frozen language model, on answer tokens only.

    Args:
        base_model: The frozen weights.
        lora: The adapter.
        optimizer: Builds the optimizer from the trainable parameters.
        schedule: How the learning rate moves over the full training (``trainer.max_epochs``).
        label_smoothing: Probability spread over the vocabulary in training, in [0, 1).
        neftune_alpha: Size of the noise on embeddings in training; 0 for none.
        lora_plus_ratio: Learning rate of the adapter's B matrices over that of the others, above 0.
        score: What validation and test measure.

    Batch:
        input_ids: Token ids, int64, shape ``(B, T)``, right-padded (decoder-only models: left-padded in ``predict``).
        attention_mask: 1 where a token is, int64, shape ``(B, T)``; absent from packed batches.
        position_ids: Only in packed batches: int64, shape ``(B, T)``, from 0 in each record.
        labels: Token ids, int64, shape ``(B, T)``, or of the answers alone ``(B, K)`` for encoder-decoders;
            ``IGNORE_INDEX`` where no loss is taken.
        step_targets: Target tokens of the whole optimizer step, over micro-batches and ranks, int64 scalar.
        noise_keys: What the dropout and noise of each record depend on, int32, shape ``(B,)``, or ``(B, T)`` in packed
            batches; may be absent.
    """

    layout: ClassVar[Layout]

    def __init__(
        self,
        base_model: BaseModelSettings,
        lora: LoraSettings = LoraSettings(),
        optimizer: OptimizerFactory = AdamW,
        schedule: ScheduleSettings = ScheduleSettings(),
        label_smoothing: float = 0.0,
        neftune_alpha: float = 0.0,
        lora_plus_ratio: float = 1.0,
        score: ScoreSettings = ScoreSettings(),
    ) -> None:
        super().__init__()
        _check_range("label_smoothing", label_smoothing, 0 <= label_smoothing < 1, "a probability in [0, 1)")
        _check_range("neftune_alpha", neftune_alpha, neftune_alpha >= 0, "the size of a noise, 0 for none")
        _check_range("lora_plus_ratio", lora_plus_ratio, lora_plus_ratio > 0, "a ratio above 0, 1 for plain LoRA")
        self.base_model = base_model
        self.lora = lora
        self.optimizer_factory = optimizer
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.neftune_alpha = neftune_alpha
        self.lora_plus_ratio = lora_plus_ratio
        self.score = score
        self.strict_loading = False  # checkpoints hold trainable weights only; on_load_checkpoint compares the keys
        self.model: Any = None
        self._loaded: BaseModel | None = None
        self._chat_template: str | None = None
        self._sums = (0.0, 0)

    @property
    def tokenizer(self) -> Any:
        """The base model's tokenizer, with the chat template that is used; loads no weights."""
        return with_chat_template(load_tokenizer(self.base_model), self._chat_template)

    def use_chat_template(self, text: str | None) -> None:
        """Takes a chat template in the place of the tokenizer's own, for generation and export.

        Args:
            text: The template, or none for the tokenizer's own.
        """
        self._chat_template = text

    @property
    def positions(self) -> int | None:
        """Most tokens that the base model reads in one row, or none if there is no limit; loads no weights."""
        return positions_of(self.base_model)

    @property
    def keeps_packed_apart(self) -> bool:
        """Whether packed records are known not to see each other in the base model; loads no weights."""
        return keeps_packed_apart(self.base_model)

    @property
    def loaded(self) -> BaseModel:
        """The base model, which trials of one worker share."""
        if self._loaded is None:
            loaded = load_base_model(self.base_model)
            check_layout(loaded, self.layout)
            self._loaded = loaded
        return self._loaded

    def configure_model(self) -> None:
        """Loads the weights here, not in ``__init__``, so that configs can be checked without them."""
        if self.model is None:
            if self._trainer is not None:
                check_precision(self._trainer.precision)
            seed_slice(global_seed(), 0)
            self.model = attach_adapter(self.loaded, self.lora, self.base_model.gradient_checkpointing)
            self.model.train()

    def release(self) -> None:
        """Takes the adapter off the shared base model; the module can't be used afterwards."""
        if self.model is not None:
            detach_adapter(self.model)
            self.model = None

    @property
    def fit_metrics(self) -> frozenset[str]:
        """What callbacks and loggers are told in ``fit``; the training loss only where there is a logger."""
        validation = ("loss", "answer_likelihood", *(GENERATION_METRICS if self.score.generates else ()))
        names = {"score", *(f"val/{name}" for name in (*validation, self.score.name))}
        return frozenset(names | ({"train/loss"} if self._trainer is not None and self._trainer.loggers else set()))

    def trainable_share(self) -> float:
        """Share of all weights that are trained, in [0, 1]."""
        trainable = sum(p.numel() for p in self.parameters() if p.requires_grad)
        return trainable / count_weights(self)

    def on_fit_start(self) -> None:
        """Checks that answers will have room, if the score generates them, and says how much is adapted and trained."""
        if self.score.generates:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            check_room(self.loaded.model.config, data.prompt_dataloader("validation"), self.score.max_new_tokens)
        rank_zero_info(
            f"The adapter is on {self.model.before_adapter.share:.1%} of the weights of `{self.loaded.name}`, and "
            f"{self.trainable_share():.2%} of all weights are trained."
        )
        if self.logger is not None:
            self.logger.log_metrics({"trainable_share": self.trainable_share()}, step=0)

    def on_train_epoch_start(self) -> None:
        """Starts a slice: its randomness depends on seed and slice alone, so a resumed trial is the same."""
        seed_slice(global_seed(), self.current_epoch + 1)
        self.model.train()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Returns this micro-batch's share of the mean loss per target token of the whole step, in nats.

        Lightning averages over micro-batches and DDP over ranks, which would weight tokens of short batches more; the
        factor undoes both.
        """
        self.model.noise_source.noise = noise = RecordNoise.of(batch)
        with embedding_noise(self.model, batch, self.neftune_alpha, noise):
            targets = target_logits(self.model, batch)
        loss_sum, n_targets = next_token_loss(targets.logits, targets.labels, self.label_smoothing)
        if not torch.isfinite(loss_sum):
            raise DivergedError(
                f"The training loss is {loss_sum.item()} at step {self.global_step}. Lower the learning rate "
                "(`model.init_args.optimizer.init_args.lr`) or clip gradients (`trainer.gradient_clip_val`)."
            )
        if not batch["step_targets"] > 0:
            raise ValueError(
                f"All targets of step {self.global_step} are masked, so it would train nothing at a loss of 0. Each "
                "answer has at least its end-of-turn token as target: mend the labels of the data module, or set "
                "`data.class_path` to TaskData."
            )
        if self.trainer.loggers:
            self.log("train/loss", loss_sum.detach() / n_targets.clamp_min(1), batch_size=max(int(n_targets), 1))
        parts = self.trainer.accumulate_grad_batches * self.trainer.world_size
        loss: Tensor = loss_sum / batch["step_targets"] * parts
        return loss

    def on_validation_epoch_start(self) -> None:
        """Starts the sums of a split."""
        self._sums = (0.0, 0)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Adds up the loss of the targets, without label smoothing or dropout."""
        targets = target_logits(self.model, batch)
        loss_sum, n_targets = next_token_loss(targets.logits, targets.labels)
        self._sums = (self._sums[0] + loss_sum.item(), self._sums[1] + int(n_targets))

    def on_validation_epoch_end(self) -> None:
        """Logs loss, answer likelihood and the score of the validation split."""
        metrics = self._split_metrics("validation", generate=self.score.generates)
        if not math.isfinite(metrics["loss"]) and not self.trainer.sanity_checking:
            raise DivergedError(
                f"The validation loss is {metrics['loss']}. Lower the learning rate "
                "(`model.init_args.optimizer.init_args.lr`)."
            )
        self.log_dict({f"val/{name}": value for name, value in metrics.items()})
        self.log("score", metrics[self.score.name], prog_bar=True)

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def on_test_epoch_end(self) -> None:
        """Logs loss, likelihood and generation metrics of the test split."""
        self.log_dict({f"test/{k}": v for k, v in self._split_metrics("test", generate=True).items()})

    def _split_metrics(self, split: str, generate: bool) -> dict[str, float]:
        """Metrics of one split over all ranks."""
        metrics = likelihood_metrics(mean_over_ranks({"loss": self._sums}, self.device)["loss"])
        if self.trainer.sanity_checking:
            return {self.score.name: 0.0, **metrics}
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        with self.trainer.precision_plugin.val_step_context():  # as the likelihood is measured
            totals = further_totals(self.model, self.tokenizer, data, split, self.score, generate)
        return metrics | mean_over_ranks(totals, self.device)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[dict[str, str]]:
        """Generates an answer to each prompt of the batch: its prompt, reference and generated text."""
        return [asdict(a) for a in generate_answers(self.model, self.tokenizer, batch, self.score.max_new_tokens)]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimizes the adapter's weights; the schedule spans the full training."""
        optimizer = build_optimizer(self, self.optimizer_factory, self.lora_plus_ratio)
        scheduler = self.schedule.build(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Leaves out frozen weights: the base model is named in the config, not copied per trial."""
        trained = {name for name, p in self.named_parameters(remove_duplicate=False) if p.requires_grad}
        return {k: v for k, v in super().state_dict(*args, **kwargs).items() if k in trained}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Notes which base model the adapter belongs to, and what else changed the weights."""
        checkpoint["base_model"] = {"name": self.loaded.name, "weight_hash": self.loaded.info.weight_hash}
        if self._trainer is not None:
            checkpoint["fit"] = fit_state(self, self._trainer)
            checkpoint["slice_batches"] = self._trainer.num_training_batches

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses an adapter of another base model or shape and, in ``fit``, of other settings or the midst of a slice.

        Raises:
            ValueError: If the checkpoint doesn't fit.
        """
        self.configure_model()
        check_base_model(checkpoint.get("base_model"), self.loaded)
        own, saved = self.state_dict(), checkpoint["state_dict"]
        check_weights({k: tuple(v.shape) for k, v in own.items()}, {k: tuple(v.shape) for k, v in saved.items()})
        if self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            check_same_fit(checkpoint.get("fit"), fit_state(self, self.trainer))
            check_slice_end(checkpoint)


def _check_range(key: str, value: float, fits: bool, meaning: str) -> None:
    if not fits:
        raise ValueError(
            f"`model.init_args.{key}` is {value}, but it is {meaning}. Set `model.init_args.{key}` to such a value."
        )


class CausalLMFinetuner(Finetuner):
    """Finetunes an adapter on a frozen causal language model, such as Phi-3: question and answer are one sequence."""

    layout: ClassVar[Layout] = "decoder"


class Seq2SeqFinetuner(Finetuner):
    """Finetunes an adapter on a frozen encoder-decoder, such as T5: it reads the question and writes the answer."""

    layout: ClassVar[Layout] = "encoder_decoder"
