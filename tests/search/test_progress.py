import math

import pytest

from lightning_quicktune.search.lengths import Lengths
from lightning_quicktune.search.progress import Progress
from lightning_quicktune.types import Suggestion


def test_a_suggested_configuration_is_pending_until_it_is_told(five, tell):
    progress = Progress(lengths=2)
    assert progress.suggest(five["a"], 1) == Suggestion(five["a"], 1)
    assert progress.pending == {five["a"]}
    assert not progress.is_open(five["a"].id)
    progress.record(tell(five["a"], [0.5]))
    assert progress.pending == frozenset()
    assert progress.is_open(five["a"].id)


def test_what_failed_or_is_fully_trained_is_closed_even_if_it_was_never_asked_for(five, tell):
    progress = Progress(lengths=2)
    progress.record(tell(five["a"], [0.5, 0.6]))
    progress.record(tell(five["b"], [], failed=True))
    assert not progress.is_open(five["a"].id)
    assert not progress.is_open(five["b"].id)
    assert progress.has_failed(five["b"].id)
    assert progress.scores(five["c"].id) == ()


def test_the_longer_curve_stays(five, tell):
    progress = Progress(lengths=5)
    progress.record(tell(five["a"], [0.5, 0.6]))
    progress.record(tell(five["a"], [0.5], failed=True))
    assert progress.scores(five["a"].id) == (0.5, 0.6)


def test_a_score_that_is_not_finite_is_refused(five, tell):
    with pytest.raises(ValueError, match=r"has the score nan at fidelity 2, .*End such a trial as failed"):
        Progress(3).record(tell(five["a"], [0.5, math.nan]))


def test_each_ends_at_its_own_length(five, tell):
    progress = Progress(Lengths(2, {five["a"].id: 3}))
    assert progress.suggest_to_end(five["a"]).fidelity == 3
    assert progress.suggest_to_end(five["b"]).fidelity == 2
    for letter in "ab":
        progress.record(tell(five[letter], [0.5, 0.6]))
    assert [progress.is_open(five[letter].id) for letter in "ab"] == [True, False]
