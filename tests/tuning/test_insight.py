import numpy as np
import pytest

from lightning_quicktune.search.curve_searchers import curve_transfer
from lightning_quicktune.search.knowledge import SearchContext
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.tuning.experience import load_experience
from lightning_quicktune.tuning.insight import bands, importance, outlook, similar
from lightning_quicktune.tuning.pace import Pace
from lightning_quicktune.tuning.settings import SurrogateSources
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import (
    BaseModelInfo,
    Configuration,
    LearningCurve,
    Observation,
    SliceResult,
    TaskInfo,
)


@pytest.fixture(scope="module")
def experience():
    return load_experience(SurrogateSources(curves="nano"))


@pytest.fixture
def task():
    return TaskInfo("new", BaseModelInfo("nano-phi3", 1000, "ab"), "answer_likelihood", 6, 100, 0.05)


@pytest.fixture
def pace(tmp_path):
    return Pace(Timekeeper(None, tmp_path / "time.json"), lambda configuration: 2.0, 5.0)


@pytest.fixture
def curves(experience, task):
    """A searcher that nothing was told yet."""
    space = experience.space
    pool = (space.default, *space.sample(40, seed=0))
    return curve_transfer(SearchContext(pool, task, space, 1.0, 0, experience), experience.curves)


def tell(curves, configuration, scores):
    slices = tuple(SliceResult(f, s, 1.0, 1.0, 10) for f, s in enumerate(scores, start=1))
    curves.tell(Observation(configuration, LearningCurve(slices), False, float(len(scores))))


def test_bands_are_what_was_expected_before_any_training(experience, task):
    tried = experience.space.sample(3, seed=1)
    found = bands(tried, task, experience)
    assert found.keys() == {c.id for c in tried}
    for band in found.values():
        assert [s.fidelity for s in band] == list(range(1, 7))
        assert all(0 <= s.lower <= s.score <= s.upper <= 1 for s in band)
    assert bands(tried, task, load_experience(None)) == {}


def test_what_the_scores_do_not_depend_on_matters_nothing(experience, task, monkeypatch):
    def of_rate_alone(configurations, task, experience):
        scores = np.array([c.values.get("lr", 0.0) for c in configurations])[:, None]
        return scores, type("Expected", (), {"score": scores})

    monkeypatch.setattr("lightning_quicktune.tuning.insight.predicted_curves", of_rate_alone)
    found = dict(importance(task, experience, experience.space, 0))
    assert sum(found.values()) == pytest.approx(1.0)
    assert set(found) == set(experience.space.names)
    assert found["lr"] + found["optimizer"] == pytest.approx(1.0)
    assert min(found["lr"], found["optimizer"]) > 0  # another optimizer has no `lr`


def test_shares_of_an_additive_score_are_those_of_its_variances(task, experience, monkeypatch):
    space = SearchSpace.from_dict(
        {name: {"key": name, "domain": {"type": "float", "bounds": [0.0, 1.0], "default": 0.5}} for name in "ab"}
    )

    def additive(configurations, task, experience):
        scores = np.array([c.values["a"] + 2 * c.values["b"] for c in configurations])[:, None]
        return scores, type("Expected", (), {"score": scores})

    monkeypatch.setattr("lightning_quicktune.tuning.insight.predicted_curves", additive)
    ((first, share), (second, rest)) = importance(task, experience, space, 0)
    assert (first, second) == ("b", "a")
    assert share == pytest.approx(0.8, abs=0.06)
    assert rest == pytest.approx(1 - share)


def test_joint_beliefs_are_those_of_each_score_with_what_goes_together(curves):
    pool = curves.pool
    tell(curves, pool[3], (0.3, 0.4, 0.5))
    mean, covariance = curves.ends(pool[:5])
    means, covariances = curves.posterior.moments()
    assert mean == pytest.approx(means[:5, -1], abs=1e-3)  # which leaves out negligible scales
    assert np.diag(covariance) == pytest.approx(covariances[:5, -1, -1], rel=0.05)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_the_task_whose_curves_a_search_has_seen_is_the_most_similar(curves, experience):
    """Scores are told as the model predicts them on one training task."""
    model, pool = experience.curves, curves.pool
    assert similar(curves, experience) == ()
    known = model.prior.predictor.predict(model.card.encode(pool))
    names = sorted([*model.card.provenance["training_tasks"], *model.card.provenance["validation_tasks"]])
    which = names.index("suite-operas-labels")
    for place in range(0, 40, 2):
        ends = np.clip(0.5 + 0.15 * known[which, place], 0.01, 0.99)
        tell(curves, pool[place], np.interp(np.arange(1, 7), [1, 2, 3, 4, 6], ends).tolist())
    found = similar(curves, experience)
    assert len(found) == 5
    assert "suite-operas-labels" in {each.task for each in found}
    assert [each.closeness for each in found] == sorted((each.closeness for each in found), reverse=True)
    assert all(0 < each.closeness <= 1 for each in found)


def test_where_nothing_better_is_to_be_expected_the_advice_is_to_stop(curves, pace):
    tell(curves, curves.pool[0], (0.2, 0.3, 0.4, 0.4, 0.4, 0.4))
    low, high = outlook(curves, pace, 6, 0.05), outlook(curves, pace, 6, 1.0)
    assert low.gain > 0.01
    assert low.words.endswith("worth going on.")
    assert high.gain == 0.0
    assert high.words == "Another 10 minutes would likely bring about +.00: stop here."


def test_a_while_that_is_too_short_for_a_training_promises_nothing(curves, pace):
    short = outlook(curves, pace, 6, 0.05, minutes=0.1)
    assert short.gain == 0.0
    assert "end before the most promising training does, which takes about 0: what they bring" in short.words
    slow = Pace(pace._timekeeper, lambda configuration: 600.0, 5.0)
    assert "which takes about 60: what" in outlook(curves, slow, 6, 0.05).words
    for configuration in curves.pool:
        tell(curves, configuration, (0.2, 0.3, 0.4, 0.4, 0.4, 0.4))
    assert outlook(curves, pace, 6, 0.05).words == "Every candidate is trained to its end: more time brings nothing."


def test_configurations_of_another_space_are_not_expected_anything(curves):
    assert curves.expected(Configuration({"depth": 3}), 2) is None
    mean, std = curves.expected(curves.pool[0], 6)
    assert std > 0
    assert mean == pytest.approx(curves.posterior.reported(0, len(curves.prior.shares) - 1)[0])
