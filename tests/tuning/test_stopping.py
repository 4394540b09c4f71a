"""Ctrl-C, starting again, and budgets that are too short."""

import json
import os
import signal

import pytest
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.finetune.causal_lm import CausalLMFinetuner
from lightning_quicktune.trials.termination import Terminated
from lightning_quicktune.tuning import tune as tuning
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.pace import Pace
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.tuning.tune import tune
from lightning_quicktune.tuning.watcher import Unwatched


class Notes(Unwatched):
    """Remembers what it was told."""

    def __init__(self):
        self.told = []
        for name in (n for n in dir(Unwatched) if not n.startswith("_")):
            setattr(self, name, lambda *given, name=name: self.told.append((name, *given)))

    def names(self):
        return [name for name, *_ in self.told]


@pytest.fixture
def pressed(monkeypatch):
    """Presses Ctrl-C in the training step of a number, counted over all trials: ``(*numbers)``."""

    def at(*numbers):
        step, count = CausalLMFinetuner.training_step, []

        def interrupted(self, *arguments):
            count.append(1)
            if len(count) in numbers:
                raise KeyboardInterrupt
            return step(self, *arguments)

        monkeypatch.setattr(CausalLMFinetuner, "training_step", interrupted)

    return at


def test_the_first_ctrl_c_ends_the_search_and_what_it_has_is_reported(settings, tmp_path, pressed, observed):
    pressed(11)
    tuned = tune(settings(budget={"slices": 50}, compare=[]))
    assert tuned.outcome.result.stopped_by == "interrupted"
    assert tuned.adapter.is_dir()
    assert any("stopped by hand" in sentence for sentence in tuned.outcome.left_out)
    n_slices = sum({e["config_id"]: len(e["curve"]) for e in observed()}.values())
    assert 0 < n_slices < 12
    again = tune(settings(budget={"slices": 9}, compare=[]))
    assert again.outcome.result.stopped_by in ("budget", "exhausted")
    assert again.outcome.result.entries[: len(tuned.outcome.result.entries)] == tuned.outcome.result.entries


def test_the_second_one_pauses(settings, tmp_path, pressed, observed):
    """The first comes in the search, the second where the chosen one would be tested."""
    pressed(11)

    class Impatient(Unwatched):
        def stage(self, name, words):
            if name == "testing":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(settings(budget={"slices": 50}, compare=[]), Impatient())
    assert observed()
    assert not (tmp_path / "search" / "result" / "report.md").exists()


def test_a_request_to_end_pauses_at_once_and_the_same_command_goes_on(settings, tmp_path, monkeypatch, observed):
    step, count = CausalLMFinetuner.training_step, []

    def asked_to_end(self, *arguments):
        count.append(1)
        if len(count) == 11:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *arguments)

    monkeypatch.setattr(CausalLMFinetuner, "training_step", asked_to_end)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated):
        tune(settings(budget={"slices": 6}, compare=[]))
    assert signal.getsignal(signal.SIGTERM) == before
    assert not (tmp_path / "search" / "result").exists()
    trials = [json.loads(path.read_text()) for path in tmp_path.glob("search/trials/*/trial.json")]
    assert "running" not in {trial["status"] for trial in trials}
    assert not any(trial["failure"] for trial in trials)
    entries = observed()
    tuned = tune(settings(budget={"slices": 6}, compare=[]))
    assert tuned.outcome.result.stopped_by in ("budget", "exhausted")
    assert observed()[: len(entries)] == entries


def test_a_finished_search_prints_its_result_at_once(settings, tmp_path, monkeypatch):
    first = tune(settings(compare=["recipe"]))
    monkeypatch.setattr(tuning, "_spend", None)
    watcher = Notes()
    again = tune(settings(compare=["recipe"]), watcher)
    assert (again.headline, again.run_id, again.adapter) == (first.headline, first.run_id, first.adapter)
    assert again.outcome.to_dict() == first.outcome.to_dict()
    assert watcher.names() == ["started", "stage", "described", "done"]


def test_whoever_watches_is_told_of_everything(settings, tmp_path):
    watcher = Notes()
    tuned = tune(settings(compare=["recipe"], budget={"slices": 2}), watcher)
    stages = [given[0] for name, *given in watcher.told if name == "stage"]
    assert list(dict.fromkeys(stages)) == ["describing", "comparing", "searching", "testing", "reporting"]
    begun = [given for name, *given in watcher.told if name == "begun"]
    assert {given[2] if len(given) > 2 else None for given in begun} == {"recipe", None}
    steps = [given for name, *given in watcher.told if name == "step"]
    assert {(step, of) for _, step, of in steps} == {(n, 4) for n in range(1, 5)}
    assert [given[0].name for name, *given in watcher.told if name == "compared"] == ["zero-shot", "recipe", "chosen"]
    assert watcher.told[-1] == ("done", tuned.outcome)


def test_the_record_of_a_search_holds_everything(settings, tmp_path):
    tuned = tune(settings(budget={"slices": 3}))
    kept = Outcome.from_dict(json.loads((tmp_path / "search" / "result" / "outcome.json").read_text()))
    assert kept.to_dict() == tuned.outcome.to_dict()
    assert [row.name for row in kept.rows] == ["zero-shot", "default", "strong", "recipe", "chosen"]
    assert kept.row("recipe").fidelity <= 4  # slices that the recipe says, where the search's have 3
    assert len(kept.row("recipe").curve) == 4
    assert kept.splits == {"train": 24, "validation": 8, "test": 7}
    assert (kept.gain.over, kept.gain.n) == ("recipe", 7)
    assert kept.gain.lower <= kept.gain.value <= kept.gain.upper
    assert len(kept.answers) == 7
    assert "The test split has 7 records" in " ".join(kept.left_out)
    assert set(kept.carried) == {"trl", "axolotl", "llamafactory"}
    assert "Scores on the test split" in (tuned.adapter / "README.md").read_text()
    text = tuned.fit_yaml.read_text()
    assert text.startswith("# Digest of the records and their tokens: ")
    assert yaml.safe_load(text)["data"]["init_args"]["path"].startswith("/")


def test_what_is_chosen_is_never_worse_on_validation_than_the_recipe(settings, fit_config, tmp_path):
    """The recipe is outside of the space, and better than all of it."""
    make = settings(budget={"slices": 1}, compare=["recipe"])
    space = yaml.safe_load((tmp_path / "space.yaml").read_text())
    space["lr"]["domain"] |= {"bounds": [1e-8, 1e-7], "default": 1e-8}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    outcome = tune(make).outcome
    assert outcome.incumbent.score == outcome.row("recipe").validation_score
    assert outcome.row("chosen").test_metrics == outcome.row("recipe").test_metrics
    assert outcome.gain.value == 0.0
    assert any("outside of the search space (lr 0.01)" in sentence for sentence in outcome.left_out)


def test_the_settings_that_are_kept_start_the_same(settings, tmp_path, monkeypatch):
    tuned = tune(settings(budget={"slices": 1}, compare=[]))
    assert tuned.outcome.command.endswith(f"tune --config {tmp_path}/search/tune.yaml")
    monkeypatch.chdir("/")
    again = parse_settings("tune", TuneSettings, ["--config", f"{tmp_path}/search/tune.yaml"])
    assert tune(again).run_id == tuned.run_id


def test_a_budget_too_short_for_one_slice_says_how_long_one_takes(settings, monkeypatch):
    monkeypatch.setattr("lightning_quicktune.tuning.searching.Search.foretold_slice_s", lambda self, c: 5000.0)
    with pytest.raises(
        ValueError, match=r"`budget.seconds` is 1000, .*one slice takes about 5000 s here.*Set `budget.sec"
    ):
        tune(settings(budget={"seconds": 1000}))


def test_what_there_is_no_time_for_is_left_out_and_said(settings, monkeypatch):
    monkeypatch.setattr("lightning_quicktune.tuning.searching.Search.foretold_slice_s", lambda self, c: 600.0)
    outcome = tune(settings(budget={"seconds": 1700, "slices": 1}, compare=["recipe", "strong"])).outcome
    assert [row.name for row in outcome.rows][:1] == ["zero-shot"]
    left_out = " ".join(outcome.left_out)
    assert ("Your recipe as written was not trained" in left_out) == (outcome.row("recipe") is None)


def test_a_search_that_there_is_no_time_for_leaves_what_was_compared(settings, monkeypatch):
    """The recipe took longer than was foretold: it is delivered, and why nothing was searched is said."""
    monkeypatch.setattr(Pace, "cut", lambda *given: None)
    tuned = tune(settings(budget={"seconds": 600}, compare=["recipe"]))
    assert tuned.adapter.is_dir()
    assert tuned.outcome.result.entries == ()
    assert tuned.outcome.row("chosen").test_metrics == tuned.outcome.row("recipe").test_metrics
    left_out = " ".join(tuned.outcome.left_out)
    assert "There was no time for a search: one slice takes about" in left_out
    assert "There was no time for a search" in tuned.report.read_text()


@pytest.mark.parametrize("is_time_later", [True, False])
def test_one_slice_of_the_recipe_tells_whether_there_is_time_for_it(settings, tmp_path, monkeypatch, is_time_later):
    """Foretold to be quick, it is not: what it has waits until after the search."""
    answers, trained = iter([True, False]), []
    monkeypatch.setattr(Pace, "fits", lambda *given: next(answers, is_time_later))

    class Looking(Unwatched):
        def stage(self, name, words):
            if name == "searching":
                trained.extend(json.loads((tmp_path / "search/trials/recipe-0/trial.json").read_text())["curve"])

    outcome = tune(settings(budget={"seconds": 600, "slices": 1}, compare=["recipe"]), Looking()).outcome
    assert len(trained) == 1
    left_out = " ".join(outcome.left_out)
    if is_time_later:
        assert len(outcome.row("recipe").curve) == 4
        assert "not trained" not in left_out
    else:
        assert outcome.row("recipe") is None
        assert "Your recipe as written was not trained for comparison: its 3 slices and its test take" in left_out
