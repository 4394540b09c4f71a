import numpy as np
import pytest

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.replay.lessons import Lessons
from lightning_quicktune.replay.settings import SurrogateTraining


@pytest.fixture
def lessons(source, tmp_path):
    table = load(source).select(["t0", "t1", "t2"])
    return lambda: Lessons(table, tmp_path, SurrogateTraining(epochs=1, steps_per_epoch=3, n_support=32), 0)


@pytest.mark.parametrize("lesson", ["surrogates", "surrogates_undescribed", "prior"])
def test_a_lesson_is_learned_once(lessons, tmp_path, lesson):
    first = lessons()
    assert not first.has(lesson)
    first.learn(lesson)
    assert first.has(lesson)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    lessons().learn(lesson)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == stamps


def test_trained_surrogates_are_read_back(lessons, source):
    first, again, table = lessons().knowledge("surrogates"), lessons().knowledge("surrogates"), load(source)
    task, configurations = table.task_info("t4"), table.space.sample(3, seed=5)
    asked = (task, configurations, [()] * 3, [4] * 3)
    np.testing.assert_array_equal(first.performance.predict(*asked)[0], again.performance.predict(*asked)[0])


def test_surrogates_may_be_trained_without_meta_features(lessons):
    learned = lessons().knowledge("surrogates_undescribed")
    for model in (learned.performance, learned.cost):
        assert model.card.layout.meta_features == ()


def test_a_learned_prior_is_read_back(lessons, source):
    asked = load(source).space.sample(3, seed=5)
    first, again = (lessons().knowledge("prior").curves.pool_prior(asked) for _ in range(2))
    for name in ("mean", "loadings", "finals", "shapes", "noise", "log_cost", "locations", "scales", "temperatures"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name), err_msg=name)


def test_a_learned_prior_is_plain_numbers(lessons, tmp_path):
    """Nothing that runs code when it is read."""
    lessons().learn("prior")
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".json", ".safetensors"}


def test_surrogates_can_be_trained_on_the_marginal_likelihood(lessons, source, tmp_path):
    marginal = SurrogateTraining(epochs=1, steps_per_epoch=3, n_support=32, objective="marginal")
    other = Lessons(load(source).select(["t0", "t1", "t2"]), tmp_path / "marginal", marginal, 0)
    table = load(source)
    asked = (table.task_info("t4"), table.space.sample(3, seed=5), [()] * 3, [4] * 3)
    means = [each.knowledge("surrogates").performance.predict(*asked)[0] for each in (lessons(), other)]
    assert not np.allclose(*means)
