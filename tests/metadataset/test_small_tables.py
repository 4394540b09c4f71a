"""Tables as people have them: few tasks, ties, failures. Each is imported, read back and described."""

import warnings

import numpy as np
import pandas as pd
import pytest

from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.describe import describe
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.import_settings import ColumnNames, ImportSettings
from lightning_quicktune.metadataset.import_table import import_table

N = 24  # configurations


def long_table(n_tasks, score):
    """Three epochs each of configurations that differ in a learning rate and an optimizer."""
    draw = np.random.default_rng(0)
    rows = [
        {"task": t, "config_id": c, "lr": round(10.0 ** -(1 + c / 8), 4), "optimizer": "sgd" if c % 3 else "adam",
         "fidelity": f, "score": score(t, c, f, draw), "cost_s": 1.0}
        for t in range(n_tasks) for c in range(N) for f in (1, 2, 3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def random(t, c, f, draw):
    return draw.random()


def constant(t, c, f, draw):
    return 0.5


def tied(t, c, f, draw):
    return 0.25 * (c % 3)


def half_at_chance(t, c, f, draw):
    return 0.5 if c % 2 else 0.5 + 0.4 * draw.random()


def a_quarter_diverged(t, c, f, draw):
    return "nan" if c % 4 == 3 and f > c % 3 else draw.random()


@pytest.fixture
def run(tmp_path):
    def run(frame, **changes):
        frame.to_csv(tmp_path / "table.csv", index=False)
        fields = {"origin": "tests", "licence": "MIT", "hyperparameters": ["lr", "optimizer"], "nan": "diverged"}
        settings = ImportSettings(str(tmp_path / "table.csv"), str(tmp_path / "out"), **{**fields, **changes})
        table = load(import_table(settings).folder)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            text = describe(table, importance=False)
        assert "nan" not in text
        return table, text

    return run


@pytest.mark.parametrize("score", [random, constant, tied, half_at_chance, a_quarter_diverged])
@pytest.mark.parametrize("n_tasks", [1, 2, 5])
@pytest.mark.parametrize("shares", [None, 1])
def test_every_small_table_is_described(run, score, n_tasks, shares):
    table, text = run(long_table(n_tasks, score), shares=shares)
    arrays = curve_arrays(table)
    assert len(table.curves()) == n_tasks * N
    n_failed = N // 4 if score is a_quarter_diverged else 0
    assert (arrays.outcome == "failed").sum() == n_tasks * n_failed
    assert (("failed: diverged" in text) and f"| diverged | {n_tasks * n_failed} | 25.0% |" in text) == (n_failed > 0)
    assert ("There is one task only" in text) == (n_tasks == 1)
    assert ("All final scores are equal on" in text) == (score is constant)
    assert ("There is one score per training" in text) == (shares == 1)


def test_tasks_with_one_configuration_in_common(run):
    frame = long_table(3, random)
    frame["lr"] = 0.1 + frame["config_id"] + np.where(frame["config_id"] > 0, 100 * frame["task"], 0)
    table, text = run(frame)
    assert "| final scores of two tasks | unknown | unknown | unknown | 0 |" in text
    assert "70 configurations of 2 hyperparameters; 1 were tried on every task" in text
    common = table.space.default
    assert (curve_arrays(table).outcome[:, curve_arrays(table).configurations.index(common)] == "full").all()


def test_one_configuration_on_each_task(run):
    frame = long_table(5, random)
    _, text = run(frame[frame["config_id"] == frame["task"]])
    assert "- 5 tasks, 5 trials, 15 slices" in text


def test_all_of_a_task_may_have_failed(run):
    frame = long_table(2, random)
    frame["score"] = frame["score"].astype(object).where(frame["task"] > 0, "nan")
    table, text = run(frame)
    assert table.task_info("0").max_fidelity == 3
    assert "| 0 | 24 | 3 | unknown | unknown | unknown | 50 |" in text


def test_an_optuna_study_is_imported_once_its_states_are_rewritten(run):
    """One row per trial; what was pruned has a value and what failed has none."""
    words = {"COMPLETE": "completed", "PRUNED": "stopped", "FAIL": "failed"}
    states = ["COMPLETE"] * 18 + ["PRUNED"] * 4 + ["FAIL"] * 2
    frame = long_table(1, random).query("fidelity == 3").reset_index(drop=True)
    frame = frame.assign(state=states, score=frame["score"].where(np.array(states) != "FAIL"))
    with pytest.raises(ValueError, match=r"'COMPLETE' .18, perhaps completed."):
        run(frame, columns=ColumnNames(status="state"))
    table, text = run(frame.assign(state=frame["state"].map(words)), columns=ColumnNames(status="state"))
    arrays = curve_arrays(table)
    assert [int((arrays.outcome == kind).sum()) for kind in ("full", "partial", "failed")] == [18, 4, 2]
    assert "completed 18, stopped 4, failed: diverged 2" in text


def test_trainings_of_different_lengths_count_to_their_own_end(run):
    frame = long_table(2, random)
    table, text = run(frame[frame["fidelity"] <= 1 + frame["config_id"] % 3])
    arrays = curve_arrays(table)
    assert (arrays.outcome == "full").all()
    assert np.isfinite(arrays.final).all()
    assert "| 0 | 24 | 1 to 3 |" in text
