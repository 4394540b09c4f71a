"""Costs of trials that ran on machines of several speeds."""

import numpy as np
import pytest

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.speed import at_one_speed
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.replay.pool import task_pool


@pytest.fixture
def table(space, make_task, make_trial):
    """Two trials of one task, as they are recorded on one machine."""
    task = make_task("shop")
    return build([make_trial(task, c) for c in (space.default, *space.sample(1, seed=1))], [task], space, "o", "l")


def slowed(table, config_id, factor):
    """The same, had one trial run on a machine that takes so many times as long."""
    trials, its = table.trials.copy(), table.trials["config_id"] == config_id
    for name in ("cost_s", "cost_cpu_s", "reference_step_s"):
        trials.loc[its, name] *= factor
    return MetaDataset(trials, table.tasks, table.space, table.meta)


def test_a_slow_machine_makes_no_configuration_dearer(table, space):
    slow = slowed(table, space.default.id, 3.0)
    fast, other = (at_one_speed(each).trials["cost_cpu_s"].to_numpy() for each in (table, slow))
    np.testing.assert_allclose(other / fast, (other / fast)[0])
    np.testing.assert_allclose(fast, table.trials["cost_cpu_s"].to_numpy())  # one machine: as recorded
    assert at_one_speed(slow).trials["reference_step_s"].nunique() == 1


def test_the_pool_pays_what_one_machine_would_take(table, space):
    same = task_pool(at_one_speed(table), "shop", "reference").draw(0)
    ends = {config_id: trial.ends_s[-1] for config_id, trial in same.items()}
    drawn = task_pool(at_one_speed(slowed(table, space.default.id, 3.0)), "shop", "reference").draw(0)
    slow = {config_id: trial.ends_s[-1] for config_id, trial in drawn.items()}
    ratios = [slow[config_id] / ends[config_id] for config_id in ends]
    assert ratios[0] == pytest.approx(ratios[1])


def test_wall_seconds_of_a_shared_machine_are_not_paid(table):
    shared = MetaDataset(table.trials.assign(cost_s=1e6), table.tasks, table.space, table.meta)
    np.testing.assert_allclose(at_one_speed(shared).trials["cost_s"], table.trials["cost_cpu_s"])


def test_trials_of_unknown_machines_are_refused(table):
    unknown = MetaDataset(table.trials.assign(reference_step_s=np.nan), table.tasks, table.space, table.meta)
    with pytest.raises(ValueError, match=r"\d+ of \d+ slices have no .*Write `cost: cost_cpu_s`"):
        at_one_speed(unknown)
