"""The LightningModule that trains all members of a cohort, one pass over the frozen weights for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from lightning.pytorch import LightningModule
from torch import Tensor

from lightning_quicktune.finetune.base_model import BaseModel
from lightning_quicktune.finetune.cohort.bank import AdapterBank
from lightning_quicktune.finetune.cohort.checkpoint import Checkpoint, MemberCheckpoints, on_cpu
from lightning_quicktune.finetune.cohort.member import Member
from lightning_quicktune.finetune.cohort.stepping import Stepper, host_copies
from lightning_quicktune.finetune.loss import at_least_float32, target_logits
from lightning_quicktune.finetune.neftune import embedding_noise
from lightning_quicktune.finetune.noise import RecordNoise

_DRAWING = 4  # threads that draw first weights


class CohortFinetuner(LightningModule):
    """Trains the adapters of many trials on one base model, each with an optimizer of its own.

    The loss is the sum, over members, of each one's own mean per target token of its step: so every gradient is what
    the trial alone would have.

    Args:
        base: The base model, without an adapter.
        members: The trials.

    Batch:
        As ``SlicePasses`` makes it.
    """

    def __init__(self, base: BaseModel, members: Sequence[Member]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.base = base
        self.members = list(members)
        self.bank: AdapterBank
        self.stepper: Stepper
        self._per_member: dict[str, Tensor] = {}
        self._is_finite: Tensor
        self._recomputes = any(member.finetuner.base_model.gradient_checkpointing for member in members)

    def place(self, device: torch.device) -> None:
        """Puts base model and adapters on a device.

        Args:
            device: Where to compute.
        """
        model: Any = self.base.model
        model.to(device)
        if self._recomputes:
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        self.members.sort(key=lambda member: member.sort_key(device))
        self.bank = AdapterBank(self.base.model, [member.row for member in self.members], device)
        for k, member in enumerate(self.members):
            member.take_place(self.bank, k)
        self._set_per_member()

    def close(self) -> None:
        """Leaves the base model as it was."""
        model: Any = self.base.model
        if self._recomputes:
            model.activation_checkpointing_disable()
            model.disable_input_require_grads()
        model.eval()

    def begin(self, checkpoints: MemberCheckpoints, saved: dict[Member, Checkpoint]) -> None:
        """Has each member begin, or go on from its checkpoint.

        Args:
            checkpoints: Reads them.
            saved: What members go on from; those that it lacks begin.
        """
        with ThreadPoolExecutor(_DRAWING) as pool:  # each draws from a generator of its own
            starts = pool.map(lambda member: {} if member in saved else member.start(), self.members)
            for member, start in zip(self.members, starts, strict=True):
                member.begin(start)
                if member in saved:
                    checkpoints.restore(member, saved[member])
        self.stepper = Stepper(self.bank, self.members)
        self.stepper.take_state()

    def keep(self, staying: Sequence[Member]) -> None:
        """Goes on without some of the members.

        Args:
            staying: Those that go on, at least one.
        """
        for k in range(len(self.members)):
            self.stepper.give_state(k)
        order = [k for k, member in enumerate(self.members) if member in staying]
        before, self.members = self.bank, [self.members[k] for k in order]
        self.bank = AdapterBank(self.base.model, [member.row for member in self.members], before.device)
        for new, (old, member) in enumerate(zip(order, self.members, strict=True)):
            known = before.of_member(before.weights, old)
            with torch.no_grad():
                for name, weight in self.bank.of_member(self.bank.weights, new).items():
                    weight.copy_(known[name])
            member.take_place(self.bank, new)
        self.stepper = Stepper(self.bank, self.members)
        self.stepper.take_state()
        self._set_per_member()

    def _set_per_member(self) -> None:
        finetuners = [member.finetuner for member in self.members]
        self._per_member = {
            name: torch.tensor([getattr(f, name) for f in finetuners], dtype=self.bank.dtype, device=self.bank.device)
            for name in ("label_smoothing", "neftune_alpha")
        }
        self._noisy = any(f.neftune_alpha for f in finetuners)
        self._smooth = any(f.label_smoothing for f in finetuners)

    def configure_optimizers(self) -> None:
        """Each member has its own, which no trainer steps."""

    def on_train_epoch_start(self) -> None:
        """Starts a slice."""
        self.base.model.train()
        self._is_finite = torch.ones(len(self.members), dtype=torch.bool, device=self.bank.device)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Adds the gradients of one pass, and steps the optimizers of members whose step is complete."""
        n_members, device = len(self.members), self.bank.device
        self.bank.noise = noise = RecordNoise.of(batch)
        n_rows = len(batch["noise_keys"]) // n_members
        alpha = self._per_member["neftune_alpha"].repeat_interleave(n_rows)[:, None]
        noisy = embedding_noise(self.base.model, batch, alpha, noise) if self._noisy else nullcontext()
        with self.bank.on_model():
            with noisy:
                targets = target_logits(self.base.model, batch)
            member_of = targets.rows // n_rows
            losses = self._losses(targets.logits, targets.labels, member_of)
            step_targets = batch["step_targets"].clamp_min(1).to(losses.dtype)  # an idle member has no target here
            self.manual_backward((losses / step_targets[member_of]).sum())
        self.bank.noise = None
        sums = torch.zeros(n_members, dtype=losses.dtype, device=device).index_add_(0, member_of, losses.detach())
        self._is_finite &= sums.isfinite()
        self.stepper.step(batch["steps"])

    def _losses(
        self, logits: Float[Tensor, "K V"], labels: Int[Tensor, " K"], member_of: Int[Tensor, " K"]
    ) -> Float[Tensor, " K"]:
        """Cross-entropy of each target, in nats, with its member's own label smoothing."""
        logits = at_least_float32(logits)
        losses = F.cross_entropy(logits, labels, reduction="none")
        if not self._smooth:
            return losses
        smoothing = self._per_member["label_smoothing"].to(logits.dtype)[member_of]
        uniform = logits.logsumexp(-1) - logits.mean(-1)
        return (1 - smoothing) * losses + smoothing * uniform

    def finite(self) -> list[bool]:
        """Whether the training loss of each member has been a finite number all through the slice."""
        return self._is_finite.tolist()

    def checkpoint(self, checkpoints: MemberCheckpoints, k: int) -> Checkpoint:
        """The checkpoint of a member at the end of a slice, its tensors views of copies: training may go on.

        Args:
            checkpoints: Makes it.
            k: Which member.
        """
        member, row = self.members[k], self.bank.rows[k]
        self.stepper.give_state(k, on_host=True)
        weights = host_copies(self.bank.weights, k, row.lora.rank)
        own = {f"model.{name}": weight for name, weight in self.bank.of_member(weights, k, 0).items()}
        content = checkpoints.make(member)
        if self.bank.device.type == "cuda":
            torch.cuda.current_stream(self.bank.device).synchronize()
        kept = content if member.rule is not None else on_cpu(content)  # its optimizer goes on with its own tensors
        return kept | {"state_dict": {name: own[name] for name in content["state_dict"]}}

    @contextmanager
    def evaluating(self) -> Iterator[Any]:
        """Gives the base model with all adapters, without dropout, noise or gradients, in the trainer's precision."""
        self.base.model.eval()
        with torch.no_grad(), self.trainer.precision_plugin.val_step_context(), self.bank.on_model():
            yield self.base.model
