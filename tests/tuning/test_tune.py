import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
import torch
import yaml
from mlflow.tracking import MlflowClient

from lightning_quicktune.compose import to_yaml
from lightning_quicktune.files.locks import exclusive
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner
from lightning_quicktune.search.successive_halving_searcher import SuccessiveHalvingSearcher
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.tracking.tracker import Tracker
from lightning_quicktune.trials import task_setup
from lightning_quicktune.trials.executors.worker import TrialWorker
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.tuning.tune import tune
from lightning_quicktune.tuning.watcher import Unwatched


def entries(tmp_path):
    lines = (tmp_path / "search" / "observations.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


def slices_by_configuration(tmp_path):
    reached = {}
    for entry in entries(tmp_path):
        reached[entry["config_id"]] = max(reached.get(entry["config_id"], 0), len(entry["curve"]))
    return reached


def test_a_search_leaves_adapter_report_figure_and_runs(settings, tmp_path):
    tuned = tune(settings())
    assert sum(slices_by_configuration(tmp_path).values()) == 5
    report = tuned.report.with_suffix(".md").read_text()
    for row in ("base model as it is", "default of the search space", "your recipe as written", "tuned"):
        assert re.search(rf"^\| {row} \|", report, re.MULTILINE)
    assert "exact_match" in report
    assert (tuned.report.parent / "search.png").stat().st_size > 10_000
    assert (tuned.adapter / "adapter_model.safetensors").is_file()
    assert yaml.safe_load(tuned.fit_yaml.read_text())["trainer"]["max_epochs"] in (3, 4)  # 4 if the recipe is best
    trials = Tracker(tuned.tracking_uri, "tuned").read_trials()
    assert {t.configuration.id for t in trials} >= {e["config_id"] for e in entries(tmp_path)}
    assert tuned.run_id is not None


def test_a_search_in_cohorts_spends_its_budget_on_different_trials_and_goes_on(settings, tmp_path):
    tune(settings(cohort=2, budget={"slices": 4}))
    reached = slices_by_configuration(tmp_path)
    assert sum(reached.values()) == 4
    sizes = {s["cohort_size"] for entry in entries(tmp_path)[:2] for s in entry["curve"]}
    assert sizes == {2}
    tune(settings(cohort="auto", budget={"slices": 6}))
    assert sum(slices_by_configuration(tmp_path).values()) == 6


def test_a_cohort_s_steps_are_told_to_whoever_watches(settings, tmp_path):
    class Steps(Unwatched):
        def __init__(self):
            self.told = Counter()

        def step(self, config_id, step, of):
            self.told[config_id, step, of] += 1

    watcher = Steps()
    tune(settings(cohort=2, budget={"slices": 2}, compare=[]), watcher)
    assert {e["curve"][0]["cohort_size"] for e in entries(tmp_path)} == {2}
    assert watcher.told == {(e["config_id"], n, 4): 1 for e in entries(tmp_path) for n in range(1, 5)}


@pytest.mark.parametrize("size", [0, 10_000])
def test_a_cohort_of_none_or_of_too_many_is_refused(settings, size):
    with pytest.raises((SystemExit, ValueError), match=rf"`cohort` is {size}, but .* Set `cohort`"):
        settings(cohort=size)


def test_columns_reach_the_reader(settings):
    with pytest.raises(ValueError, match=r"no `Frage`, which `data.init_args.reading.columns` names as `question`"):
        tune(settings(columns="question=Frage"))


def test_the_same_command_again_trains_nothing_and_says_the_same(settings, tmp_path):
    first = tune(settings())
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("search/trials/*/*.ckpt")}
    again = tune(settings())
    assert again.headline == first.headline
    assert again.run_id == first.run_id
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("search/trials/*/*.ckpt")} == before


def test_a_larger_budget_goes_on(settings, tmp_path):
    tune(settings(budget={"slices": 2}, compare=[]))
    earlier = entries(tmp_path)
    tune(settings(budget={"slices": 4}, compare=[]))
    assert entries(tmp_path)[: len(earlier)] == earlier
    assert len(entries(tmp_path)) > len(earlier)


def test_transfer_with_surrogates_of_another_base_model_needs_a_word(settings):
    shipped = {"performance": "nano", "cost": "nano"}
    with pytest.raises(ValueError, match=r"nano-phi3, but tiny-phi3 .* `allow_other_base_model: true`"):
        tune(settings(searcher="transfer", surrogates=shipped, space=None))


def test_transfer_with_surrogates_of_another_space_names_what_differs(settings):
    shipped = {"performance": "nano", "cost": "nano"}
    with pytest.raises(ValueError, match=r"another search space .*lr"):
        tune(settings(searcher="transfer", surrogates=shipped))


@pytest.mark.parametrize(
    ("searcher", "surrogates"),
    [("transfer_guarded", {"curves": "nano"}), ("transfer", {"performance": "nano", "cost": "nano"})],
)
def test_surrogates_of_another_space_search_by_what_both_know(settings, tmp_path, searcher, surrogates):
    changes = {"searcher": searcher, "surrogates": surrogates, "max_fidelity": None, "partial": True}
    tune(settings(**changes, allow_other_base_model=True, budget={"slices": 3}, compare=[]))
    assert sum(slices_by_configuration(tmp_path).values()) == 3


def test_transfer_searches_with_the_shipped_surrogates(settings, tmp_path):
    shipped = {"performance": "nano", "cost": "nano"}
    changes = {"searcher": "transfer", "surrogates": shipped, "space": None, "max_fidelity": None}
    tune(settings(**changes, allow_other_base_model=True, budget={"slices": 3}, compare=[]))
    assert sum(slices_by_configuration(tmp_path).values()) == 3


def test_the_default_searcher_is_guarded_and_the_report_compares_predicted_and_observed(settings, tmp_path):
    changes = {"searcher": None, "surrogates": {"curves": "nano"}, "space": None, "max_fidelity": None}
    tuned = tune(settings(**changes, allow_other_base_model=True, budget={"slices": 5}, compare=[]))
    report = tuned.report.with_suffix(".md").read_text()
    assert "Searcher: transfer_guarded" in report
    assert re.search(r"^## (Predicted and observed|Unlike what is known)$", report, re.MULTILINE)
    assert re.search(r"\| \d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\) \| \d\.\d{3} \|$", report, re.MULTILINE)
    assert Tracker(tuned.tracking_uri, "tuned").read_trials()
    run = MlflowClient(tuned.tracking_uri).get_run(tuned.run_id)
    assert run.data.tags["guard"] in ("alike", "unlike")
    assert "guard/evidence" in run.data.metrics


def test_a_task_unlike_what_is_known_is_said_in_log_report_and_mlflow(settings, monkeypatch, caplog):
    """The limit is set such that any task is unlike."""
    believed = CurveModel.pool_prior
    monkeypatch.setattr(CurveModel, "pool_prior", lambda *arguments: replace(believed(*arguments), limit=0.5))
    changes = {"searcher": None, "surrogates": {"curves": "nano"}, "space": None, "max_fidelity": None}
    tuned = tune(settings(**changes, allow_other_base_model=True, budget={"slices": 6}, compare=[]))
    (warning,) = [r.getMessage() for r in caplog.records if "unlike those that are known" in r.getMessage()]
    assert re.search(r"was predicted and \d\.\d{3} observed", warning)
    assert "## Unlike what is known" in tuned.report.with_suffix(".md").read_text()
    assert MlflowClient(tuned.tracking_uri).get_run(tuned.run_id).data.tags["guard"] == "unlike"


def test_a_length_that_the_curves_do_not_have_is_refused(settings):
    changes = {"searcher": None, "surrogates": {"curves": "nano"}, "space": None}
    with pytest.raises(ValueError, match=r"has 3 slices, but .* full trainings of 6. Set `max_fidelity: 6`"):
        tune(settings(**changes, allow_other_base_model=True))


def test_zero_shot_needs_no_incumbent(settings, tmp_path):
    tuned = tune(settings(searcher="zero_shot", compare=[]))
    assert (tuned.adapter, tuned.fit_yaml) == (None, None)
    assert "nothing was chosen" in tuned.headline
    report = tuned.report.with_suffix(".md").read_text()
    assert re.search(r"^\| base model as it is \|", report, re.MULTILINE)
    assert not re.search(r"^\| tuned \|", report, re.MULTILINE)
    assert slices_by_configuration(tmp_path) == {}


def test_a_portfolio_takes_its_order_from_the_experience(settings, tmp_path):
    changes = {"searcher": "forest_portfolio", "experience": "nano", "space": None, "max_fidelity": None}
    tune(settings(**changes, allow_other_base_model=True, budget={"slices": 2}, compare=[]))
    assert sum(slices_by_configuration(tmp_path).values()) == 2


def test_experience_of_another_space_or_base_model_is_refused(settings):
    changes = {"searcher": "forest_portfolio", "experience": "nano"}
    with pytest.raises(ValueError, match=r"`experience` was collected in another search space .*lr.*Leave `space` out"):
        tune(settings(**changes))
    with pytest.raises(ValueError, match=r"`experience` .* base model nano-phi3, but tiny-phi3 .*allow_other_base_mod"):
        tune(settings(**changes, space=None))


def test_a_portfolio_without_experience_names_the_key(settings):
    with pytest.raises(ValueError, match=r"`searcher: portfolio` .*`experience` is not set"):
        tune(settings(searcher="portfolio"))


def test_surrogates_that_name_none_are_refused_when_parsing(settings):
    with pytest.raises(ValueError, match=r"`surrogates` names none.*Set `surrogates.curves`"):
        settings(surrogates={})


def test_without_space_and_experience_there_is_nothing_to_search(settings):
    with pytest.raises(ValueError, match=r"There is no search space: set `space`"):
        tune(settings(space=None))


def test_transfer_without_surrogates_says_what_else_there_is(settings):
    with pytest.raises(ValueError, match=r"`surrogates.cost` is not set.*`searcher: successive_halving`"):
        tune(settings(searcher="transfer"))


def test_surrogates_that_are_not_there(settings, tmp_path):
    gone = {"performance": str(tmp_path / "gone"), "cost": "nano"}
    with pytest.raises(FileNotFoundError, match=r"`surrogates.performance` is .*gone.*shipped one: nano"):
        tune(settings(searcher="transfer", surrogates=gone))


def test_a_budget_of_zero_is_refused_when_parsing(settings):
    with pytest.raises(ValueError, match=r"`budget.seconds` is 0.0, but a search needs more than 0"):
        settings(budget={"seconds": 0})


def test_a_recipe_without_a_base_model_is_refused(settings, fit_config, tmp_path):
    del fit_config["model"]["init_args"]["base_model"]
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    shipped = {"performance": "nano", "cost": "nano"}
    with pytest.raises(ValueError, match=r"names no base model.*`model.init_args.base_model.name`"):
        tune(settings(searcher="transfer", surrogates=shipped, space=None))


def test_a_budget_that_is_used_up_before_anything_is_measured(settings, monkeypatch):
    monkeypatch.setattr("lightning_quicktune.trials.task_setup._describe", None)
    with pytest.raises(
        ValueError, match=r"`budget.seconds` is 0.001, but nothing is left .*: starting took \d+ s.* Raise"
    ):
        tune(settings(budget={"seconds": 0.001}))


@pytest.mark.parametrize("part", ["text_meta_features", "split_metrics", "landmarks"])
def test_describing_ends_with_the_part_that_has_used_up_the_budget(settings, monkeypatch, part):
    parts = ["text_meta_features", "split_metrics", "landmarks"]
    done, place = [], "lightning_quicktune.trials.task_setup.{}"
    for name in parts:
        measure = getattr(task_setup, name)
        monkeypatch.setattr(
            place.format(name), lambda *a, _name=name, _measure=measure, **k: done.append(_name) or _measure(*a, **k)
        )
    monkeypatch.setattr(Timekeeper, "left_s", property(lambda self: 0.0 if part in done else 9.0))
    with pytest.raises(ValueError, match=r"nothing is left of it to search in.* describing the task .* Raise"):
        tune(settings(budget={"seconds": 9}))
    assert done == parts[: parts.index(part) + 1]


def test_a_search_in_which_every_trial_fails_says_where_the_reasons_are(settings, monkeypatch):
    def exhausted(*arguments):
        raise MemoryError

    monkeypatch.setattr("lightning_quicktune.finetune.finetuner.CausalLMFinetuner.training_step", exhausted)
    with pytest.raises(RuntimeError, match=r"None of \d+ trials got through its first slice.*trial.json"):
        tune(settings())


def test_errors_end_no_search_and_a_trial_is_tried_once_more(settings, tmp_path, monkeypatch):
    """Every first batch of a configuration fails twice for the first configuration, once for the second."""
    steps, step = Counter(), CausalLMFinetuner.training_step

    def stumble(self, *arguments):
        rate = self.trainer.optimizers[0].defaults["lr"]
        steps[rate] += 1
        left = {0: 2, 1: 1}.get(list(steps).index(rate), 0)
        if steps[rate] <= left:
            raise OSError("the cable")
        return step(self, *arguments)

    monkeypatch.setattr(CausalLMFinetuner, "training_step", stumble)
    tuned = tune(settings(budget={"slices": 3}, compare=[]))
    told = {entry["config_id"]: [] for entry in entries(tmp_path)}
    for entry in entries(tmp_path):
        told[entry["config_id"]].append((entry["failed"], len(entry["curve"])))
    first, second, *_ = told.values()
    assert first == [(True, 0)]
    assert not any(failed for failed, _ in second)
    assert sum(slices_by_configuration(tmp_path).values()) == 3
    trials = {t.configuration.id: t for t in Tracker(tuned.tracking_uri, "tuned").read_trials()}
    assert trials[next(iter(told))].status == "interrupted"
    assert "interrupted by errors, twice" in tuned.report.with_suffix(".md").read_text()
    again = entries(tmp_path)
    tune(settings(budget={"slices": 4}, compare=[]))
    assert next(iter(told)) not in {entry["config_id"] for entry in entries(tmp_path)[len(again) :]}


@pytest.mark.usefixtures("two_threads")
def test_the_searcher_thinks_on_one_thread_and_trials_train_on_theirs(settings, monkeypatch):
    threads, train, ask = [], TrialWorker.train, SuccessiveHalvingSearcher.ask
    monkeypatch.setattr(
        TrialWorker, "train", lambda *a: threads.append(("train", torch.get_num_threads())) or train(*a)
    )
    monkeypatch.setattr(
        SuccessiveHalvingSearcher, "ask", lambda *a: threads.append(("ask", torch.get_num_threads())) or ask(*a)
    )
    tune(settings(budget={"slices": 2}, compare=[]))
    assert set(threads) == {("ask", 1), ("train", 2)}


def test_the_report_says_where_the_choice_is_at_the_border(settings, small_space):
    tuned = tune(settings(budget={"slices": 2}, compare=[]))
    report = tuned.report.with_suffix(".md").read_text()
    assert re.search(r"^- lora_rank [24] is at the (smallest|largest) value of the search space", report, re.MULTILINE)


def test_wrong_targets_fail_before_any_trial(settings, fit_config, tmp_path):
    make = settings()
    fit_config["model"]["init_args"]["lora"] = {"targets": ["q_proj"]}
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(ValueError, match=r"q_proj.* match no linear module"):
        tune(make)
    assert not (tmp_path / "search" / "trials").exists()


def test_a_recipe_without_a_length_names_the_key(settings, fit_config, tmp_path):
    make = settings(max_fidelity=None)
    del fit_config["trainer"]["max_epochs"]
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(ValueError, match=r"`recipe` has no `trainer.max_epochs`. Set `max_fidelity`"):
        tune(make)


def test_another_recipe_on_the_same_output_is_refused(settings, fit_config, tmp_path):
    tune(settings(budget={"slices": 1}, compare=[]))
    fit_config["trainer"]["gradient_clip_val"] = 0.5
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(ValueError, match=r"`trainer.gradient_clip_val` was 1.0 and is now 0.5"):
        tune(settings(budget={"slices": 2}, compare=[]))


def test_trials_that_the_budget_leaves_are_stopped_and_go_on_with_a_larger_one(settings, tmp_path):
    tuned = tune(settings(budget={"slices": 2}, compare=[]))
    assert {t.status for t in Tracker(tuned.tracking_uri, "tuned").read_trials()} == {"stopped"}
    tune(settings(budget={"slices": 6}, compare=[]))
    trials = Tracker(tuned.tracking_uri, "tuned").read_trials()
    assert max(t.curve.fidelity for t in trials) > 1
    assert {t.status for t in trials} <= {"completed", "stopped"}


def test_a_second_process_in_the_same_folder_is_refused(settings, tmp_path):
    with exclusive(tmp_path / "search") as free:
        assert free
        with pytest.raises(RuntimeError, match=r"Another process is tuning in .*search.*`output`"):
            tune(settings())


@pytest.mark.slow
def test_killed_in_the_middle_the_same_command_goes_on(settings, tmp_path):
    """Two starts of the command line."""
    settings(budget={"slices": 8}, compare=[])
    command = [sys.executable, "-m", "lightning_quicktune", "tune", "--config", str(tmp_path / "tune.yaml")]
    process = subprocess.Popen(command, cwd=tmp_path)
    journal = tmp_path / "search" / "observations.jsonl"
    while not journal.is_file() or len(journal.read_text().splitlines()) < 3:
        assert process.poll() is None, "the search ended without an observation"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = entries(tmp_path)
    subprocess.run(command, cwd=tmp_path, check=True)
    after = entries(tmp_path)
    assert after[: len(before)] == before
    assert sum(slices_by_configuration(tmp_path).values()) == 8
    trials = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "tuned").read_trials()
    assert len({t.key for t in trials}) == len(trials)
