"""Budgets of time that are too short for one slice."""

import numpy as np
import pytest

from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.trials import task_setup
from lightning_quicktune.tuning import short_budget
from lightning_quicktune.tuning.short_budget import ShortBudget
from lightning_quicktune.tuning.timekeeper import Timekeeper
from lightning_quicktune.tuning.tune import tune
from lightning_quicktune.types import Configuration

POOL = (Configuration({"lr": 0.1}), Configuration({"lr": 0.2}))


class Curves(CurveModel):
    """Foretells that a record takes 2 and 3 reference steps."""

    def __init__(self):
        """Has learned nothing."""

    def slice_costs_s(self, configurations, reference_step_s, records_per_slice):
        return np.array([2.0, 3.0])[: len(configurations)] * reference_step_s * records_per_slice


@pytest.fixture
def budget(settings, tmp_path, monkeypatch):
    """A budget of 60 seconds, of which 20 are spent; a slice has 16 records."""
    monkeypatch.setattr(short_budget, "time_reference_step", lambda recipe, threads: speed[0])
    speed, now = [1.0], [20.0]

    def make(curves=None, records=16, step_s=1.0):
        speed[0] = step_s
        keeper = Timekeeper(60.0, tmp_path / "time.json", began=0.0, clock=lambda: now[0])
        recipe = {"data": {"init_args": {"records_per_slice": records} if records else {}}}
        return ShortBudget(settings(budget={"seconds": 60}), keeper, recipe, curves, POOL)

    make.now = now
    return make


def test_less_than_the_cheapest_slice_is_refused(budget):
    budget(Curves(), step_s=1.0).check()  # 32 seconds
    message = r"`budget.seconds` is 60, .* slice takes 35 s or more here, .* 6 s, and 40 s are left.* to 173 or more"
    with pytest.raises(ValueError, match=message):
        budget(Curves(), step_s=1.1).check()


@pytest.mark.parametrize("made", [{}, {"curves": Curves(), "records": None}])
def test_where_nothing_tells_what_slices_take_none_is_refused(budget, made):
    budget(**made, step_s=1e9).check()


def test_costs_that_nobody_knows_refuse_nothing(budget):
    class Unknown(Curves):
        def slice_costs_s(self, *asked):
            return np.full(2, np.nan)

    budget(Unknown()).check()


def test_nothing_left_is_refused_unless_a_search_has_begun(budget, tmp_path):
    late = budget()
    budget.now[0] = 65.0
    with pytest.raises(ValueError, match=r"nothing is left of it .*: starting took 20 s, and describing .* 45 s until"):
        late.check()
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "observations.jsonl").touch()
    late.check()


def test_a_slow_machine_is_said_before_anything_is_described(settings, monkeypatch):
    monkeypatch.setattr(short_budget, "time_reference_step", lambda recipe, threads: 1e5)
    monkeypatch.setattr(task_setup, "_describe", None)
    changes = {"searcher": None, "surrogates": {"curves": "nano"}, "space": None, "max_fidelity": None}
    with pytest.raises(ValueError, match=r"too short: one slice takes \d{6,} s or more here"):
        tune(settings(**changes, allow_other_base_model=True, budget={"seconds": 600}))
