"""The end of a tuning: chooses, tests, exports, and puts down all that was found."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lightning_quicktune.compose import FitConfig, to_yaml, with_overrides
from lightning_quicktune.files.whole import read_json, write_json, write_text
from lightning_quicktune.finetune.export import export_adapter, load_adapter
from lightning_quicktune.finetune.provenance import provenance
from lightning_quicktune.finetune.record_scores import TARGETS
from lightning_quicktune.search.state import Incumbent, SearchResult
from lightning_quicktune.statistics.paired import paired_difference
from lightning_quicktune.trials.checkpoints import BEST
from lightning_quicktune.trials.storage import read_trial
from lightning_quicktune.trials.task_setup import task_objects
from lightning_quicktune.tuning.carried import carried_over
from lightning_quicktune.tuning.comparison import Comparison, splits_of
from lightning_quicktune.tuning.insight import bands, importance, outlook, similar
from lightning_quicktune.tuning.job import Job
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.pace import Pace
from lightning_quicktune.tuning.references import Candidate, References
from lightning_quicktune.tuning.rows import ROW_NAMES, Compared, Gain, RowName
from lightning_quicktune.tuning.searching import Search
from lightning_quicktune.tuning.training_length import shortened_words
from lightning_quicktune.types import LearningCurve

log = logging.getLogger(__name__)

FEW_RECORDS = 50  # test records below which an interval says little
_OVER: tuple[RowName, ...] = ("recipe", "strong", "default", "zero-shot")


def conclude(
    job: Job,
    search: Search,
    result: SearchResult,
    comparison: Comparison,
    references: References,
    pace: Pace,
    command: str,
) -> Outcome:
    """Tests and exports what was found, and asks the surrogates what they make of it.

    Args:
        job: The tuning.
        search: Its search, which has ended.
        result: What that brought.
        comparison: Tests what is chosen.
        references: What it is compared with.
        pace: What slices take.
        command: What starts the tuning again in a shell.

    Raises:
        RuntimeError: If trials were started and none got through its first slice.
    """
    chosen = choose(job, result, references)
    if chosen is None and result.entries:
        job.deliver()
        raise RuntimeError(
            f"None of {len(result.entries)} trials got through its first slice, so there is nothing to choose. "
            f"The reason of each is in {job.trials}/*/trial.json under `failure`."
        )
    adapter, fit_yaml, carried = None, "", {}
    if chosen is not None:
        job.watcher.stage("testing", "Testing the chosen configuration ...")
        trial = read_trial(chosen.plan.folder)
        curve = trial.curve if trial is not None else LearningCurve()
        row, _ = comparison.test("chosen", chosen.plan, chosen.fidelity, chosen.score, curve)
        job.watcher.compared(row)
        adapter = export(job, chosen, row)
        fit = from_anywhere(chosen.plan.resolved)
        fit_yaml, carried = _with_digest(fit, job), carried_over(fit)
        write_text(job.result / "fit.yaml", fit_yaml)
    job.watcher.stage("reporting", "Writing the report ...")
    rows = tuple(comparison.rows[name] for name in ROW_NAMES if name in comparison.rows)
    incumbent = None if chosen is None else Incumbent(chosen.plan.configuration, chosen.fidelity, chosen.score)
    tried = list(dict.fromkeys(e.suggestion.configuration for e in result.entries))
    of_task = (job.setup.info, job.experience)
    return Outcome(
        task=job.setup.info,
        searcher=job.settings.searcher,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=job.settings.to_dict(),
        splits=splits_of(job.setup.info),
        rows=rows,
        result=result,
        space=job.space,
        incumbent=incumbent,
        gain=gain({row.name: row for row in rows}, job.setup.info.metric),
        answers=comparison.answers(),
        verdict=search.verdict,
        bands=bands(tried, *of_task),
        importance=importance(*of_task, job.space, job.settings.seed),
        similar=similar(search.curves, job.experience) if search.curves is not None else (),
        outlook=outlook(search.curves, pace, job.setup.info.max_fidelity, incumbent.score)
        if search.curves is not None and incumbent is not None
        else None,
        left_out=tuple([*_warnings(job, result, comparison), *search.notes, *references.notes]),
        fit_yaml=fit_yaml,
        carried=carried,
        adapter=str(adapter) if adapter is not None else None,
        interrupted=_interrupted(job),
        has_shipped_recipe=job.settings.has_shipped_recipe,
    )


def choose(job: Job, result: SearchResult, references: References) -> Candidate | None:
    """The best on validation of all that was trained; of equal ones, the user's own recipe, then what was searched.

    Args:
        job: The tuning.
        result: What the search brought.
        references: What was trained for comparison.
    """
    found = result.incumbent
    searched = []
    if found is not None:
        plan = job.executor.plan(found.configuration)
        searched = [Candidate("chosen", plan, found.fidelity, found.score)]
    compared = sorted(references.candidates.values(), key=lambda each: each.name != "recipe")
    return max([*compared[:1], *searched, *compared[1:]], key=lambda each: each.score, default=None)


def gain(rows: Mapping[RowName, Compared], metric: str) -> Gain | None:
    """What the chosen one gains on the test split, over the user's recipe or the next best thing there is.

    One record alone tells nothing of how far a gain may be by chance, so there is none.

    Args:
        rows: The comparison.
        metric: The score.
    """
    over = next((name for name in _OVER if name in rows), None)
    if over is None or "chosen" not in rows:
        return None
    first, second = rows[over].per_record, rows["chosen"].per_record
    if len(first["loss" if metric == "answer_likelihood" else metric]) < 2:
        return None
    if metric == "answer_likelihood":  # of all target tokens together, as the score is
        losses = (np.array(first["loss"]), np.array(second["loss"]), np.array(second[TARGETS]))
        found = paired_difference(*losses, of_mean=lambda loss: np.exp(-loss))
    else:
        found = paired_difference(np.array(first[metric]), np.array(second[metric]))
    return Gain(over, metric, found.value, found.lower, found.upper, found.n)


def export(job: Job, chosen: Candidate, row: Compared) -> Path:
    """Writes the adapter as it was when it had its best score, before the same trial is trained any further.

    Args:
        job: The tuning.
        chosen: What was chosen.
        row: How it did on the test split.
    """
    folder, plan = job.result / "adapter", chosen.plan
    note = {"config_id": plan.configuration.id, "fidelity": chosen.fidelity, "trial": plan.folder.name}
    if read_json(job.output / "incumbent.json") != note or not folder.is_dir():
        module, _ = task_objects(plan.resolved)
        state = load_adapter(module, plan.folder / BEST)
        about = replace(provenance(from_anywhere(plan.resolved), state), tested=row.test_metrics)
        export_adapter(module, folder, about, replace=True)
        module.release()
        shutil.copyfile(plan.folder / BEST, job.output / "incumbent.ckpt")
        write_json(job.output / "incumbent.json", note)
    return folder


def from_anywhere(fit: FitConfig) -> FitConfig:
    """A fit YAML that finds its data from any folder."""
    path = Path(str(fit["data"]["init_args"]["path"]))
    return with_overrides(fit, {"data.init_args.path": str(path.resolve())}) if path.exists() else fit


def _with_digest(fit: FitConfig, job: Job) -> str:
    return f"# Digest of the records and their tokens: {job.setup.info.facts.get('content_digest')}\n{to_yaml(fit)}"


def _warnings(job: Job, result: SearchResult, comparison: Comparison) -> list[str]:
    n_test, warnings = splits_of(job.setup.info)["test"], []
    if n_test < FEW_RECORDS:
        warnings.append(
            f"The test split has {n_test} record{'s' * (n_test != 1)}: with fewer than {FEW_RECORDS}, scores and gains "
            "on it are rough."
        )
    if (words := shortened_words(job.setup.info)) is not None:
        warnings.append(words)
    if (answers := comparison.shortened) is not None:
        warnings.append(f"Answers were generated for {answers[0]} of {answers[1]} test records, for lack of time.")
    if result.stopped_by == "interrupted":
        warnings.append("The search was stopped by hand; the same command goes on with it.")
    return warnings


def _interrupted(job: Job) -> tuple[str, ...]:
    """Configurations whose trials were given up because of errors, not because of what they are."""
    trials = (read_trial(folder) for folder in sorted(job.trials.glob("*/")))
    return tuple(t.configuration.id for t in trials if t is not None and t.status == "interrupted")
