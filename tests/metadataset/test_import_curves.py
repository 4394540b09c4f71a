"""What rows of a foreign table mean: lengths, endings, empty scores, holes, shares, losses."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.import_settings import ColumnNames, ImportSettings
from lightning_quicktune.metadataset.import_table import import_table


def table_of(curves, costs=True, **columns):
    """Rows of learning curves given as {(task, number): {fidelity: score}}; a score may be text."""
    rows = [
        {
            "task": task,
            "config_id": number,
            "lr": 0.1 * (1 + number),
            "fidelity": fidelity,
            "score": score,
            "cost_s": 2.0,
        }
        for (task, number), curve in curves.items()
        for fidelity, score in curve.items()
    ]
    frame = pd.DataFrame(rows).assign(**columns)
    return frame if costs else frame.drop(columns="cost_s")


@pytest.fixture
def run(tmp_path):
    def run(frame, **changes):
        path = tmp_path / "table.csv"
        if isinstance(frame, pd.DataFrame):
            frame.to_csv(path, index=False)
        else:
            path = tmp_path / "table.parquet"
            pq.write_table(frame, path)
        fields = {"origin": "tests", "licence": "MIT", "hyperparameters": ["lr"], "output": str(tmp_path / "out")}
        return import_table(ImportSettings(str(path), **{**fields, **changes}))

    return run


def rows_of(imported):
    """Each trial by its task and the number of its configuration."""
    rows = load(imported.folder).curves()
    return {(r.task, round(10 * r.configuration.values["lr"]) - 1): r for r in rows}


RAGGED = {
    ("t", 0): {1000: 0.1, 2000: 0.2, 2350: 0.3},
    ("t", 1): {1000: 0.4, 2000: 0.5, 3000: 0.6, 4000: 0.7, 4100: 0.8},
    ("t", 2): {1000: 0.4},
}


def test_a_curves_last_row_is_the_end_of_its_own_training(run):
    imported = run(table_of(RAGGED))
    rows = rows_of(imported)
    assert [(rows["t", i].max_fidelity, rows["t", i].outcome) for i in range(3)] == [
        (3, "full"),
        (5, "full"),
        (1, "full"),
    ]
    assert rows["t", 0].scores == (0.1, 0.2, 0.3)
    assert load(imported.folder).task_info("t").max_fidelity == 5
    assert sorted(curve_arrays(imported.table).final[0]) == [0.3, 0.4, 0.8]
    [note] = imported.notes
    assert "3 lengths, from 1 to 5 slices" in note
    assert "`ends: stopped` or `columns.status`" in note
    assert run(table_of(RAGGED), ends="training").notes == ()


def test_shorter_curves_may_have_been_stopped(run):
    rows = rows_of(run(table_of(RAGGED), ends="stopped"))
    found = [(rows["t", i].status, rows["t", i].max_fidelity, rows["t", i].outcome) for i in range(3)]
    assert found == [("stopped", 5, "partial"), ("completed", 5, "full"), ("stopped", 5, "partial")]


def test_a_status_says_how_each_trial_ended(run):
    words = ["completed", "stopped", "diverged", "out_of_memory", "interrupted", "failed", "stopped"]
    curves = {("t", i): {1: 0.1, 2: 0.2} for i in range(6)} | {("t", 6): {1: 0.1, 2: 0.2, 3: 0.3}}
    frame = table_of(curves)
    rows = rows_of(run(frame.assign(state=[words[i] for i in frame["config_id"]]), columns=ColumnNames(status="state")))
    outcomes = [rows["t", i].outcome for i in range(7)]
    assert outcomes == ["full", "partial", "failed", "failed", "interrupted", "failed", "partial"]
    assert [rows["t", i].max_fidelity for i in range(7)] == [2, 3, 3, 3, 3, 3, 4]  # the longest was stopped too
    assert rows["t", 3].failure == "out_of_memory"


def test_a_trial_that_failed_before_any_score_is_kept_where_a_status_says_so(run):
    frame = table_of({("t", 0): {1: 0.1}, ("t", 1): {1: 0.2}, ("t", 2): {1: ""}})
    rows = rows_of(run(frame.assign(state=["completed", "completed", "failed"]), columns=ColumnNames(status="state")))
    assert (rows["t", 2].fidelity, rows["t", 2].outcome, rows["t", 2].unfinished_s) == (0, "failed", 2.0)
    for ends in (None, "stopped"):
        imported = run(frame, ends=ends)
        assert set(rows_of(imported)) == {("t", 0), ("t", 1)}
        assert "left out 1 learning curves that have no score" in imported.notes[0]


def test_foreign_words_for_a_status_are_listed(run):
    frame = table_of({("t", i): {1: 0.1} for i in range(4)}).assign(state=["COMPLETE", "COMPLETE", "PRUNED", "odd"])
    with pytest.raises(
        ValueError,
        match=r"'COMPLETE' \(2, perhaps completed\), 'PRUNED' \(1, perhaps stopped\), 'odd' \(1\).*one of com",
    ):
        run(frame, columns=ColumnNames(status="state"))
    with pytest.raises(ValueError, match=r"`ends` is 'stopped', but the column 'state'.*Drop one"):
        run(frame, columns=ColumnNames(status="state"), ends="stopped")


def test_a_score_that_says_nan_is_refused_with_counts(run):
    curves = {("t", i): {1: 0.1, 2: 0.2, 3: 0.3} for i in range(4)}
    curves["t", 2][2], curves["t", 2][3], curves["t", 3][3] = "nan", "NaN", "inf"
    match = r"3 of 12 rows, of 2 configurations .*task 't', configuration 2, fidelity 2.*`nan: diverged`.*empty"
    with pytest.raises(ValueError, match=match):
        run(table_of(curves))
    imported = run(table_of(curves), nan="diverged")
    rows = rows_of(imported)
    assert [rows["t", i].outcome for i in range(4)] == ["full", "full", "failed", "failed"]
    assert [(rows["t", i].scores, rows["t", i].unfinished_s) for i in (2, 3)] == [((0.1,), 2.0), ((0.1, 0.2), 2.0)]
    assert imported.notes == ("2 trials diverged: a score of theirs is not a number",)


def test_an_empty_score_is_no_slice_and_its_cost_is_the_next_ones(run):
    curve = {1: "", 2: 0.1, 3: "", 4: "", 5: 0.2, 6: ""}
    imported = run(table_of({("t", 0): curve, ("t", 1): {2: 0.3, 5: 0.4}}))
    row = rows_of(imported)["t", 0]
    assert (row.scores, row.costs_s, row.outcome, row.unfinished_s) == ((0.1, 0.2), (4.0, 6.0), "full", 0.0)
    assert "left out 4 rows without a score" in imported.notes[0]


def test_the_file_of_lightnings_csv_logger_is_read(run):
    """Rows of the training loss lie between those of validation, the last of each epoch at the same step."""
    rows = [
        {
            "task": "t",
            "config_id": c,
            "lr": lr,
            "epoch": e,
            "step": 10 * e + s,
            "train_loss": 1.0 if s < 9 else "",
            "val_acc": 0.1 * e + lr if s == 9 else "",
        }
        for c, lr in enumerate((0.1, 0.2))
        for e in range(3)
        for s in (4, 8, 9)
    ]
    frame = pd.DataFrame(rows)
    frame.loc[frame["step"] % 10 == 8, "step"] += 1
    for fidelity in ("epoch", "step"):
        found = rows_of(run(frame, columns=ColumnNames(fidelity=fidelity, score="val_acc")))
        assert found["t", 0].scores == pytest.approx((0.1, 0.2, 0.3))
        assert found["t", 0].outcome == "full"
        assert np.isnan(found["t", 0].costs_s).all()


def test_null_and_nan_differ_in_parquet(run):
    scores = [0.1, None, 0.3, 0.1, 0.2, math.nan]
    columns = {
        "task": ["t"] * 6,
        "config_id": [0] * 3 + [1] * 3,
        "lr": [0.1] * 3 + [0.2] * 3,
        "fidelity": [1, 2, 3] * 2,
    }
    table = pa.table({**columns, "score": pa.array(scores, pa.float64())})
    with pytest.raises(ValueError, match=r"1 of 6 rows.*configuration 1, fidelity 3"):
        run(table)
    rows = rows_of(run(table, nan="diverged"))
    assert (rows["t", 0].scores, rows["t", 0].outcome) == ((0.1, 0.3), "full")
    assert (rows["t", 1].scores, rows["t", 1].outcome) == ((0.1, 0.2), "failed")


def test_nan_that_pandas_wrote_as_null_ends_a_diverged_curve(run):
    frame = pd.DataFrame(
        {"task": "t", "config_id": [0, 0, 0, 1, 1, 1], "lr": [0.1] * 3 + [0.2] * 3, "fidelity": [1, 2, 3] * 2,
         "score": [0.1, math.nan, 0.3, 0.1, math.nan, math.nan]}
    )  # fmt: skip
    table = pa.Table.from_pandas(frame)
    assert [r.outcome for r in rows_of(run(table)).values()] == ["full", "full"]
    rows = rows_of(run(table, nan="diverged"))
    assert (rows["t", 0].scores, rows["t", 0].outcome) == ((0.1, 0.3), "full")
    assert (rows["t", 1].scores, rows["t", 1].outcome) == ((0.1,), "failed")


def test_text_among_the_scores_and_costs_is_shown(run):
    with pytest.raises(ValueError, match=r"1 cells in the column 'cost_s' that are no numbers; the first is '3.5 s'"):
        run(table_of(RAGGED).assign(cost_s=["3.5 s"] + [2] * 8))
    with pytest.raises(
        ValueError, match=r"1 cells in the column 'score' that are no numbers; the first is 'tensor\(0.5\)'"
    ):
        run(table_of({("t", 0): {1: 0.1}, ("t", 1): {1: "tensor(0.5)"}}))


def many(*odd, n=6):
    """Six whole curves of four epochs, and others."""
    curves = {("t", i): {e: 0.1 * e for e in range(1, 7)} for i in range(n)}
    return table_of(curves | {("t", n + i): dict.fromkeys(odd_one, 0.5) for i, odd_one in enumerate(odd)})


def test_a_hole_is_refused_and_a_curve_that_was_scored_less_often_is_not(run):
    with pytest.raises(
        ValueError, match=r"Configuration 6 of task 't' skips fidelity 4 and goes on with 5, .*Complete"
    ):
        run(many([1, 2, 3, 5, 6]))
    assert rows_of(run(many([1.5, 3, 5, 5.5])))["t", 6].fidelity == 4
    lengths = {i: r.fidelity for (_, i), r in rows_of(run(many([2, 4, 6], [1, 3, 5, 6], [1, 2.5, 4]))).items()}
    assert [lengths[i] for i in (6, 7, 8)] == [3, 4, 3]


def test_sizes_of_a_training_set_have_no_holes(run):
    sizes = [16, 23, 32, 45, 64]
    curves = {("t", i): dict.fromkeys(sizes, 0.5) for i in range(6)} | {("t", 6): dict.fromkeys([16, 32, 45, 64], 0.5)}
    assert rows_of(run(table_of(curves)))["t", 6].fidelity == 4


def test_error_rates_and_losses_are_turned(run):
    curves = {("t", i): {1: 0.75, 2: 0.25 + 0.1 * i} for i in range(2)}
    rows = rows_of(run(table_of(curves), minimise=True))
    assert rows["t", 1].scores == pytest.approx((0.25, 0.65))
    columns = ColumnNames(test_score="test")
    losses = table_of({("t", i): {1: 2.5, 2: 1.5 - i} for i in range(2)}, test=3.0)
    imported = run(losses, minimise=True, score_scale="nats", columns=columns)
    assert rows_of(imported)["t", 1].scores == pytest.approx((math.exp(-2.5), math.exp(-0.5)))
    assert load(imported.folder, with_test=True).trials["test/score"].tolist() == pytest.approx([math.exp(-3.0)] * 4)
    percent = table_of({("t", i): {1: 80.0, 2: 20.0} for i in range(2)})
    assert rows_of(run(percent, minimise=True, score_scale="percent"))["t", 0].scores == pytest.approx((0.2, 0.8))


def test_what_lies_outside_its_scale_is_told_how_to_turn(run):
    frame = table_of({("t", i): {1: 2.5, 2: 1.5} for i in range(2)})
    match = (
        r"'score' goes from 1.5 to 2.5, .*`score_scale: percent` .*`minimise: true` .*`score_scale: nats` for losses"
    )
    with pytest.raises(ValueError, match=match):
        run(frame)
    with pytest.raises(ValueError, match=r"`score_scale` is `nats`.*Set `minimise: true`"):
        run(frame, score_scale="nats")
    with pytest.raises(ValueError, match=r"goes from -2.5 to -1.5, .*losses are at least 0"):
        run(frame.assign(score=-frame["score"]), score_scale="nats", minimise=True)


def test_a_table_without_costs_is_read_and_it_is_said(run):
    frame = table_of(RAGGED, costs=False)
    imported = run(frame, ends="training")
    assert np.isnan(rows_of(imported)["t", 0].costs_s).all()
    assert imported.notes == ("there is no column 'cost_s', so costs are unknown; `columns.cost` may name another",)
    with pytest.raises(ValueError, match="no column 'seconds'"):
        run(frame, columns=ColumnNames(cost="seconds"))


def test_a_training_is_looked_at_after_equal_shares(run):
    curves = {("t", 0): {e: e / 100 for e in range(1, 11)}, ("t", 1): {1: 0.1, 2: 0.2, 3: 0.3}}
    rows = rows_of(run(table_of(curves), shares=4))
    assert rows["t", 0].scores == (0.02, 0.05, 0.07, 0.1)  # at 2.5, 5, 7.5 and 10
    assert rows["t", 0].costs_s == (4.0, 6.0, 4.0, 6.0)
    assert (rows["t", 1].scores, rows["t", 1].max_fidelity) == ((0.1, 0.2, 0.3), 3)  # fewer rows than shares
    final = rows_of(run(table_of(curves), shares=1))
    assert [(final["t", i].scores, final["t", i].costs_s) for i in (0, 1)] == [((0.1,), (20.0,)), ((0.3,), (6.0,))]
    with pytest.raises(ValueError, match=r"`shares` is 0, but .*Write 1"):
        run(table_of(curves), shares=0)


def test_what_was_stopped_is_looked_at_after_shares_of_its_whole_training(run):
    curves = {("t", 0): {e: e / 100 for e in range(1, 9)}, ("t", 1): {e: e / 100 for e in range(1, 6)}}
    row = rows_of(run(table_of(curves), shares=2, ends="stopped"))["t", 1]
    assert (row.scores, row.costs_s, row.max_fidelity, row.outcome, row.unfinished_s) == (
        (0.04,),
        (8.0,),
        2,
        "partial",
        2.0,
    )


def test_the_first_slices_of_each_curve_are_dropped(run):
    imported = run(table_of(RAGGED), drop_first=1, ends="training")
    assert rows_of(imported)["t", 0].scores == (0.2, 0.3)
    assert set(rows_of(imported)) == {("t", 0), ("t", 1)}
    assert "left out 1 learning curves" in imported.notes[0]


def test_rows_may_come_in_any_order(run):
    frame = table_of(RAGGED)
    shuffled = frame.sample(frac=1.0, random_state=0)
    assert rows_of(run(shuffled)) == rows_of(run(frame))


def test_configurations_may_be_numbered_anew_on_each_task_and_tasks_by_numbers(run):
    frame = table_of({(t, i): {1: 0.1 * (i + 1), 2: 0.5} for t in (10, 9) for i in range(3)})
    frame.loc[frame["task"] == 9, "lr"] = frame["lr"][frame["task"] == 9].to_numpy()[::-1]
    rows = rows_of(run(frame))
    assert rows["10", 2].scores == (pytest.approx(0.3), 0.5)
    assert rows["9", 2].scores == (0.1, 0.5)


def test_a_hyperparameter_that_changes_within_a_curve_is_refused(run):
    frame = table_of({("t", i): {1: 0.1, 2: 0.2} for i in range(3)})
    frame["lr"] = frame["lr"] / frame["fidelity"]
    with pytest.raises(
        ValueError, match=r"'lr' changes within .* configuration 0 of task 't', at fidelity 2.*`columns.con"
    ):
        run(frame)


def test_a_hyperparameter_may_stand_in_the_rows_with_a_score_only(run):
    frame = table_of({("t", i): {1: "", 2: 0.2, 3: "", 4: 0.3} for i in range(3)})
    frame["lr"] = frame["lr"].where(frame["score"] != "")
    found = [r.configuration.values["lr"] for r in rows_of(run(frame)).values()]
    assert sorted(found) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("seeds", [["a", "b"], [1.0, 2.0], ["2024-01-01", "2025-01-01"]])
def test_seeds_of_any_kind_tell_repetitions_apart(run, seeds):
    both = pd.concat([table_of(RAGGED, seed=seed) for seed in seeds])
    imported = run(both, columns=ColumnNames(seed="seed"))
    assert len(load(imported.folder).curves()) == 6


def test_a_row_that_belongs_nowhere_is_refused(run):
    frame = table_of(RAGGED).astype({"task": object})
    frame.loc[3, "task"] = None
    with pytest.raises(ValueError, match=r"'task' is empty in 1 rows that have a score.*`columns.task`"):
        run(frame)
    with pytest.raises(ValueError, match=r"'fidelity' holds 'first', but a fidelity is a number"):
        run(table_of({("t", 0): {"first": 0.1}, ("t", 1): {"second": 0.1}}))


def test_true_and_false_are_choices(run):
    frame = table_of({("t", i): {1: 0.1, 2: 0.2} for i in range(4)})
    imported = run(frame.assign(flag=frame["config_id"] % 2 == 0), hyperparameters=["lr", "flag"])
    assert imported.table.space.to_dict()["flag"]["domain"]["type"] == "bool"


def test_the_default_may_be_named(run):
    frame = table_of({("t", i): {1: 0.1, 2: 0.2} for i in range(4)})
    assert run(frame, default=3).table.space.default.values == {"lr": pytest.approx(0.4)}
    with pytest.raises(ValueError, match="`default` is 7, which none of the configurations have as their id"):
        run(frame, default=7)
    with pytest.raises(ValueError, match=r"`default` is 7, but the search space space.yaml has a default"):
        run(frame, default=7, space="space.yaml")


def test_none_is_a_choice_among_texts_and_nothing_among_numbers(run):
    frame = table_of({("t", i): {1: 0.1, 2: 0.2} for i in range(4)})
    number = frame["config_id"].to_numpy()
    frame = frame.assign(schedule=np.array(["None", "cosine", "None", "linear"])[number])
    frame["decay"] = np.array(["None", "0.5", "None", "0.9"])[number]
    space = run(frame, hyperparameters=["lr", "schedule", "decay"]).table.space.to_dict()
    assert space["schedule"]["domain"]["choices"] == ["None", "cosine", "linear"]
    assert (space["decay"]["domain"]["bounds"], space["decay"]["when"]) == (
        [0.5, 0.9],
        {"schedule": ["cosine", "linear"]},
    )
