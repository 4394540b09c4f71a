from types import SimpleNamespace

import pytest

from lightning_quicktune.tuning import timekeeper
from lightning_quicktune.tuning.pace import Pace, new_slices_s
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.types import Configuration, LearningCurve, SliceResult, Suggestion

FIRST, SECOND = Configuration({"lr": 0.1}), Configuration({"lr": 0.2})


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keeper(tmp_path, clock):
    return Timekeeper(100.0, tmp_path / "time.json", clock=clock)


def test_what_earlier_starts_spent_is_spent(tmp_path, clock, keeper):
    clock.now = 30.0
    keeper.keep()
    clock.now = 1000.0
    again = Timekeeper(100.0, tmp_path / "time.json", began=990.0, clock=clock)
    assert (again.spent_s, again.left_s) == (40.0, 60.0)
    clock.now = 2000.0
    assert again.left_s == 0.0
    assert Timekeeper(None, tmp_path / "time.json", clock=clock).left_s is None


def test_the_end_is_kept_back_and_a_suggestion_is_cut_to_what_fits(clock, keeper):
    pace = Pace(keeper, lambda configuration: 10.0, report_s=5.0)
    pace.saw_test(12.0)
    pace.saw_test(15.0)
    assert (pace.reserve_s, pace.free_s) == (20.0, 80.0)
    assert pace.cut(Suggestion(FIRST, 4), 0) == Suggestion(FIRST, 4)
    assert pace.cut(Suggestion(FIRST, 9), 1) == Suggestion(FIRST, 8)  # seven slices of eleven seconds
    assert pace.cut(Suggestion(FIRST, 9), 0, promised=5) == Suggestion(FIRST, 2)
    clock.now = 70.0
    assert pace.cut(Suggestion(FIRST, 9), 0) is None
    assert not pace.fits(10.0)
    assert pace.fits(9.0)
    assert not pace.fits(9.0, share=0.9)


def test_what_others_are_promised_is_in_the_way_only_of_those_that_share_a_worker(keeper):
    for in_the_way, expected in ((1.0, 2), (0.5, 4), (0.0, 7)):
        pace = Pace(keeper, lambda configuration: 10.0, 20.0, in_the_way)
        assert pace.cut(Suggestion(FIRST, 9), 0, promised=5) == Suggestion(FIRST, expected)


def test_slices_are_foretold_by_what_others_took_beyond_what_was_foretold(keeper):
    pace = Pace(keeper, lambda configuration: 100 * configuration.values["lr"], report_s=5.0)
    assert pace.slice_s(SECOND) == 20.0
    pace.saw_slices(FIRST, [30.0, 30.0])
    assert pace.slice_s(FIRST) == 30.0
    assert pace.slice_s(SECOND) == 60.0
    pace.saw_slices(SECOND, [50.0])
    pace.saw_slices(SECOND, [])  # a trial that failed in its first slice
    assert pace.slice_s(SECOND) == pytest.approx(50.0)


def test_one_slow_slice_explodes_nothing(keeper):
    """It takes 40 times as long as the others, which take what was foretold, wherever it comes."""
    pace = Pace(keeper, lambda configuration: 100 * configuration.values["lr"], report_s=5.0)
    pace.saw_slices(FIRST, [400.0])
    assert (pace.slice_s(FIRST), pace.slice_s(SECOND)) == (30.0, 60.0)
    pace.saw_slices(FIRST, [10.0, 10.0])
    assert (pace.slice_s(FIRST), pace.slice_s(SECOND)) == (10.0, 20.0)
    pace.saw_slices(SECOND, [800.0])
    assert (pace.slice_s(FIRST), pace.slice_s(SECOND)) == (10.0, 60.0)


def test_three_slow_slices_are_believed(keeper):
    pace = Pace(keeper, lambda configuration: 100 * configuration.values["lr"], report_s=5.0)
    pace.saw_slices(FIRST, [400.0, 380.0, 410.0])
    assert (pace.slice_s(FIRST), pace.slice_s(SECOND)) == (400.0, 800.0)
    fast = Pace(keeper, lambda configuration: 100 * configuration.values["lr"], report_s=5.0)
    fast.saw_slices(FIRST, [0.1])
    assert fast.slice_s(SECOND) == pytest.approx(20.0 / 3)
    fast.saw_slices(FIRST, [0.1, 0.1])
    assert fast.slice_s(SECOND) == pytest.approx(0.2)


def test_what_goes_with_slices_is_theirs_in_equal_shares():
    curve = LearningCurve(tuple(SliceResult(f, 0.1 * f, 2.0 * f, 2.0, 1) for f in range(1, 5)))  # 2, 4, 6, 8 seconds
    assert new_slices_s(curve, 2, 17.0) == (7.5, 9.5)
    assert new_slices_s(curve, 9, 20.0) == (2.0, 4.0, 6.0, 8.0)
    assert new_slices_s(curve, 0, 3.0) == new_slices_s(LearningCurve(), 2, 3.0) == ()


def test_without_seconds_everything_fits(tmp_path):
    pace = Pace(Timekeeper(None, tmp_path / "time.json"), lambda configuration: 1e9, report_s=5.0)
    assert pace.free_s is None
    assert pace.fits(1e9, share=0.1)
    assert pace.cut(Suggestion(FIRST, 9), 0) == Suggestion(FIRST, 9)


def test_waiting_for_workers_is_no_sign_of_a_busy_machine(tmp_path, clock, monkeypatch):
    cpu = Clock()
    monkeypatch.setattr(timekeeper, "time", SimpleNamespace(monotonic=clock, process_time=cpu))
    keeper = Timekeeper(1000.0, tmp_path / "time.json", clock=clock)
    clock.now, cpu.now = 30.0, 20.0
    assert keeper.slowness == 1.5
    keeper.waits_for_others()
    clock.now, cpu.now = 600.0, 24.0
    assert keeper.slowness == 1.5
    assert Pace(keeper, lambda configuration: 1.0, report_s=6.0).reserve_s == 9.0
