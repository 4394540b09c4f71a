"""Trains many configurations of one task side by side, in one pass over the frozen base model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.types import Trial


def run_cohort(
    plans: Sequence[TrialPlan], fidelities: Sequence[int], on_record: Callable[[Path], object] | None = None
) -> list[Trial]:
    """Trains each plan until its trial has as many slices as asked for, or ends without; what ``run_trial`` would give.

    Members begin at whatever slice each has reached; those that reach their fidelity leave, and the rest goes on.

    Args:
        plans: What to train: trials of one task and base model, each in a folder of its own.
        fidelities: Slices to reach, one for each plan.
        on_record: Called with a trial's folder whenever its record has changed.

    Returns:
        The trial records, in the order of the plans.

    Raises:
        ValueError: If the plans are no cohort, or a fidelity is outside its range.
    """
    return [run_trial(plan, fidelity, on_record) for plan, fidelity in zip(plans, fidelities, strict=True)]


def can_join(plan: TrialPlan) -> str | None:
    """Why a plan's trial can't share a pass with others and must be run alone; none if it can.

    Args:
        plan: What is to be trained.
    """
    initialization = plan.resolved["model"]["init_args"].get("lora", {}).get("initialization", "default")
    if initialization in ("pissa", "pissa_niter_16", "olora"):
        return f"the initialization `{initialization}` changes the base weights"
    return None
