"""The main job: a dataset, a base model and a budget; out comes the best adapter."""

from __future__ import annotations

import shlex
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lightning_quicktune.compose import quiet_upstream, to_yaml
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.files.whole import read_json, write_json, write_text
from lightning_quicktune.search.journal import Journal
from lightning_quicktune.tracking.delivery import Delivery
from lightning_quicktune.trials.storage import check_output
from lightning_quicktune.trials.termination import Terminated, termination_as_interrupt
from lightning_quicktune.tuning.comparison import Comparison
from lightning_quicktune.tuning.conclusion import conclude
from lightning_quicktune.tuning.contribution import contribute
from lightning_quicktune.tuning.identity import contents, search_identity
from lightning_quicktune.tuning.job import Job, set_up
from lightning_quicktune.tuning.kept_checkpoints import keep_best
from lightning_quicktune.tuning.live.event_files import EventFiles
from lightning_quicktune.tuning.live.onlooker import onlooker
from lightning_quicktune.tuning.live.several import Several
from lightning_quicktune.tuning.live.tracked import TrackedSearch
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.pace import REPORT_S, Pace
from lightning_quicktune.tuning.references import References
from lightning_quicktune.tuning.report import headline
from lightning_quicktune.tuning.searching import Search
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.tuning.slow_slice import SlowSlice
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.tuning.training_length import ANSWERS
from lightning_quicktune.tuning.watcher import Watcher
from lightning_quicktune.tuning.write_report import PAGE, RECORD, read_outcome, write_report

_FINISHED = "finished.json"


@dataclass(frozen=True)
class Tuned:
    """Where a search left its results.

    Args:
        headline: What was found, in one line.
        report: The page; ``report.md`` lies beside it.
        adapter: Folder of the adapter, for peft; none if nothing was trained.
        fit_yaml: Fit YAML of the chosen configuration; none likewise.
        run_id: MLflow run of the search; none if the server was away.
        tracking_uri: Where that run is.
        table: Where a browser shows it and its trials; none if the server was away.
        delivery: What MLflow has of the task and the trials.
        outcome: All that was done and found.
    """

    headline: str
    report: Path
    adapter: Path | None
    fit_yaml: Path | None
    run_id: str | None
    tracking_uri: str
    table: str | None
    delivery: Delivery
    outcome: Outcome

    @property
    def is_complete(self) -> bool:
        """Whether the same command has nothing more to do: the search was not interrupted, and MLflow has all of it."""
        is_sent = self.run_id is not None and not self.delivery.n_lacking
        return is_sent and self.outcome.result.stopped_by != "interrupted"


def tune(
    settings: TuneSettings, watcher: Watcher | None = None, began: float | None = None, command: str | None = None
) -> Tuned:
    """Searches within the budget, tests what was found, and reports; goes on with what ``output`` holds.

    The first Ctrl-C ends the search, and what it has is tested and reported; another one pauses. A request to
    end (SIGTERM) pauses at once.

    Args:
        settings: What to tune, and how long.
        watcher: Is told of everything, beside MLflow and TensorBoard's files; the terminal if left out.
        began: When the command began, by ``time.monotonic``; now if left out.
        command: What starts it again in a shell; one that reads the settings kept in ``output`` if left out.

    Raises:
        FileNotFoundError: If data, base model, recipe or surrogates aren't there.
        ValueError: If they don't fit each other, ``output`` holds another search, or the time is too short.
        RuntimeError: If no trial got through its first slice, or another process works in ``output``.
    """
    if watcher is None:
        with onlooker() as watcher:
            return tune(settings, watcher, began, command)
    quiet_upstream()
    output, began = Path(settings.output), time.monotonic() if began is None else began
    check_output(output)
    timekeeper = Timekeeper(settings.budget.seconds, output / "time.json", began)
    with exclusive(output) as free:
        if not free:
            raise RuntimeError(
                f"Another process is tuning in {settings.output}, and two would train the same trials. Wait until it "
                "has ended, or set `output` to another folder."
            )
        tracked, files = TrackedSearch(settings, output), EventFiles(output / "tensorboard")
        with tracked, closing(files), termination_as_interrupt():
            watched = Several(watcher, tracked, files, SlowSlice(timekeeper, watcher.note))
            watched.started(timekeeper, settings.has_shipped_recipe)
            job = set_up(settings, timekeeper, watched, tracked.tracker)
            identity = search_identity(settings, job.setup, job.space.id, job.experience)
            journal = Journal(output, identity, later=contents(identity))
            if _is_finished(job, identity):
                contribute(job)
                return _tuned(job, read_outcome(job.result), is_new=False)
            tracked.begin()
            with closing(job.executor):
                outcome = _spend(job, journal, command or _kept_command(job))
            tuned = _tuned(job, outcome, is_new=True)
            if tuned.outcome.result.stopped_by != "interrupted":
                write_json(output / _FINISHED, _finished(job, identity))
            _free(job, tuned.outcome)
            timekeeper.keep()
            contribute(job)
            return tuned


def _spend(job: Job, journal: Journal, command: str) -> Outcome:
    """Compares, searches, compares what there is still time for, and concludes."""
    job.timekeeper.keep()
    budget_s = job.settings.budget.seconds
    search = Search.of(job, journal)
    pace = Pace(job.timekeeper, search.foretold_slice_s, REPORT_S, _in_the_way(job))
    comparison = Comparison(job.setup, job.output / "test", None if budget_s is None else ANSWERS * budget_s)
    job.watcher.stage("comparing", "Testing the base model as it is ...")
    row, seconds = comparison.zero_shot()
    pace.saw_test(seconds)
    job.watcher.compared(row)
    if job.settings.executor.kind_for(job.settings.workers) != "in_process":
        job.timekeeper.waits_for_others()
    references = References(job, comparison, pace)
    try:
        references.train_before()
    except KeyboardInterrupt as stop:
        if isinstance(stop, Terminated) or not (references.candidates or journal.entries):
            raise
        job.executor.close()
        search.stop()
    result = search.run(pace, must_find=not references.candidates)
    if result.stopped_by != "interrupted":
        references.train_after()
    return conclude(job, search, result, comparison, references, pace, command)


def _in_the_way(job: Job) -> float:
    """Share of all other trials that run which is trained by the same worker as a trial."""
    others = job.executor.capacity - 1
    return (job.executor.capacity / job.settings.workers - 1) / others if others else 1.0


def _tuned(job: Job, outcome: Outcome, is_new: bool) -> Tuned:
    """Reports an outcome that is new, or whose place in MLflow is, and tells MLflow and whoever watches."""
    tracker = job.tracker
    tracker.begin()
    found = {"run_id": tracker.run_id, "mlflow": tracker.table}
    links = {**outcome.links, **{name: at for name, at in found.items() if at is not None}}
    if is_new or links != outcome.links:
        outcome = replace(outcome, links=links)
        write_report(outcome, job.result)
    job.watcher.done(outcome)
    delivery = job.deliver()
    return Tuned(
        headline=headline(outcome),
        report=job.result / PAGE,
        adapter=Path(outcome.adapter) if outcome.adapter else None,
        fit_yaml=job.result / "fit.yaml" if outcome.fit_yaml else None,
        run_id=tracker.run_id,
        tracking_uri=tracker.uri,
        table=tracker.table,
        delivery=delivery,
        outcome=outcome,
    )


def _finished(job: Job, identity: dict[str, Any]) -> dict[str, Any]:
    return {"identity": identity, "budget": asdict(job.settings.budget), "compare": list(job.settings.compare)}


def _is_finished(job: Job, identity: dict[str, Any]) -> bool:
    """Whether the same search, with the same budget, has ended and been reported."""
    known = read_json(job.output / _FINISHED)
    adapter = job.result / "adapter"
    is_whole = (job.result / RECORD).is_file() and (adapter.is_dir() or not (job.output / "incumbent.json").is_file())
    return known is not None and known == _finished(job, identity) and is_whole


def _kept_command(job: Job) -> str:
    """Keeps the settings as a YAML that starts the same from any folder."""
    path = job.output / "tune.yaml"
    write_text(path, to_yaml(job.settings.to_dict()))
    return f"lightning-quicktune tune --config {shlex.quote(str(path))}"


def _free(job: Job, outcome: Outcome) -> None:
    """Frees the disk of all but the best trials' checkpoints."""
    best = outcome.incumbent.configuration.id if outcome.incumbent else None
    needed = () if outcome.row("default") else (job.space.default.id,)  # which may yet be compared
    dropped = keep_best(job.trials, job.settings.keep_checkpoints, best, needed)
    if dropped:
        kept = job.settings.keep_checkpoints
        job.watcher.note(f"Dropped the checkpoints of {dropped} trials; `keep_checkpoints: {kept}`.")
