import pytest

from lightning_quicktune.tuning.slow_slice import SlowSlice
from lightning_quicktune.tuning.timekeeper import Timekeeper


@pytest.fixture
def steps(tmp_path):
    """Ends steps of a slice of twelve, one each so many of 100 seconds: ``(first, last, each)``."""
    now, said = [0.0], []
    slow = SlowSlice(Timekeeper(100.0, tmp_path / "time.json", began=0.0, clock=lambda: now[0]), said.append)

    def end(first, last, each_s):
        for step in range(first, last + 1):
            now[0] += each_s
            slow.step("ab", step, 12)
        return said

    return end


def test_a_slice_that_ends_after_the_budget_is_said_once_and_early(steps):
    assert steps(1, 2, 15.0) == []
    (words,) = steps(3, 8, 15.0)
    assert words.startswith("A slice takes about 180 s here, and 55 s are left: this one ends 80 s late, and its test")


def test_a_slice_that_fits_is_not_spoken_of(steps):
    assert steps(1, 12, 4.0) == []
    assert len(steps(1, 12, 8.0)) == 1  # the second one doesn't


def test_without_a_budget_of_time_nothing_is_late(tmp_path):
    said = []
    slow = SlowSlice(Timekeeper(None, tmp_path / "time.json"), said.append)
    for step in (1, 2, 3):
        slow.step("ab", step, 10**9)
    assert said == []
