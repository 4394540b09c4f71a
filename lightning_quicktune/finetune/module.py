"""The LightningModule that finetunes an adapter on a frozen causal language model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import AdamW, Optimizer

from lightning_quicktune.data.seeding import global_seed, seed_slice
from lightning_quicktune.finetune.base_model import BaseModel, BaseModelSettings, load_base_model, load_tokenizer
from lightning_quicktune.finetune.generation import answer_metrics, answers, generate_answers
from lightning_quicktune.finetune.lora import LoraSettings, attach_adapter, detach_adapter
from lightning_quicktune.finetune.loss import next_token_loss, target_logits
from lightning_quicktune.finetune.schedule import ScheduleSettings
from lightning_quicktune.finetune.scoring import ScoreSettings, likelihood_metrics

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]


class DivergedError(RuntimeError):
    """The loss is no longer a finite number; the trial can't go on."""


class CausalLMFinetuner(LightningModule):
    """Finetunes an adapter on a frozen causal language model, on answer tokens only.

    Args:
        base_model: The frozen weights.
        lora: The adapter.
        optimizer: Builds the optimizer from the trainable parameters.
        schedule: How the learning rate moves over the full training (``trainer.max_epochs``).
        label_smoothing: Probability spread over the vocabulary in training, in [0, 1).
        score: What validation and test measure.

    Batch:
        input_ids: Token ids, int64, shape ``(B, T)``, right-padded (left-padded in ``predict``).
        attention_mask: 1 where a token is, int64, shape ``(B, T)``.
        labels: Token ids, int64, shape ``(B, T)``; ``IGNORE_INDEX`` where no loss is taken.
        step_targets: Target tokens of the whole optimizer step, over micro-batches and ranks, int64 scalar.
    """

    def __init__(
        self,
        base_model: BaseModelSettings,
        lora: LoraSettings = LoraSettings(),
        optimizer: OptimizerFactory = AdamW,
        schedule: ScheduleSettings = ScheduleSettings(),
        label_smoothing: float = 0.0,
        score: ScoreSettings = ScoreSettings(),
    ) -> None:
        super().__init__()
        self.base_model = base_model
        self.lora = lora
        self.optimizer_factory = optimizer
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.score = score
        self.strict_loading = False  # checkpoints hold trainable weights only; on_load_checkpoint compares the keys
        self.model: Any = None
        self._loaded: BaseModel | None = None
        self._sums = (0.0, 0)

    @property
    def tokenizer(self) -> Any:
        """The base model's tokenizer; loads no weights."""
        return load_tokenizer(self.base_model)

    @property
    def loaded(self) -> BaseModel:
        """The base model, which trials of one worker share."""
        if self._loaded is None:
            self._loaded = load_base_model(self.base_model)
        return self._loaded

    def configure_model(self) -> None:
        """Loads the weights here, not in ``__init__``, so that configs can be checked without them."""
        if self.model is None:
            seed_slice(global_seed(), 0)
            self.model = attach_adapter(self.loaded, self.lora)
            self.model.train()

    def release(self) -> None:
        """Takes the adapter off the shared base model; the module can't be used afterwards."""
        if self.model is not None:
            detach_adapter(self.model)
            self.model = None

    def trainable_share(self) -> float:
        """Share of all weights that are trained, in [0, 1]."""
        trainable = sum(p.numel() for p in self.parameters() if p.requires_grad)
        return trainable / sum(p.numel() for p in self.parameters())

    def on_fit_start(self) -> None:
        """Logs how much is trained."""
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
        logits, labels = target_logits(self.model, batch)
        loss_sum, n_targets = next_token_loss(logits, labels, self.label_smoothing)
        if not torch.isfinite(loss_sum):
            raise DivergedError(
                f"The training loss is {loss_sum.item()} at step {self.global_step}. Lower the learning rate "
                "(`model.init_args.optimizer.init_args.lr`) or clip gradients (`trainer.gradient_clip_val`)."
            )
        self.log("train/loss", loss_sum.detach() / n_targets.clamp_min(1), batch_size=max(int(n_targets), 1))
        parts = self.trainer.accumulate_grad_batches * self.trainer.world_size
        loss: Tensor = loss_sum / batch["step_targets"] * parts
        return loss

    def on_validation_epoch_start(self) -> None:
        """Starts the sums of a split."""
        self._sums = (0.0, 0)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Adds up the loss of the targets, without label smoothing or dropout."""
        loss_sum, n_targets = next_token_loss(*target_logits(self.model, batch))
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
        metrics = likelihood_metrics(*self._over_ranks(*self._sums))
        if generate and not self.trainer.sanity_checking:
            loader = self.trainer.datamodule.prompt_dataloader(split)  # type: ignore[attr-defined]
            sums = answer_metrics(answers(self.model, self.tokenizer, loader, self.score.max_new_tokens))
            pairs = {name: self._over_ranks(*pair) for name, pair in sums.items()}
            metrics |= {name: total / max(count, 1) for name, (total, count) in pairs.items()}
        elif generate:
            metrics |= {self.score.name: 0.0}
        return metrics

    def _over_ranks(self, total: float, count: int) -> tuple[float, int]:
        pair = torch.tensor([total, count], dtype=torch.float64, device=self.device)
        summed = self.trainer.strategy.reduce(pair, reduce_op="sum")
        return float(summed[0]), int(summed[1])

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[dict[str, str]]:
        """Generates an answer to each prompt of the batch: its prompt, reference and generated text."""
        return [asdict(a) for a in generate_answers(self.model, self.tokenizer, batch, self.score.max_new_tokens)]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimizes the adapter's weights; the schedule spans the full training."""
        optimizer = self.optimizer_factory([p for p in self.parameters() if p.requires_grad])
        scheduler = self.schedule.build(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Leaves out frozen weights: the base model is named in the config, not copied per trial."""
        trained = {name for name, p in self.named_parameters(remove_duplicate=False) if p.requires_grad}
        return {k: v for k, v in super().state_dict(*args, **kwargs).items() if k in trained}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Notes which base model the adapter belongs to."""
        checkpoint["base_model"] = {"name": self.loaded.name, "weight_hash": self.loaded.info.weight_hash}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses an adapter of another base model, or of another shape.

        Raises:
            ValueError: If the checkpoint doesn't fit.
        """
        self.configure_model()
        theirs = checkpoint.get("base_model", {"name": "unknown", "weight_hash": "unknown"})
        if theirs["weight_hash"] != self.loaded.info.weight_hash:
            raise ValueError(
                f"The checkpoint belongs to the base model `{theirs['name']}` (weights {theirs['weight_hash']}), but "
                f"`{self.loaded.name}` (weights {self.loaded.info.weight_hash}) is loaded. Set "
                "`model.init_args.base_model.name` to the checkpoint's, or start without `--ckpt_path`."
            )
        own = {k: tuple(v.shape) for k, v in self.state_dict().items()}
        saved = {k: tuple(v.shape) for k, v in checkpoint["state_dict"].items()}
        if own != saved:
            differing = sorted(k for k in own.keys() | saved.keys() if own.get(k) != saved.get(k))
            raise ValueError(
                f"The checkpoint's adapter has another shape: {len(differing)} of {len(own | saved)} weights differ, "
                f"the first is {differing[0]} ({saved.get(differing[0])} saved, {own.get(differing[0])} configured). "
                "Use the `model.init_args.lora` that the checkpoint was trained with."
            )
