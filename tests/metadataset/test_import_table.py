import json
import math

import numpy as np
import pandas as pd
import pytest
import yaml

from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.import_settings import ColumnNames, ImportSettings, TaskFacts
from lightning_quicktune.metadataset.import_table import import_table

CHOICES = ["sgd", "adam"]


def long_table(n_tasks=2, n_configurations=6, n_epochs=4):
    """Scores rise with the epoch; configuration 0 is the middle one of the learning rates."""
    rows = [
        {
            "data": f"t{task}",
            "number": number,
            "lr": 10.0 ** -(1 + number % 5),
            "optimizer": CHOICES[number % 2],
            "momentum": 0.5 + 0.1 * number if number % 2 == 0 else math.nan,
            "width": 8 * (1 + number),
            "fixed": 3,
            "epoch": epoch,
            "accuracy": 0.1 * (1 + task) + 0.05 * number + 0.01 * epoch,
            "test_accuracy": 0.3,
            "seconds": 2.0 + number,
        }
        for task in range(n_tasks)
        for number in range(n_configurations)
        for epoch in range(n_epochs)
    ]
    return pd.DataFrame(rows).astype({"lr": "float32"})


COLUMNS = ColumnNames("data", "number", "epoch", "accuracy", "seconds", "test_accuracy")
HYPERPARAMETERS = ["lr", "optimizer", "momentum", "width", "fixed"]


@pytest.fixture
def run(tmp_path):
    def run(frame, **changes):
        frame.to_parquet(tmp_path / "long.parquet")
        fields = {
            "table": str(tmp_path / "long.parquet"),
            "output": str(tmp_path / "imported"),
            "origin": "tests",
            "licence": "MIT",
            "columns": COLUMNS,
            "hyperparameters": HYPERPARAMETERS,
        }
        return import_table(ImportSettings(**{**fields, **changes}))

    return run


def test_every_curve_comes_back(run):
    frame = long_table()
    table = load(run(frame).folder)
    rows = {(r.task, r.configuration.values["width"]): r for r in table.curves()}
    assert len(rows) == 12
    for (task, number), curve in frame.groupby(["data", "number"]):
        row = rows[task, 8 * (1 + number)]
        assert row.scores == tuple(curve["accuracy"])
        assert row.costs_s == row.costs_cpu_s == tuple(curve["seconds"])
        assert (row.status, row.failure, row.configuration.id) == ("completed", None, row.configuration.id)
    assert (table.meta["n_tasks"], table.meta["n_trials"], table.meta["n_slices"]) == (2, 12, 48)
    assert math.isnan(table.task_info("t0").zero_shot_score)


def test_test_scores_are_kept_for_an_evaluation_only(run):
    folder = run(long_table()).folder
    assert "test/score" not in load(folder).trials
    assert set(load(folder, with_test=True).trials["test/score"]) == {0.3}


def test_the_space_is_inferred(run):
    space = run(long_table()).table.space
    domains = {name: h["domain"] for name, h in space.to_dict().items()}
    assert (domains["lr"]["log"], domains["lr"]["bounds"]) == (True, [1e-05, 0.1])
    assert (domains["width"]["type"], domains["width"]["log"]) == ("int", False)
    assert domains["optimizer"]["choices"] == ["adam", "sgd"]
    assert space.to_dict()["momentum"]["when"] == {"optimizer": ["sgd"]}


def test_the_inferred_default_was_recorded_on_most_tasks(run):
    frame = long_table()
    table = run(frame[(frame["data"] == "t0") | (frame["number"] > 3)]).table
    of_default = table.trials[table.trials["config_id"] == table.space.default.id]
    assert set(of_default["task"]) == {"t0", "t1"}


def test_a_hyperparameter_with_one_value_is_left_out_and_said(run):
    imported = run(long_table())
    assert imported.constants == {"fixed": 3}
    assert "fixed" not in imported.table.space.names
    assert imported.table.meta["constants"] == {"fixed": 3}


def test_a_table_without_any_choice_is_refused(run):
    with pytest.raises(ValueError, match=r"None of the hyperparameters fixed has two values .*`hyperparameters`"):
        run(long_table(), hyperparameters=["fixed"])


def test_a_condition_that_nothing_tells_is_a_choice_of_its_own(run):
    frame = long_table()
    frame.loc[frame["number"] == 4, "momentum"] = math.nan
    frame["width"] = frame["width"] % 16
    imported = run(frame)
    assert "`momentum` is empty in 4 of 6 configurations" in imported.notes[0]
    when = {h.name: h.when for h in imported.table.space.hyperparameters}
    assert (when["momentum"], when["momentum_kind"]) == ({"momentum_kind": ("number",)}, {})


def test_the_first_slices_can_be_dropped(run):
    table = run(long_table(), drop_first=1).table
    assert min(r.scores for r in table.curves()) == pytest.approx((0.11, 0.12, 0.13))
    assert table.task_info("t0").max_fidelity == 3


def test_dropping_everything_is_refused(run):
    with pytest.raises(ValueError, match=r"no score once the first 4 slices are dropped.*Lower `drop_first`"):
        run(long_table(), drop_first=4)
    with pytest.raises(ValueError, match=r"`drop_first` is -1, but it counts .*Write 0"):
        run(long_table(), drop_first=-1)


def test_percentages_are_scaled(run):
    frame = long_table().assign(accuracy=lambda f: 100 * f["accuracy"], test_accuracy=30.0)
    table = run(frame, score_scale="percent").table
    assert min(r.scores for r in table.curves()) == pytest.approx((0.1, 0.11, 0.12, 0.13))
    with pytest.raises(ValueError, match=r"'accuracy' goes from 10 to 48, but .* \[0, 1\].*`score_scale: percent`"):
        run(frame)


def test_costs_may_be_missing(run):
    table = run(long_table(), columns=ColumnNames("data", "number", "epoch", "accuracy", None)).table
    assert np.isnan(table.curves()[0].costs_s).all()


def test_a_negative_cost_is_refused(run):
    with pytest.raises(ValueError, match=r"'seconds' has a cost of -1 s.*`columns.cost: null`"):
        run(long_table().assign(seconds=-1.0))


def test_a_gap_in_a_curve_is_refused(run):
    frame = long_table()
    gap = (frame["data"] == "t1") & (frame["number"] == 3) & (frame["epoch"] == 1)
    with pytest.raises(
        ValueError, match=r"Configuration 3 of task 't1' skips epoch 1 and goes on with 2, .*Complete the table"
    ):
        run(frame[~gap])


def test_a_repeated_slice_asks_for_the_seed(run):
    frame = long_table()
    both = pd.concat([frame.assign(repetition=0), frame.assign(repetition=7)])
    with pytest.raises(ValueError, match=r"each fidelity once.*`columns.seed`"):
        run(both)
    columns = ColumnNames("data", "number", "epoch", "accuracy", seed="repetition", cost="seconds")
    assert {r.seed for r in run(both, columns=columns).table.curves()} == {0, 7}


def test_equal_configurations_of_two_numbers_are_repetitions(run):
    frame = long_table()
    table = run(pd.concat([frame, frame.assign(number=frame["number"] + 100)])).table
    assert {r.seed for r in table.curves()} == {0, 1}
    assert len(table.curves()) == 24


def test_a_column_that_is_not_there_is_named_with_the_nearest(run):
    with pytest.raises(ValueError, match=r"no column 'momentun'\. Did you mean `momentum`\? .*`hyperparameters`"):
        run(long_table(), hyperparameters=["lr", "momentun"])


def test_hyperparameters_or_a_space_must_be_given(run):
    with pytest.raises(ValueError, match=r"`hyperparameters` is not given, but .*by `space`"):
        run(long_table(), hyperparameters=None)


def test_a_missing_file_is_named(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no table .*nowhere.csv.*Correct `table`"):
        run(long_table(), table=str(tmp_path / "nowhere.csv"))


SPACE = {
    "lr": {"key": "lr", "domain": {"type": "float", "bounds": [1.0e-6, 1.0], "log": True, "default": 0.01}},
    "optimizer": {"key": "o", "domain": {"type": "categorical", "choices": CHOICES, "default": "sgd"}},
}


def test_a_given_space_is_kept(run, tmp_path):
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE))
    table = run(long_table(), space=str(tmp_path / "space.yaml"), hyperparameters=None).table
    assert table.space.names == ("lr", "optimizer")


def test_a_category_that_the_given_space_lacks_is_refused(run, tmp_path):
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE))
    frame = long_table().replace("adam", "lion")
    with pytest.raises(ValueError, match=r"`optimizer: 'lion'`, but its domain is .*sgd, adam"):
        run(frame, space=str(tmp_path / "space.yaml"), hyperparameters=None)


@pytest.fixture
def facts(tmp_path):
    known = {"t0": {"rows": 10, "kind": "image"}, "t1": {"rows": 30}, "t2": None}
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"about": known, "parts": {"a": ["t0", "t1"], "b": ["t2"]}}))
    return str(path)


def test_what_is_known_of_the_tasks_comes_along(run, facts):
    table = run(long_table(3), tasks=TaskFacts(facts, meta_features="about", folds="parts")).table
    assert table.task_info("t0").meta_features == {"rows": 10.0}
    assert table.task_info("t0").facts == {"fold": "a", "kind": "image"}
    assert table.task_info("t2").meta_features == {}
    assert table.task_info("t2").facts == {"fold": "b"}


def test_a_key_or_file_that_is_not_there_is_named(run, facts):
    with pytest.raises(ValueError, match=r"`tasks.folds` is 'part', but .* Did you mean `parts`\?"):
        run(long_table(), tasks=TaskFacts(facts, folds="part"))
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere.json.*`tasks.path`"):
        run(long_table(), tasks=TaskFacts("nowhere.json"))


def test_the_number_of_validation_records_is_a_fact(run, tmp_path):
    known = {
        "about": {"t0": {"rows": 10, "validation_records": 40}},
        "records": {"t1": 30},
        "parts": {"a": ["t0", "t1"]},
    }
    (tmp_path / "records.json").write_text(json.dumps(known))
    tasks = TaskFacts(str(tmp_path / "records.json"), "about", validation_records="records")
    imported = run(long_table(3), tasks=tasks)
    assert imported.table.task_info("t0").meta_features == {"rows": 10.0}
    assert [imported.table.task_info(t).facts for t in ("t0", "t1")] == [
        {"validation_records": 40},
        {"validation_records": 30},
    ]
    assert imported.notes[0] == "nothing is known of 1 of 3 tasks, such as t2, beside their trials"


def test_tasks_may_be_numbers_in_the_table_and_in_what_is_known_of_them(run, tmp_path):
    (tmp_path / "facts.json").write_text(json.dumps({"parts": {"a": [3, "4"]}}))
    frame = long_table().assign(data=lambda f: f["data"].map({"t0": 3, "t1": 4}))
    table = run(frame, tasks=TaskFacts(str(tmp_path / "facts.json"), folds="parts")).table
    assert [table.task_info(name).facts for name in ("3", "4")] == [{"fold": "a"}] * 2


def test_a_table_may_be_indexed_and_names_may_have_dots(run):
    frame = long_table().rename(columns={"accuracy": "eval.acc"}).set_index(["data", "number"])
    columns = ColumnNames("data", "number", "epoch", "eval.acc", "seconds", "test_accuracy")
    assert run(frame, columns=columns).table.meta["n_trials"] == 12
    odd = long_table().set_index(np.zeros(48, dtype=np.int64))
    assert run(odd).table.meta["n_slices"] == 48
