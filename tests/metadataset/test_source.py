"""Tables with a row per run, as Quick-Tune-Tool reads them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lightning_quicktune.metadataset.import_settings import ColumnNames, ImportSettings, TaskFacts
from lightning_quicktune.metadataset.import_table import import_table

CONFIG = pd.DataFrame({"model": ["a", "b", "a", "b"], "lr": [0.1, 0.2, 0.1, 0.3]}, index=[1, 2, 3, 4])
CURVE = pd.DataFrame([[0.1, 0.2, 0.3], [0.2, 0.3, np.nan], [0.4, 0.5, 0.6], [0.5, np.nan, 0.7]], index=CONFIG.index)
COST = pd.DataFrame({"cost": [9.0, 4.0, 3.0, 6.0]}, index=CONFIG.index)
META = pd.DataFrame({"rows": [10, 10, 20, 20], "kind": ["x"] * 4}, index=CONFIG.index)


@pytest.fixture
def run(tmp_path):
    def run(**tables):
        for name, frame in tables.items():
            frame.to_csv(tmp_path / f"{name}.csv")
        return import_table(ImportSettings(str(tmp_path), str(tmp_path / "out"), "tests", "MIT")).table

    return run


def rows_of(table):
    return [(r.task, r.scores, r.costs_s, r.status) for r in sorted(table.curves(), key=lambda r: (r.task, r.scores))]


def test_runs_of_equal_meta_features_are_a_task(run):
    table = run(config=CONFIG, curve=CURVE, cost=COST, meta=META)
    assert rows_of(table) == [
        ("task_0", (0.1, 0.2, 0.3), (3.0, 3.0, 3.0), "completed"),
        ("task_0", (0.2, 0.3), (2.0, 2.0), "completed"),
        ("task_1", (0.4, 0.5, 0.6), (1.0, 1.0, 1.0), "completed"),
        ("task_1", (0.5, 0.7), (2.0, 4.0), "completed"),  # nothing was scored in between
    ]
    assert table.task_info("task_1").meta_features == {"rows": 20.0}
    assert table.task_info("task_1").facts == {"kind": "x"}


def test_the_task_may_be_a_column(run):
    named = META.assign(task=["u", "v", "u", "v"]).drop(columns="rows")
    assert run(config=CONFIG, curve=CURVE, cost=COST, meta=named).task_names == ("u", "v")


def test_costs_may_be_given_by_slice(run):
    costs = pd.DataFrame(np.arange(12.0).reshape(4, 3), index=CONFIG.index)
    assert rows_of(run(config=CONFIG, curve=CURVE, cost=costs))[0][2] == (0.0, 1.0, 2.0)


def test_one_task_without_costs(run):
    table = run(config=CONFIG.drop(index=3), curve=CURVE.drop(index=3))
    assert table.task_names == ("task_0",)
    assert np.isnan(table.curves()[0].costs_s).all()


def test_costs_of_another_shape_are_refused(run):
    with pytest.raises(ValueError, match=r"cost.csv has 2 columns .* curve.csv has 3 slices.*Correct cost.csv"):
        run(config=CONFIG, curve=CURVE, cost=pd.DataFrame(np.ones((4, 2)), index=CONFIG.index))


def test_tables_of_other_runs_are_refused(run):
    with pytest.raises(ValueError, match=r"curve.csv has other runs than .*config.csv.*same list of runs"):
        run(config=CONFIG, curve=CURVE.drop(index=3))


def test_a_missing_table_is_named(run):
    with pytest.raises(FileNotFoundError, match=r"There is no table .*curve.csv"):
        run(config=CONFIG)


def test_runs_may_say_how_they_ended(tmp_path):
    config = CONFIG.assign(state=["completed", "stopped", "completed", "failed"])
    for name, frame in (("config", config), ("curve", CURVE)):
        frame.to_csv(tmp_path / f"{name}.csv")
    settings = ImportSettings(str(tmp_path), str(tmp_path / "out"), "o", "l", ColumnNames(status="state"))
    table = import_table(settings).table
    assert table.space.names == ("model", "lr")
    assert sorted((r.scores[0], r.outcome) for r in table.curves()) == [
        (0.1, "full"),
        (0.2, "partial"),
        (0.4, "full"),
        (0.5, "failed"),
    ]


def test_a_score_that_says_nan_is_told_from_padding(tmp_path):
    for name, frame in (("config", CONFIG), ("curve", CURVE.astype(object).replace({0.7: "nan"}))):
        frame.to_csv(tmp_path / f"{name}.csv")
    settings = ImportSettings(str(tmp_path), str(tmp_path / "out"), "o", "l")
    with pytest.raises(ValueError, match=r"1 of 11 rows, .*`nan: diverged`"):
        import_table(settings)
    table = import_table(replace(settings, nan="diverged")).table
    assert sorted((r.scores, r.outcome) for r in table.curves())[-1] == ((0.5,), "failed")


def test_two_columns_of_one_name_are_refused_where_they_are_used(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("task,config_id,lr,lr,note,note,fidelity,score\na,0,0.1,0.2,x,y,1,0.5\na,1,0.3,0.2,x,y,1,0.6\n")
    settings = ImportSettings(str(path), str(tmp_path / "out"), "tests", "MIT", hyperparameters=["lr"])
    with pytest.raises(ValueError, match=r"several columns 'lr'.*Rename or drop"):
        import_table(settings)
    path.write_text(path.read_text().replace("lr,lr", "lr,other"))
    assert len(import_table(settings).table.curves()) == 2


@pytest.mark.parametrize(
    ("content", "changes", "match"),
    [
        ("task,rows\n", {}, r"facts\.json, which is no JSON: .*drop `tasks`"),
        ('[{"task": "u"}]', {}, r"holds a list, but it has mappings under keys"),
        ('{"about": {"u": 7}}', {"meta_features": "about"}, r"has 7 for 'u' under 'about' .*a mapping of descriptors"),
        ('{"parts": {"a": "u"}}', {"folds": "parts"}, r"has 'u' for 'a' under 'parts' .*the list of its tasks"),
    ],
)
def test_facts_of_another_form_are_refused(tmp_path, content, changes, match):
    (tmp_path / "facts.json").write_text(content)
    (tmp_path / "t.csv").write_text("task,config_id,lr,fidelity,score\nu,0,0.1,1,0.5\nu,1,0.3,1,0.6\n")
    tasks = TaskFacts(str(tmp_path / "facts.json"), **changes)
    settings = ImportSettings(
        str(tmp_path / "t.csv"), str(tmp_path / "out"), "tests", "MIT", hyperparameters=["lr"], tasks=tasks
    )
    with pytest.raises(ValueError, match=match):
        import_table(settings)
