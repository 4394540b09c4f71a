"""What MLflow and TensorBoard have of a tuning, while it runs and afterwards."""

import json
import time

import pytest
from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_quicktune.tuning.live.event_files import EventFiles
from lightning_quicktune.tuning.live.tracked import TrackedSearch
from lightning_quicktune.tuning.tune import tune
from lightning_quicktune.tuning.watcher import Unwatched
from lightning_quicktune.tuning.words import describe


@pytest.fixture
def runs(tmp_path):
    """Runs of a kind in MLflow: ``kind -> runs``."""
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")

    def find(kind):
        experiment = client.get_experiment_by_name("tuned")
        return client.search_runs([experiment.experiment_id], f"tags.`quicktune.kind` = '{kind}'")

    return find


class Looking(Unwatched):
    """Looks at MLflow when the first trial has ended."""

    def __init__(self, runs):
        self.runs, self.seen = runs, []

    def observed(self, observation, state):
        if not self.seen:
            self.seen = [(kind, run) for kind in ("tune", "task") for run in self.runs(kind)]


def test_a_search_is_one_run_from_the_start_with_its_trials_below_it(settings, runs, tmp_path):
    looking = Looking(runs)
    tuned = tune(settings(compare=[]), looking)
    during = dict(looking.seen)
    assert during["tune"].info.status == "RUNNING"
    assert during["tune"].data.params["budget.slices"] == "5"
    assert during["tune"].data.params["searcher"] == "successive_halving"
    assert during["task"].data.tags["mlflow.parentRunId"] == during["tune"].info.run_id

    (run,) = runs("tune")
    assert run.info.run_id == tuned.run_id == during["tune"].info.run_id
    assert (run.info.run_name, run.info.status) == ("tune colours", "FINISHED")
    chosen, tags = tuned.outcome.incumbent.configuration, run.data.tags
    assert tags["chosen"] == describe(chosen)
    assert {name for name in tags if name.startswith("chosen.")} == {f"chosen.{name}" for name in chosen.values}
    assert run.data.metrics["best_score"] == pytest.approx(tuned.outcome.incumbent.score)
    assert run.data.metrics["chosen/test_answer_likelihood"] == pytest.approx(
        tuned.outcome.row("chosen").test_metrics["answer_likelihood"]
    )
    client = MlflowClient(tuned.tracking_uri)
    kept = {item.path for item in client.list_artifacts(run.info.run_id, "result")}
    assert {"result/adapter", "result/report.md", "result/fit.yaml", "result/outcome.json"} <= kept

    records = [json.loads(path.read_text()) for path in tmp_path.glob("search/trials/*/trial.json")]
    below = {trial.data.tags["config_id"]: trial for trial in runs("trial")}
    assert below.keys() == {record["config_id"] for record in records}
    for record in records:
        trial = below[record["config_id"]]
        assert trial.data.tags["mlflow.parentRunId"] == run.info.run_id
        assert trial.info.run_name == describe(record["configuration"])
        assert trial.data.params.keys() == record["configuration"].keys()  # none that is inactive

    for record in records:
        (folder,) = (tmp_path / "search" / "tensorboard").glob(f"*{record['config_id'][:6]}")
        events = EventAccumulator(str(folder)).Reload()
        assert [(e.step, round(e.value, 5)) for e in events.Scalars("score")] == [
            (s["fidelity"], round(s["score"], 5)) for s in record["curve"]
        ]
        assert "_hparams_/session_start_info" in events.summary_metadata


def test_a_pause_an_error_and_another_budget_are_told_in_the_same_run(settings, runs, tmp_path):
    with pytest.raises(KeyboardInterrupt), TrackedSearch(settings(), tmp_path / "search"):
        raise KeyboardInterrupt
    (run,) = runs("tune")
    assert run.info.status == "SCHEDULED"
    with pytest.raises(ValueError, match="too much"), TrackedSearch(settings(), tmp_path / "search"):
        raise ValueError("too much")
    (run,) = runs("tune")
    assert (run.info.status, run.data.tags["failure"]) == ("FAILED", "ValueError: too much")
    with TrackedSearch(settings(budget={"slices": 9}), tmp_path / "search"):
        (run,) = runs("tune")
        assert (run.info.status, run.data.tags["failure"]) == ("RUNNING", "")
        assert (run.data.params["budget.slices"], run.data.tags["now/budget.slices"]) == ("5", "9")


def test_a_search_that_is_complete_stays_so_until_it_goes_on(settings, runs, tmp_path, make_outcome):
    (tmp_path / "search" / "result").mkdir(parents=True)
    (tmp_path / "search" / "result" / "report.md").write_text("# Found")
    with TrackedSearch(settings(), tmp_path / "search") as tracked:
        tracked.done(make_outcome())
        tracked.tracker.begin()
    (run,) = runs("tune")
    assert run.info.status == "FINISHED"
    with pytest.raises(ValueError, match="other data"), TrackedSearch(settings(), tmp_path / "search"):
        raise ValueError("other data")
    assert runs("tune")[0].info.status == "FINISHED"
    with TrackedSearch(settings(), tmp_path / "search") as tracked:
        tracked.begin()
        assert runs("tune")[0].info.status == "RUNNING"


def test_a_search_that_goes_on_writes_no_slice_twice(tmp_path, story):
    for n in (3, 5):
        files = EventFiles(tmp_path)
        told = story(files).describe()
        told.slices = 3 if n == 5 else 0
        told.end(1e-3, 0.1 * n, n=n)
        files.close()
        time.sleep(1.1)  # TensorBoard reads files in the order of their names, which begin with the second
    (trial,) = (path for path in tmp_path.iterdir() if path.name.startswith("adamw, lr 1e-3"))
    assert [e.step for e in EventAccumulator(str(trial)).Reload().Scalars("score")] == [1, 2, 3, 4, 5]
    best = EventAccumulator(str(tmp_path / "search")).Reload().Scalars("best score")
    assert [(e.step, round(e.value, 3)) for e in best] == [(0, 0.291), (3, 0.3), (8, 0.5)]
