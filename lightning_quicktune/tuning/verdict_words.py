"""What a comparison says, in words: names of rows, scores as counts where they count, and the verdict."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.rows import Compared, Gain, RowName
from lightning_quicktune.tuning.tried import chosen_from

ROWS: dict[RowName, str] = {
    "zero-shot": "base model as it is",
    "default": "default of the search space",
    "strong": "common strong recipe",
    "recipe": "your recipe as written",
    "chosen": "tuned",
}
SHIPPED_RECIPE = "shipped recipe"  # in the place of the user's own
METRICS = ("answer_likelihood", "label_accuracy", "exact_match", "token_f1", "rouge_l", "loss")
FEWEST = 10  # records below which resampling them makes no interval that holds what it says
Direction = Literal["better", "worse", "unclear", "unknown"]


class Judgement(NamedTuple):
    """The verdict of a comparison.

    Args:
        direction: Whether the interval of the gain lies above 0, below it, or around it (or is one of too few records);
            unknown without a gain.
        title: The verdict in a few words.
        sentence: The same with its numbers.
    """

    direction: Direction
    title: str
    sentence: str


def judgement(outcome: Outcome) -> Judgement:
    """The verdict of an outcome."""
    if outcome.incumbent is None:
        return Judgement("unknown", "Nothing was chosen", "No trial has a score, so there is nothing to compare.")
    gain, chosen = outcome.gain, outcome.row("chosen")
    if gain is None:
        tested = f" On test it has {measured(chosen, outcome.task.metric)}." if chosen is not None else ""
        words = f"What was chosen was compared with nothing.{tested}"
        return Judgement("unknown", "Chosen, but not compared", words)
    if chosen_from(outcome) == gain.over:
        found = f"Nothing that was tried has a higher score on the validation split. {_score(outcome, gain)}"
        return Judgement("unclear", f"Nothing better than {row_words(outcome, gain.over)}", found)
    if gain.n < FEWEST:
        few = "1 test record tells" if gain.n == 1 else f"{gain.n} test records tell"
        return Judgement("unclear", f"{few} nothing", f"{_sentence(outcome, gain)} Test on {FEWEST} at the least.")
    direction: Direction = "better" if gain.lower > 0 else "worse" if gain.upper < 0 else "unclear"
    title = {
        "better": f"Better than {row_words(outcome, gain.over)}, by {gain.value:.3f}",
        "worse": f"Worse than {row_words(outcome, gain.over)}, by {-gain.value:.3f}",
        "unclear": f"No clear difference from {row_words(outcome, gain.over)} ({gain.value:+.3f})",
    }[direction]
    return Judgement(direction, title, f"{_sentence(outcome, gain)}{_advice(outcome, direction, gain.over)}")


def gain_words(gain: Gain) -> str:
    """A gain with its interval and the number of records, such as ``+0.210 (0.080 to 0.330), 63 records``."""
    counted = "1 record" if gain.n == 1 else f"{gain.n} records"
    return f"{gain.value:+.3f} ({gain.lower:+.3f} to {gain.upper:+.3f}), {counted}"


def measured(row: Compared, metric: str) -> str:
    """A metric of a row: three digits, and how many of how many where each record is right or wrong."""
    values = row.per_record.get(metric, ())
    mean = f"{row.test_metrics[metric]:.3f}" if metric in row.test_metrics else "not measured"
    if values and set(values) <= {0.0, 1.0}:
        return f"{mean} ({sum(values):.0f} of {len(values)})"
    return mean


def metric_names(outcome: Outcome) -> list[str]:
    """Metrics that some row has, the task's own first."""
    present = [m for m in METRICS if any(m in row.test_metrics for row in outcome.rows)]
    return sorted(present, key=lambda name: name != outcome.task.metric)


def spaced(name: str) -> str:
    """The name of a metric or hyperparameter for people."""
    return name.replace("_", " ")


def _sentence(outcome: Outcome, gain: Gain) -> str:
    moves = "falls" if gain.value < 0 else "rises"
    return (
        f"On {gain.n} test record{'s' if gain.n != 1 else ''}, {spaced(gain.metric)} {moves} by {abs(gain.value):.3f} "
        f"(95 % interval {gain.lower:+.3f} to {gain.upper:+.3f}){_from_to(outcome, gain)}."
    )


def _score(outcome: Outcome, gain: Gain) -> str:
    row = outcome.row(gain.over)
    return "" if row is None else f"On test it has {spaced(gain.metric)} {measured(row, gain.metric)}."


def _from_to(outcome: Outcome, gain: Gain) -> str:
    before, chosen = outcome.row(gain.over), outcome.row("chosen")
    if before is None or chosen is None:
        return ""
    over, metric = row_words(outcome, gain.over), gain.metric
    return f", from {measured(before, metric)} with {over} to {measured(chosen, metric)}"


def _advice(outcome: Outcome, direction: Direction, over: RowName) -> str:
    kept = "keep the base model" if over == "zero-shot" else f"keep {row_words(outcome, over)}"
    if direction == "unclear":
        return f" The interval holds 0, so these records don't tell the two apart: {kept}, or test on more."
    return f" Don't use it: {kept}." if direction == "worse" else ""


def row_title(outcome: Outcome, name: RowName) -> str:
    """A row by itself, such as ``base model as it is``."""
    return SHIPPED_RECIPE if name == "recipe" and outcome.has_shipped_recipe else ROWS[name]


def recipe_name(outcome: Outcome) -> str:
    """The recipe in as few words as tell whose it is."""
    return row_title(outcome, "recipe").removesuffix(" as written")


def row_words(outcome: Outcome, name: RowName) -> str:
    """A row in the middle of a sentence, such as ``the base model as it is``."""
    title = row_title(outcome, name)
    return title if title == ROWS["recipe"] else f"the {title}"
