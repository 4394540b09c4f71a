import json
import time
from pathlib import Path

import pytest

from lightning_quicktune.finetune.record_scores import RecordScores, Written
from lightning_quicktune.trials.plan import TrialPlan
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.tuning import comparison as module
from lightning_quicktune.tuning.comparison import Comparison
from lightning_quicktune.tuning.conclusion import gain
from lightning_quicktune.tuning.rows import Compared
from lightning_quicktune.types import LearningCurve, SliceResult

CURVE = LearningCurve(tuple(SliceResult(f, 0.1 * f, 2.0, 1.0, 1) for f in (1, 2)))


@pytest.fixture
def setup(fit_config, colour_task, tmp_path):
    return set_up_task(str(colour_task), fit_config, 3, tmp_path / "task")


@pytest.fixture
def new(setup, tmp_path):
    return lambda answers_s=None: Comparison(setup, tmp_path / "test", answers_s)


@pytest.fixture
def plan(setup, small_space, tmp_path):
    return lambda name: TrialPlan(setup.info, setup.fit, small_space, small_space.default, 0, tmp_path / name)


@pytest.fixture
def answered(monkeypatch):
    """What each model writes to seven records, in the order of the tests: ``(*texts)``; counts the tests."""
    given, calls = [], []

    def scores(model, tokenizer, data, split, settings, most_answers=None):
        calls.append(most_answers)
        texts = given.pop(0)
        return RecordScores({"loss": 1.0}, {"loss": (1.0,) * 7}, tuple(Written(i, t) for i, t in enumerate(texts)))

    monkeypatch.setattr(module, "record_scores", scores)
    monkeypatch.setattr(module, "load_adapter", lambda *a: a[0].configure_model())
    return given, calls


def test_a_row_is_tested_once_and_its_seconds_are_those_of_then(new, plan, answered):
    given, calls = answered
    given += [["x"] * 7, ["y"] * 7]
    comparison = new()
    comparison.zero_shot()
    row, seconds = comparison.test("recipe", plan("recipe-0"), 2, 0.2, CURVE)
    assert (row.curve, row.cost_s) == ((0.1, 0.2), pytest.approx(4.0 + seconds))
    again = new()
    assert again.zero_shot()[0].name == "zero-shot"
    assert again.test("recipe", plan("recipe-0"), 2, 0.2, CURVE) == (row, seconds)
    assert len(calls) == 2
    given.append(["z"] * 7)
    again.test("recipe", plan("recipe-0"), 1, 0.1, CURVE)  # another checkpoint
    assert len(calls) == 3


def test_what_was_chosen_is_not_tested_again_where_it_is_the_recipe(new, plan, answered):
    given, calls = answered
    given += [["x"] * 7, ["y"] * 7, ["z"] * 7]
    comparison = new()
    comparison.zero_shot()
    row, _ = comparison.test("recipe", plan("recipe-0"), 2, 0.2, CURVE)
    chosen, _ = comparison.test("chosen", plan("recipe-0"), 2, 0.2, CURVE)
    assert (chosen.name, chosen.test_metrics, len(calls)) == ("chosen", row.test_metrics, 2)
    comparison.test("chosen", plan("another-0"), 2, 0.3, CURVE)  # the same values in another trial
    assert len(calls) == 3


def test_answers_that_flipped_come_first(new, plan, answered, setup):
    comparison = new()
    lines = (Path(str(setup.info.facts["path"])) / "test.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    right = [record["answer"] for record in records]
    given, _ = answered
    given += [["no"] * 7, [right[0], *["no"] * 6], ["no", right[1], *["no"] * 4, right[6]]]
    comparison.zero_shot()
    comparison.test("recipe", plan("recipe-0"), 2, 0.2, CURVE)
    comparison.test("chosen", plan("chosen-0"), 2, 0.3, CURVE)
    answers = comparison.answers()
    assert [a.flipped for a in answers] == [True] * 3 + [False] * 4
    assert [a.question for a in answers[:3]] == [records[i]["question"] for i in (0, 1, 6)]
    assert (answers[0].base, answers[0].recipe, answers[0].chosen) == ("no", right[0], "no")
    assert answers[1].reference == right[1] == answers[1].chosen


def test_fewer_answers_are_generated_where_there_is_no_time_for_all(new, answered, monkeypatch):
    """Sixteen at least, of which this task has not as many."""
    from lightning_quicktune.finetune import generation

    given, calls = answered
    given.append(["x"] * 7)
    monkeypatch.setattr(module, "_FEWEST", 2)
    monkeypatch.setattr(
        generation, "generate_answers", lambda model, tokenizer, batch, n: time.sleep(0.1) or batch["prompts"]
    )
    comparison = new(0.06)
    comparison.zero_shot()
    (most,) = calls
    assert 2 <= most < 7
    assert comparison.shortened == (most, 7)


@pytest.mark.parametrize("metric", ["answer_likelihood", "exact_match"])
def test_the_gain_is_that_of_the_table(metric):
    first = {"loss": (1.0, 2.0, 0.5), "targets": (4.0, 1.0, 2.0), "exact_match": (0.0, 1.0, 0.0)}
    second = {"loss": (0.5, 1.0, 0.5), "targets": (4.0, 1.0, 2.0), "exact_match": (1.0, 1.0, 0.0)}
    rows = {
        "zero-shot": Compared("zero-shot", None, 0, 0.1, {}, first),
        "chosen": Compared("chosen", "ab", 2, 0.2, {}, second),
    }
    found = gain(rows, metric)
    expected = {"answer_likelihood": 2.718281828 ** -(4 / 7) - 2.718281828 ** -(7 / 7), "exact_match": 1 / 3}[metric]
    assert found.value == pytest.approx(expected)
    assert (found.over, found.n, found.metric) == ("zero-shot", 3, metric)
    assert found.lower <= found.value <= found.upper
    assert gain({"chosen": rows["chosen"]}, metric) is None


def test_one_record_tells_no_gain():
    one = {"exact_match": (1.0,)}
    rows = {name: Compared(name, None, 0, 0.1, {}, one) for name in ("recipe", "chosen")}
    assert gain(rows, "exact_match") is None
