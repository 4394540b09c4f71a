import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from lightning_quicktune.search.forecast import Forecast
from lightning_quicktune.search.guarded_searcher import Verdict
from lightning_quicktune.tuning.page.forecast_figures import gain_interval, predicted_observed
from lightning_quicktune.tuning.page.parallel import parallel_coordinates
from lightning_quicktune.tuning.page.search_figures import learning_curves, score_over_time
from lightning_quicktune.tuning.page.svg import CHOSEN, canvas, inline, settings
from lightning_quicktune.types import Configuration

FIGURES = (gain_interval, learning_curves, score_over_time, parallel_coordinates, predicted_observed)


def drawn(label):
    with settings():
        figure, axes = canvas(2.0)
        axes.plot([0, 1], [0.25, 0.75], "o-", color=CHOSEN, label=label)
        axes.set_xticks([0.25, 0.5])
        axes.legend()
        return inline(figure, "one", label)


@pytest.mark.parametrize("make", FIGURES, ids=lambda make: make.__name__)
def test_a_figure_is_small_speaks_and_has_no_fixed_size_or_colour(make, make_outcome):
    picture = make(make_outcome())
    root = ElementTree.fromstring(picture.svg)
    assert len(picture.svg) < 60_000
    assert root.get("role") == "img"
    assert len(root.get("aria-label")) > 10
    assert root.get("width") is None
    assert not re.search(r"font-family|<style|<metadata|<script", picture.svg)
    plain = re.sub(r"var\(--\w+, #\w{6}\)", "", picture.svg)
    assert set(re.findall(r"#[0-9a-f]{6}\b", plain)) <= {"#000000"}


@pytest.mark.parametrize("make", [learning_curves, parallel_coordinates], ids=lambda make: make.__name__)
def test_a_figure_of_300_trials_is_not_ten_times_as_large(make, make_outcome):
    assert len(make(make_outcome(n_trials=300)).svg) < 250_000


@pytest.mark.parametrize("label", ['<b onclick="x">&amp;', 'd="0.2555" id="y" url(#z) #0b57b0', "$x^2$ 中文 \\frac"])
def test_text_of_a_figure_stays_as_it_is(label):
    root = ElementTree.fromstring(drawn(label))
    assert label in [element.text for element in root.iter() if element.tag.endswith("text")]
    assert root.get("aria-label") == label


def test_numbers_on_axes_keep_their_digits():
    root = ElementTree.fromstring(drawn("line"))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"0.25", "0.50"} <= set(texts)


def test_ids_of_two_figures_differ(make_outcome):
    outcome = make_outcome()
    ids = [re.findall(r'\sid="([^"]+)"', make(outcome).svg) for make in FIGURES]
    together = [name for each in ids for name in each]
    assert len(together) == len(set(together)) > 5


def test_figures_that_have_nothing_to_show_are_left_out(make_outcome):
    outcome = make_outcome(n_trials=1, verdict=None, gain=None)
    assert [make(outcome) is None for make in FIGURES] == [True, False, False, True, True]
    nothing = replace(outcome, incumbent=None, rows=(), result=replace(outcome.result, entries=()))
    assert learning_curves(nothing) is None
    assert score_over_time(nothing) is None


def test_what_is_compared_is_drawn_as_a_curve_where_it_is_known(make_outcome):
    outcome = make_outcome()
    without = replace(outcome, rows=tuple(replace(row, curve=()) for row in outcome.rows))
    dashes = [learning_curves(each).svg.count("stroke-dasharray") for each in (outcome, without)]
    lengths = [len(learning_curves(each).svg) for each in (outcome, without)]
    assert dashes[0] == dashes[1] > 0
    assert lengths[0] > lengths[1]


def test_the_band_is_told_only_where_there_is_one(make_outcome):
    assert "90 % interval predicted" in learning_curves(make_outcome()).caption
    assert "predicted" not in learning_curves(make_outcome(bands={})).caption


def test_scores_outside_of_their_interval_are_counted(make_outcome):
    configuration = Configuration({"lr": 1.0})
    pairs = ((0.5, 0.1, 0.6), (0.5, 0.1, 0.9), (0.98, 0.1, 1.0))
    verdict = Verdict(tuple(Forecast(configuration, 1, *pair, 0) for pair in pairs), 0.0, 0.0)
    caption = predicted_observed(make_outcome(verdict=verdict)).caption
    assert caption.startswith("2 of 3 scores lie in the 90 % interval predicted of them (crosses do not)")


def test_parallel_coordinates_leave_out_what_does_not_vary_and_mark_what_is_off(make_outcome):
    outcome = make_outcome()
    texts = [e.text for e in ElementTree.fromstring(parallel_coordinates(outcome).svg).iter() if e.text]
    assert {"optimizer", "adamw", "adafactor", "sgd", "off", "label accuracy"} <= set(texts)
    alone = [replace(e) for e in outcome.result.entries if e.suggestion.configuration == outcome.space.default]
    same = replace(outcome, rows=(), result=replace(outcome.result, entries=tuple(alone * 2)))
    assert parallel_coordinates(same) is None
