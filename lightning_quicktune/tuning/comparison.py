"""Tests models on the test split, each once: the rows of the comparison, and what they answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning_quicktune.files.whole import read_json, write_json
from lightning_quicktune.finetune.export import load_adapter
from lightning_quicktune.finetune.record_scores import RecordScores, record_scores
from lightning_quicktune.finetune.text_metrics import exact_match
from lightning_quicktune.trials.checkpoints import BEST
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import TaskSetup, task_objects
from lightning_quicktune.trials.trainer import trial_device
from lightning_quicktune.tuning.rows import Answer, Compared, RowName
from lightning_quicktune.types import LearningCurve, TaskInfo

N_ANSWERS = 10
_LONGEST = 2000  # characters of a text that is shown side by side
_FEWEST = 16  # answers that are always generated
_PROBE = 8  # answers by which the speed of generating is measured


class Comparison:
    """The rows of a tuning; what an earlier start of it tested is read.

    Args:
        setup: The task.
        folder: Where rows are kept.
        answers_s: Seconds that generating the answers of one row may take; none if time doesn't matter.
    """

    def __init__(self, setup: TaskSetup, folder: Path, answers_s: float | None) -> None:
        self._setup, self._folder, self._answers_s = setup, folder, answers_s
        self.rows: dict[RowName, Compared] = {}

    @property
    def most_answers(self) -> int | None:
        """Test records that answers are generated for; none for as many as ``evaluation`` says."""
        known = read_json(self._folder / "answers.json")
        return None if known is None else known["most_answers"]

    def zero_shot(self) -> tuple[Compared, float]:
        """Tests the base model as it is, and decides how many answers there is time for; see ``test``."""
        kept = self._kept("zero-shot", None, 0, self._setup.info.zero_shot_score)
        if kept is not None:
            return self._take(kept)
        began = time.perf_counter()
        module, data = task_objects(self._setup.fit)
        module.loaded.model.to(trial_device(self._setup.fit))
        write_json(self._folder / "records.json", _records(data))
        if self._answers_s is not None:
            self._limit_answers(module, data)
        scores = self._measured(module, module.loaded.model, data)
        seconds = time.perf_counter() - began
        row = Compared("zero-shot", None, 0, self._setup.info.zero_shot_score, scores.means, scores.per_record, seconds)
        return self._keep(row, scores, seconds)

    def test(
        self, name: RowName, plan: TrialPlan, fidelity: int, score: float, curve: LearningCurve
    ) -> tuple[Compared, float]:
        """Tests the best adapter of a trial, or reads what an earlier call kept of it.

        Args:
            name: Name of the row.
            plan: The trial.
            fidelity: Slices of its best checkpoint.
            score: Its score on validation.
            curve: Its learning curve.

        Returns:
            The row, and the seconds that testing took, now or then.
        """
        config_id = plan.configuration.id
        kept = self._kept(name, config_id, fidelity, score) or self._same(name, plan, fidelity, score)
        if kept is not None:
            return self._take(kept)
        began = time.perf_counter()
        module, data = task_objects(plan.resolved)
        load_adapter(module, plan.folder / BEST)
        module.model.to(trial_device(plan.resolved))
        scores = self._measured(module, module.model, data)
        module.release()
        seconds = time.perf_counter() - began
        trained_s = sum(curve.costs_s[:fidelity])
        measured = (scores.means, scores.per_record, trained_s + seconds)
        of_row = (*measured, dict(plan.configuration.values), curve.scores)
        return self._keep(Compared(name, config_id, fidelity, score, *of_row), scores, seconds, str(plan.folder))

    def answers(self) -> tuple[Answer, ...]:
        """Test records answered side by side, those first of which only one model is right."""
        records = read_json(self._folder / "records.json") or {}
        written = {name: self._written(name) for name in ("zero-shot", "recipe", "chosen") if name in self.rows}
        places = sorted(set.intersection(*map(set, written.values()))) if written else []
        answers = [_answer(records[place], {name: texts[place] for name, texts in written.items()}) for place in places]
        flipped, others = ([a for a in answers if a.flipped is which] for which in (True, False))
        return tuple([*_spread(flipped, N_ANSWERS), *_spread(others, N_ANSWERS)][:N_ANSWERS])

    def _measured(self, module: Any, model: Any, data: Any) -> RecordScores:
        return record_scores(model, module.tokenizer, data, "test", module.score, self.most_answers)

    def _limit_answers(self, module: Any, data: Any) -> None:
        """Times a few answers of the base model, which seldom ends early."""
        from lightning_quicktune.finetune.generation import generate_answers

        began, n = time.perf_counter(), 0
        for batch in data.prompt_dataloader("test", _PROBE):
            n += len(generate_answers(module.loaded.model, module.tokenizer, batch, module.score.max_new_tokens))
        each_s = (time.perf_counter() - began) / max(n, 1)
        usual = min(data.evaluation.max_generation_records or len(data.tokens("test")), len(data.tokens("test")))
        fitting = max(int((self._answers_s or 0.0) / each_s), _FEWEST)
        if fitting < usual:
            write_json(self._folder / "answers.json", {"most_answers": fitting, "usual": usual})

    @property
    def shortened(self) -> tuple[int, int] | None:
        """Answers that are generated, and of how many, where there is no time for all of them."""
        known = read_json(self._folder / "answers.json")
        return None if known is None else (known["most_answers"], known["usual"])

    def _kept(self, name: RowName, config_id: str | None, fidelity: int, score: float) -> dict[str, Any] | None:
        kept = read_json(self._folder / f"{name}.json")
        wanted = {"name": name, "config_id": config_id, "fidelity": fidelity, "validation_score": score}
        is_it = kept is not None and "row" in kept and all(kept["row"][key] == v for key, v in wanted.items())
        return kept if is_it else None

    def _same(self, name: RowName, plan: TrialPlan, fidelity: int, score: float) -> dict[str, Any] | None:
        """What another row has of the same adapter, under this name."""
        for other in self.rows:
            kept = self._kept(other, plan.configuration.id, fidelity, score)
            if kept is not None and kept["folder"] == str(plan.folder):
                again: dict[str, Any] = {**kept, "row": {**kept["row"], "name": name}}
                write_json(self._folder / f"{name}.json", again)
                return again
        return None

    def _keep(
        self, row: Compared, scores: RecordScores, seconds: float, folder: str | None = None
    ) -> tuple[Compared, float]:
        written = {str(each.index): each.answer for each in scores.written}
        kept = {"row": asdict(row), "written": written, "seconds": seconds, "folder": folder}
        write_json(self._folder / f"{row.name}.json", kept)
        self.rows[row.name] = row
        return row, seconds

    def _take(self, kept: dict[str, Any]) -> tuple[Compared, float]:
        row = Compared.from_dict(kept["row"])
        self.rows[row.name] = row
        return row, float(kept["seconds"])

    def _written(self, name: str) -> dict[str, str]:
        written: dict[str, str] = (read_json(self._folder / f"{name}.json") or {}).get("written", {})
        return written


def _records(data: Any) -> dict[str, dict[str, str]]:
    """Question and answer of each test record, by its place."""
    pairs = zip(data.records("test"), data.tokens("test"), strict=True)
    return {
        str(i): {"question": record.question, "reference": tokens.answer} for i, (record, tokens) in enumerate(pairs)
    }


def _answer(record: dict[str, str], written: dict[str, str]) -> Answer:
    right = {name: bool(exact_match(text, record["reference"])) for name, text in written.items()}
    others = [right[name] for name in ("recipe", "zero-shot") if name in right][:1]
    return Answer(
        _cut(record["question"]),
        _cut(record["reference"]),
        _cut(written["zero-shot"]),
        _cut(written["recipe"]) if "recipe" in written else None,
        _cut(written["chosen"]) if "chosen" in written else None,
        "chosen" in right and others != [right["chosen"]],
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [{len(text) - _LONGEST:,} characters more]"


def _spread(answers: Sequence[Answer], n: int) -> list[Answer]:
    """At most ``n``, evenly spaced."""
    if len(answers) <= n:
        return list(answers)
    return [answers[place * len(answers) // n] for place in range(n)]


def splits_of(task: TaskInfo) -> dict[str, int]:
    """Records of each split, by the facts of a task."""
    return {split: int(task.facts.get(f"{split}_records", 0)) for split in ("train", "validation", "test")}
