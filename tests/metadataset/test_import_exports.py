"""Tables as tools export them: Optuna, scikit-learn, Ray Tune, W&B. Each has the right costs, endings and numbers."""

import numpy as np
import pandas as pd
import pytest

from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.describe import describe
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.import_settings import ColumnNames, ImportSettings
from lightning_quicktune.metadataset.import_table import import_table


@pytest.fixture
def run(tmp_path):
    def run(frame, **changes):
        path = tmp_path / "digits.csv"
        frame.to_csv(path, index=False)
        fields = {"origin": "tests", "licence": "MIT", "hyperparameters": ["lr"]}
        return import_table(ImportSettings(str(path), str(tmp_path / "out"), **{**fields, **changes}))

    return run


def curves_of(imported):
    return sorted(load(imported.folder).curves(), key=lambda curve: curve.scores)


def epochs(n=4, **columns):
    """Three epochs of each configuration."""
    rows = [
        {"task": "t", "run": r, "lr": 0.1 + r, "epoch": e, "acc": 0.1 * r + 0.01 * e}
        for r in range(n)
        for e in (0, 1, 2)
    ]
    return pd.DataFrame(rows).assign(**columns)


NAMES = {"config_id": "run", "fidelity": "epoch", "score": "acc"}


def test_a_study_of_optuna(run):
    """One row per trial, of one task, with durations and states in Optuna's words."""
    frame = pd.DataFrame(
        {
            "number": range(5),
            "value": [0.5, 0.6, 0.7, 0.3, np.nan],
            "duration": pd.to_timedelta([60.0, 90.5, 3600.0, 20.0, 1.0], unit="s"),
            "params_lr": [0.1, 0.2, 0.3, 0.4, 0.5],
            "state": ["COMPLETE"] * 3 + ["PRUNED", "FAIL"],
        }
    )
    columns = ColumnNames(None, "number", None, "value", "duration", status="state")
    with pytest.raises(ValueError, match=r'`statuses: \{"COMPLETE": completed, "PRUNED": stopped, "FAIL": failed\}`'):
        run(frame, columns=columns, hyperparameters=["params_lr"])
    statuses = {"COMPLETE": "completed", "PRUNED": "stopped", "FAIL": "interrupted"}
    imported = run(frame, columns=columns, hyperparameters=["params_lr"], statuses=statuses)
    table = load(imported.folder)
    assert table.task_names == ("digits",)
    assert [curve.outcome for curve in curves_of(imported)] == ["interrupted", "partial", "full", "full", "full"]
    assert [curve.costs_s for curve in curves_of(imported)][1:] == [(20.0,), (60.0,), (90.5,), (3600.0,)]


def test_results_of_a_grid_search_of_scikit_learn(run):
    """Neither a task nor an id nor an epoch; equal settings are repetitions."""
    frame = pd.DataFrame(
        {
            "mean_fit_time": [0.1, 0.2, 0.3, 0.4],
            "param_C": [0.1, 1, 10, 10],
            "param_gamma": ["scale", 0.5, "", 0.25],
            "param_kernel": ["rbf", "rbf", "linear", "rbf"],
            "mean_test_score": [0.5, 0.6, 0.7, 0.8],
        }
    )
    columns = ColumnNames(None, None, None, "mean_test_score", "mean_fit_time")
    names = ["param_C", "param_kernel", "param_gamma"]
    imported = run(pd.concat([frame, frame.iloc[:1]]), columns=columns, hyperparameters=names)
    assert [(curve.scores, curve.costs_s, curve.seed) for curve in curves_of(imported)] == [
        ((0.5,), (0.1,), 0),
        ((0.5,), (0.1,), 1),
        ((0.6,), (0.2,), 0),
        ((0.7,), (0.3,), 0),
        ((0.8,), (0.4,), 0),
    ]


def test_what_need_not_be_there_is_said(run):
    for name, told in (("task", "all rows are of one task"), ("run", "hyperparameters tell"), ("epoch", "each row is")):
        with pytest.raises(ValueError, match=rf"has no column '{name}'.*If {told}.*set `columns\.\w+: null`"):
            run(epochs().drop(columns=name), columns=ColumnNames(**NAMES))
    with pytest.raises(ValueError, match=r"Configuration 0 of task 't' has several rows, but `columns\.fid"):
        run(epochs(), columns=ColumnNames(**{**NAMES, "fidelity": None}))
    imported = run(epochs().drop(columns="run"), columns=ColumnNames(**{**NAMES, "config_id": None}))
    assert [curve.fidelity for curve in curves_of(imported)] == [3] * 4


def test_costs_that_are_counted_from_the_start(run):
    frame = epochs(seconds=[1.0, 3.0, 6.0] * 4)
    columns = ColumnNames(**NAMES, cost="seconds")
    assert "costs in 'seconds' rise along every learning curve" in run(frame, columns=columns).notes[0]
    imported = run(frame, columns=columns, cumulative_costs=True)
    assert imported.notes == ()
    assert {curve.costs_s for curve in curves_of(imported)} == {(1.0, 2.0, 3.0)}
    frame.loc[1, "seconds"] = np.nan
    assert curves_of(run(frame, columns=columns, cumulative_costs=True))[0].costs_s[2] == 5.0
    frame.loc[4, "seconds"] = 7.0
    with pytest.raises(ValueError, match=r"'seconds' falls by 1 s within a learning curve, but `cumulative_costs`"):
        run(frame, columns=columns, cumulative_costs=True)


def test_costs_in_other_units(run):
    frame = epochs(minutes=2.0)
    columns = ColumnNames(**NAMES, cost="minutes")
    assert run(frame, columns=columns).notes == (
        "costs in 'minutes' are read as seconds; if they are not, say so by `cost_unit`",
    )
    imported = run(frame, columns=columns, cost_unit="minutes")
    assert (imported.notes, curves_of(imported)[0].costs_s) == ((), (120.0, 120.0, 120.0))
    for cost in (-1.0, np.inf):
        with pytest.raises(ValueError, match=r"'minutes' has a cost of .* s, but a slice takes"):
            run(epochs(minutes=cost), columns=columns)


def test_durations_in_parquet_are_seconds(tmp_path):
    frame = epochs(spent=pd.to_timedelta(90.0, unit="s"))
    frame.to_parquet(tmp_path / "t.parquet")
    columns = ColumnNames(**NAMES, cost="spent")
    settings = ImportSettings(str(tmp_path / "t.parquet"), str(tmp_path / "out"), "t", "MIT", columns, ["lr"])
    assert curves_of(import_table(settings))[0].costs_s == (90.0, 90.0, 90.0)


def test_rows_that_were_written_twice_count_once(run):
    frame = epochs(note="x")
    imported = run(pd.concat([frame, frame.iloc[3:6]]), columns=ColumnNames(**NAMES))
    assert "left out 3 rows that are copies of others in every column" in imported.notes
    assert [curve.fidelity for curve in curves_of(imported)] == [3] * 4
    assert curve_arrays(imported.table).final[0].max() == pytest.approx(0.32)
    other = frame.iloc[3:6].assign(note="y")  # perhaps a repetition that happens to score the same
    with pytest.raises(ValueError, match="has epoch 0 twice"):
        run(pd.concat([frame, other]), columns=ColumnNames(**NAMES))


def test_statuses_without_their_column_are_refused():
    with pytest.raises(ValueError, match=r"`statuses` says .* but `columns\.status` names none"):
        ImportSettings("t.csv", "out", "t", "MIT", statuses={"done": "completed"})


@pytest.mark.parametrize(
    ("scores", "changes", "match"),
    [
        ([-2.0, -1.0, -0.5, -0.1], {}, r"-2 to -0\.1.*a log-likelihood x into -x, a coefficient .* 1 - x"),
        ([-2.0, 1.0, 2.0, 3.0], {"score_scale": "nats"}, r"losses are at least 0.*Add the same number to all"),
        ([85.0, 90.0, 300.0, 400.0], {"score_scale": "nats"}, r"85 to 400.*exp\(-85\) is 1e-37.*Divide the column"),
    ],
)
def test_scores_beside_their_scale_are_refused_with_what_helps(run, scores, changes, match):
    frame = epochs().query("epoch == 0").assign(acc=scores)
    with pytest.raises(ValueError, match=match):
        run(frame, columns=ColumnNames(**NAMES), minimise="score_scale" in changes, **changes)


def test_shares_that_are_read_as_percentages_are_told(run):
    imported = run(epochs(), columns=ColumnNames(**NAMES), score_scale="percent")
    assert "no score in 'acc' is above 1 per cent; if they are shares, set `score_scale: unit`" in imported.notes


def test_what_is_said_of_empty_scores_is_true(run):
    """The last evaluation is missing, and a trial that failed at once is kept."""
    frame = epochs(state="completed", cost_s=1.0)
    frame.loc[2, "acc"] = np.nan
    frame.loc[[3, 4, 5], "state"] = "failed"
    frame.loc[[3, 4, 5], "acc"] = np.nan
    imported = run(frame, columns=ColumnNames(**NAMES, status="state"))
    assert imported.notes == (
        "left out 1 rows without a score; what they cost is part of the next slice, if one follows",
    )
    assert sorted(curve.fidelity for curve in curves_of(imported)) == [0, 2, 3, 3]


def test_the_sum_of_costs_says_of_how_many_slices_it_is(run):
    for lost, told in ((0, "All slices took 12.0"), (1, "The 11 of 12 slices whose cost is known took 11.0")):
        frame = epochs(cost_s=[np.nan] * lost + [3600.0] * (12 - lost))
        table = load(run(frame, columns=ColumnNames(**NAMES)).folder)
        assert told in describe(table, importance=False)


def test_hyperparameters_that_only_the_first_row_tells(run):
    frame = epochs(optimizer=["sgd", "", "", "adam", "", ""] * 2, momentum=[0.9, "", "", "", "", ""] * 2)
    frame["lr"] = frame["lr"].where(frame["epoch"] == 0)
    imported = run(frame, columns=ColumnNames(**NAMES), hyperparameters=["lr", "optimizer", "momentum"])
    found = [(c.configuration.values["lr"], c.configuration.values["optimizer"]) for c in curves_of(imported)]
    assert found == [(0.1, "sgd"), (1.1, "adam"), (2.1, "sgd"), (3.1, "adam")]
    assert "what some rows of a learning curve tell of `lr`, `optimizer`, `momentum` holds for all" in imported.notes[1]
    assert imported.constants == {"momentum": 0.9}


def test_the_output_is_no_file(run, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FileExistsError, match=r"`output` is .*out, which is a file.*Name another place"):
        run(epochs(), columns=ColumnNames(**NAMES))
