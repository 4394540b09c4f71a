from dataclasses import replace

import numpy as np
import pytest

from lightning_quicktune.cli.main import main
from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.by_length import lengthened, moves
from lightning_quicktune.metadataset.describe import describe
from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.types import Configuration

RATES = (1e-4, 1e-3, 1e-2, 1e-1)


@pytest.fixture(scope="module")
def table(space, make_task, make_trial):
    """The best rate is 1e-2 on a short training of the shop, 1e-3 on a long one; the court has one length."""
    shifts = {"shop@400": 10 / 3, "shop@800": 0.0, "shop@1600": 0.0, "court": 0.0}
    per_slice = {"shop@400": 100, "shop@800": 200, "shop@1600": 400, "court": 100}
    tasks = [replace(make_task(n, s), records_per_slice=per_slice[n]) for n, s in shifts.items()]
    configurations = [Configuration({**space.default.values, "lr": rate}) for rate in RATES]
    return build([make_trial(t, c) for t in tasks for c in configurations], tasks, space, "tests", "MIT")


def test_the_shortest_and_the_longest_training_of_a_dataset_are_compared(table):
    arrays = curve_arrays(table)
    (found,) = lengthened(table, arrays)
    assert (found.dataset, found.records, found.n_configurations) == ("shop", (400, 1600), 4)
    assert [arrays.configurations[place].values["lr"] for place in found.best] == [1e-2, 1e-3]
    long = arrays.final[arrays.tasks.index("shop@1600")]
    lost = long.max() - long[found.best[0]]
    assert found.regret == pytest.approx(lost / (long.max() - np.median(long)))
    assert np.isnan(found.correlation)  # of four configurations


def test_the_best_value_moves(table):
    arrays = curve_arrays(table)
    (move,) = moves(lengthened(table, arrays), arrays, table.space)
    assert move == ("lr", 1, 0, 0, pytest.approx(-1.0))


def test_two_configurations_at_both_lengths_say_nothing(table):
    rows = table.trials
    gone = (rows["task"] == "shop@400") & rows["lr"].isin(RATES[:2])
    few = replace(table, trials=rows[~gone].reset_index(drop=True))
    assert lengthened(few, curve_arrays(few)) == []
    assert "is trained longer: too few configurations were trained to the end at both" in describe(few)


def test_the_description_tells(table, tmp_path, capsys):
    text = describe(table, importance=False)
    assert "| shop | 400 and 1600 | 4 | unknown | 1." in text
    assert "| lr | 1 | 0 | 0 | -1.00 decades |" in text
    assert "2 configurations are the best of one of 4 tasks; the most frequent," in text
    short, long = (str(save(table.select([name]), tmp_path / name)) for name in ("shop@400", "shop@1600"))
    assert main(["describe", "--meta_dataset", short, "--beside", f"['{long}']", "--importance", "false"]) == 0
    assert "| shop | 400 and 1600 | 4 |" in capsys.readouterr().out
    assert "tells what changes when is trained longer: each has one length." in describe(table.select(["court"]))
