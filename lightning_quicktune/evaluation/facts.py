"""Facts of how an evaluation was made, for its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lightning_quicktune.evaluation.findings import Findings, Folds, Time
from lightning_quicktune.evaluation.regret import EQUAL
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.evaluation.summary import Summary
from lightning_quicktune.metadataset.outcome import Outcome
from lightning_quicktune.replay.settings import CostName, SettingName

_PAID = "; methods pay for their thinking in CPU seconds of this machine."
_FREE = (
    "; thinking is free, so that seconds of this machine aren't added to those of the machine the trials were recorded "
    "on: see its price below."
)


_BEFORE = "What is learned before the new task is known is free."
_WHY_LEFT_OUT: dict[Outcome, str] = {
    "partial": "stopped before the end of their own training, so that it is not known how they would have ended",
    "interrupted": "ended by an error that says nothing of the configuration",
}


def facts(settings: EvaluateSettings, findings: Findings, folds: Folds) -> list[str]:
    """How it was evaluated, one line of a list each.

    Args:
        settings: How it was evaluated.
        findings: What was found.
        folds: Names of the folds that were replayed.
    """
    several = (findings.summaries, findings.development)
    n_compared, n_developed = (len(next(iter(each.values()))[0].tasks) if each else 0 for each in several)
    left_out = findings.left_out
    learned = (
        "all other folds" if settings.train_folds is None else f"folds {settings.train_folds} but the replayed one"
    )
    if settings.learn_from:
        learned = f"{' and '.join(settings.learn_from)} without the datasets of the replayed fold"
    described = [method.shown for method in settings.entries if method.describes_the_task]
    lines = [
        f"- Meta-dataset: {settings.meta_dataset}",
        f"- Tasks: {n_compared + n_developed} replayed, {len(left_out.tasks)} left out; {settings.n_seeds} seeds.",
        f"- Folds by {settings.folds}: {', '.join(folds.compared + folds.development)} replayed; methods learn from "
        f"{learned}{_shares(settings)}",
        _time(settings.cost, findings.time),
        f"- {', '.join(described)} pay for the meta-features of the task."
        if described
        else "- No method uses meta-features.",
    ]
    lines += [f"- {words}" for words in findings.stand_ins]
    refitted = [method.shown for method in settings.entries if method.name == "quicktune"]
    if refitted:
        lines.append(
            f"- {', '.join(refitted)} refits its surrogates at every observation up to the 20th, then at every tenth."
        )
    if settings.shuffle_configurations:
        lines.append("- Control: each replayed task gives every configuration the trials of another one.")
    alike = "; ".join(_alike(findings.summaries))
    if alike:
        lines.append(f"- One replay per task: {alike}; every seed gives the same, so that seeds add nothing.")
    if settings.limits:
        lines.append(f"- {', '.join(settings.limits)}: the limit, by the final scores of the very task; not compared.")
    if folds.development:
        lines.append(
            f"- Methods were developed on {', '.join(folds.development)} ({n_developed} tasks), which have tables of "
            f"their own below; everything else is of {', '.join(folds.compared)} ({n_compared} tasks)."
        )
    lines += _trials_left_out(left_out.outcomes)
    return lines + [f"- Left out: {name}, {reason}." for name, reason in left_out.tasks.items()]


def _shares(settings: EvaluateSettings) -> str:
    shares = {"datasets": settings.train_share, "configurations": settings.configuration_share}
    told = [f"{share:.0%} of the {what}" for what, share in shares.items() if share < 1]
    return f": {' and '.join(told)}." if told else "."


def _time(cost: CostName, time: Time) -> str:
    if cost == "slices":
        what = "each of which costs 1, because no cost was recorded" if time.lacks_costs else "whatever they cost"
        return f"- Time: counted in slices, {what}; thinking is free."
    what = "CPU seconds, as of one machine of median speed" if cost == "reference" else f"`{cost}`"
    return f"- Time: recorded {what}{_PAID if time.charges_thinking else _FREE} {_BEFORE}"


def _trials_left_out(outcomes: Mapping[Outcome, int]) -> list[str]:
    numbers = {outcome: outcomes[outcome] for outcome in _WHY_LEFT_OUT if outcomes.get(outcome)}
    if not numbers:
        return []
    reasons = "; ".join(f"{n} {outcome} ({_WHY_LEFT_OUT[outcome]})" for outcome, n in numbers.items())
    return [f"- Trials left out: {sum(numbers.values())} of {sum(outcomes.values())}: {reasons}."]


def _alike(summaries: Mapping[SettingName, Sequence[Summary]]) -> list[str]:
    """Methods whose replays were the same with every seed, by setting."""
    found: list[str] = []
    for setting, (summary, *_) in summaries.items():
        varies = (np.ptp(summary.per_seed, axis=2) > EQUAL).any(axis=(1, 2))
        names = [method for method, varying in zip(summary.methods, varies, strict=True) if not varying]
        if names and summary.per_seed.shape[2] > 1:
            found.append(f"{', '.join(names)} in {setting}")
    return found
