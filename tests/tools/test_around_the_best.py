"""Neighbours of the best configuration, each of which the widened search space holds."""

from pathlib import Path

import pytest

from lightning_quicktune.metadataset.folder import load

TOOLS = Path(__file__).parents[2] / "tools" / "benchmarks"


@pytest.fixture
def around(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import around_the_best

    return around_the_best


def test_each_neighbour_differs_in_one_value_and_what_goes_with_it(around):
    space = load("smollm2").space
    wide = around.widened(space)
    best, wins, n_tasks = around.best_configuration("smollm2")
    assert 0 < wins <= n_tasks == 12
    found = dict(around.neighbours(best, wide))
    for words, neighbour in found.items():
        wide.check(neighbour)
        name = words.split(":")[0]
        assert neighbour.values[name] != best.values[name]
        changed = {key for key, value in best.values.items() if neighbour.values.get(key) != value}
        gone_with = {"optimizer": {"adafactor_lr"}, "schedule": {"warmup_fraction"}}.get(name, set())
        assert changed <= {name} | gone_with
    assert {"batch_size: 1", "batch_size: 2", "batch_size: 8", "batch_size: 16"} <= set(found)
    assert "batch_size: 32" not in found  # three steps away
    (small,) = (neighbour for words, neighbour in found.items() if words == "batch_size: 2")
    assert wide.overrides(small)["data.init_args.batch_size"] == 2
    with pytest.raises(ValueError, match="batch_size"):
        space.check(small)
