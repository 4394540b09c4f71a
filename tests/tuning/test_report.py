from dataclasses import replace

import pytest

from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.tuning.report import headline, inline, report
from lightning_quicktune.tuning.rows import Answer
from lightning_quicktune.types import Configuration


def test_no_predicted_score_is_outside_of_where_scores_are(make_outcome):
    predicted = ((1, 1.04, 0.1, 0.9, 0), (2, 0.5, 0.1, 0.6, 1))
    forecasts = tuple(Forecast(Configuration({"lr": 0.1}), *each) for each in predicted)
    text = report(make_outcome(verdict=Verdict(forecasts, 0.0, 0.0)), "search.png")
    assert "| slice | predicted (90% interval) | observed |" in text
    assert "| lr 0.1 | 1 | 1.000 (0.876 to 1.000) | 0.900 |" in text
    assert "| lr 0.1 | 2 | 0.500 (0.336 to 0.664) | 0.600 |" in text


def test_what_errors_interrupted_is_told_from_what_failed(make_outcome):
    history = report(make_outcome(), None).split("## What was trained, in order")[1]
    assert history.count("started, interrupted by errors, twice") == 1
    assert history.count("started, failed") == 1


def test_the_border_of_what_was_tried(make_outcome):
    assert "- lora_dropout 0.191 is the largest that was tried; better may lie beyond" in report(make_outcome(), None)


def test_configurations_are_told_in_words_and_not_by_their_ids(make_outcome):
    outcome = make_outcome()
    text = report(outcome, "search.png")
    assert "adamw, lr 2e-4, rank 16, batch 8" in text
    assert not [c for c in (e.suggestion.configuration.id for e in outcome.result.entries) if c in text]


def test_counts_gain_and_sizes_are_in_the_report(make_outcome):
    text = report(make_outcome(), "search.png")
    assert "0.619 (39 of 63)" in text
    assert "+0.210 (+0.080 to +0.330), 63 records over your recipe as written" in text
    assert "480 train, 60 validation, 63 test" in text


@pytest.mark.parametrize("sign", ["|", "<img>", "`", "*a*", "[x](y)", "a\nb", "# a"])
def test_text_of_records_breaks_no_table(make_outcome, sign):
    text = report(make_outcome(answers=(Answer(sign, sign, sign, None, sign, False),)), None)
    table = text.split("## Answers side by side\n\n")[1].split("\n\n")[0]
    assert len(table.splitlines()) == 3
    assert table.splitlines()[2] == f"| {inline(sign)} | {inline(sign)} | {inline(sign)} | - | {inline(sign)} |"
    assert "<img>" not in table.replace("\\<", "")


def test_a_search_that_found_nothing_is_told_all_the_same(make_outcome):
    nothing = make_outcome(incumbent=None, gain=None, answers=(), verdict=None)
    nothing = replace(nothing, rows=nothing.rows[:1])
    assert headline(nothing).endswith("base model as it is 0.286 (18 of 63); nothing was chosen.")
    assert "**Nothing was chosen.**" in report(nothing, None)
    assert "![" not in report(nothing, None)


def test_a_recipe_that_was_best_itself_is_said_in_the_headline(make_outcome):
    outcome = make_outcome()
    recipe = outcome.row("recipe")
    same = replace(outcome, rows=(*outcome.rows[:3], replace(recipe, name="chosen")))
    assert ", which is your recipe as written, with" in headline(same)


def test_a_long_answer_is_cut_in_markdown(make_outcome):
    text = report(make_outcome(answers=(Answer("q", "r", "b" * 1000, None, "c", False),)), None)
    assert "b" * 300 + " ..." in text
    assert "b" * 301 not in text
