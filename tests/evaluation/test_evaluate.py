import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.cli.main import main
from lightning_quicktune.evaluation.evaluate import evaluate
from lightning_quicktune.evaluation.settings import PrimaryComparison
from lightning_quicktune.metadataset.folder import load, save
from lightning_quicktune.metadataset.import_table import REFERENCE_STEP_S
from lightning_quicktune.metadataset.splits import task_folds
from lightning_quicktune.replay.ablations import replayed_searcher
from lightning_quicktune.replay.code import replay_code
from lightning_quicktune.replay.methods import Method
from lightning_quicktune.replay.pool import task_pool
from lightning_quicktune.replay.splits import Split
from lightning_quicktune.replay.workplace import Workplace


def results_of(evaluated):
    return pd.read_parquet(evaluated.report.parent / "results.parquet")


def test_an_evaluation_leaves_tables_figures_and_a_run(settings, tracking):
    primary = PrimaryComparison("successive_halving", "random", 2.0, "new")
    evaluated = evaluate(settings(setting="both", budgets_s=[1.0, 10.0], primary=primary))
    text, folder = evaluated.report.read_text(), evaluated.report.parent
    assert re.search(r"^\| random \| \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\] \|", text, re.MULTILINE)
    assert "Tasks: 5 replayed, 1 left out" in text
    assert "Left out: flat, best and median score differ by 0" in text
    assert "Named beforehand: successive_halving against random at 2 full trainings, setting new" in text
    for words in ("## Setting: known", "## Setting: new", "### Mean test score", "after a budget in s", "by Holm"):
        assert words in text
    for name in ("regret.png", "regret.svg", "rank.png", "rank.svg"):
        assert (folder / name).stat().st_size > 10_000
    assert len(results_of(evaluated)) == 2 * 3 * 2 * 5 * (3 + 2)  # settings, methods, seeds, tasks, budgets
    comparisons = pd.read_parquet(folder / "comparisons.parquet")
    assert comparisons["is_primary"].tolist() == [True] + [False] * 11  # two others, two settings, three budgets
    run = MlflowClient(tracking.uri).get_run(evaluated.run_id)
    regret = float(evaluated.summaries["known"][0].regret[1, 2])
    assert run.data.metrics["known/random/regret_4"] == pytest.approx(regret)
    assert run.data.metrics["primary/gain"] == pytest.approx(comparisons["gain"].iloc[0])
    assert run.data.tags["quicktune.kind"] == "evaluation"


def test_the_default_at_every_budget_is_what_the_table_says(settings, source):
    evaluated = evaluate(settings(methods=["default"], budgets=[0.01, 100.0], n_seeds=1))
    table, rows = load(source, with_test=True), results_of(evaluated)
    for name in ("t0", "t4"):
        pool = task_pool(table, name, "cost_s")
        (trial,) = pool.trials[table.space.default.id]
        start, end = (rows[(rows["task"] == name) & (rows["budget"] == b)].iloc[0] for b in (0.01, 100.0))
        spread = pool.best - pool.median_final
        assert start["regret"] == pytest.approx((pool.best - 0.2) / spread)  # the zero-shot score
        assert pd.isna(start["config_id"])
        assert end["regret"] == pytest.approx((pool.best - max(trial.scores)) / spread)
        assert end["test_score"] == pytest.approx(max(trial.scores) / 2)


def test_with_time_enough_a_search_of_all_has_no_regret(settings):
    evaluated = evaluate(settings(methods=["random", "successive_halving"], setting="both", budgets=[1.0, 50.0]))
    for (summary,) in evaluated.summaries.values():
        np.testing.assert_allclose(summary.regret[:, 1], 0.0, atol=1e-12)
        np.testing.assert_array_equal(summary.against[0, 1, :, 1], [0, 5, 0])
        assert (summary.regret[:, 0] > 0).all()


def test_new_configurations_are_searched_by_halves(settings, source):
    table = load(source)
    evaluated = evaluate(settings(methods=["random"], setting="new", budgets=[50.0]))
    rows = results_of(evaluated)
    place = Workplace(settings(setting="new"))
    ids = set(table.trials["config_id"]) - {table.space.default.id}
    pools, learned = [], []
    for half in (0, 1):
        split = Split("new", "0", 0, half)
        pools.append({c.id for c in place.pool("t0", split).configurations})
        learned.append(set(place.divider.learned_table(place.visible, split).trials["config_id"]))
        assert set(rows[rows["half"] == half]["config_id"]) <= pools[half]
        assert pools[half].isdisjoint(learned[half])
        assert pools[half] | learned[half] == set(table.trials["config_id"])
    assert pools[0] & pools[1] == {table.space.default.id}
    assert learned[0] | learned[1] == ids
    assert rows.groupby("seed")["half"].first().tolist() == [0, 1]


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("replays/*/*/*/*.json")}


def test_the_same_command_again_replays_nothing(settings, tmp_path):
    first = evaluate(settings())
    before = files_of(tmp_path / "evaluation")
    again = evaluate(settings())
    assert files_of(tmp_path / "evaluation") == before
    assert again.run_id == first.run_id
    pd.testing.assert_frame_equal(results_of(again), results_of(first))


def test_an_interrupted_evaluation_goes_on_to_the_same_result(settings, tmp_path):
    whole = results_of(evaluate(settings()))
    before = files_of(tmp_path / "evaluation")
    gone = sorted(before)[::2]
    for path in gone:
        path.unlink()
    pd.testing.assert_frame_equal(results_of(evaluate(settings())), whole)
    after = files_of(tmp_path / "evaluation")
    assert {path: after[path] for path in before if path not in gone} == {p: before[p] for p in before if p not in gone}


@pytest.mark.slow  # two new processes import everything
def test_processes_find_what_one_finds(settings, tmp_path):
    alone = results_of(evaluate(settings(output=str(tmp_path / "alone"), setting="both")))
    pd.testing.assert_frame_equal(results_of(evaluate(settings(setting="both", n_processes=2))), alone)


def test_methods_and_seeds_may_be_added_later(settings, tmp_path):
    evaluate(settings(methods=["random"], n_seeds=1))
    kept = files_of(tmp_path / "evaluation")
    evaluated = evaluate(settings(methods=["default", "random"], n_seeds=2))
    assert files_of(tmp_path / "evaluation").items() >= kept.items()
    assert evaluated.summaries["known"][0].methods == ("default", "random")


def test_a_method_without_a_part_of_it_is_another_one(settings, tmp_path):
    parts = [Method("curve_transfer", cost=False, label="free"), Method("curve_transfer", curve=False)]
    evaluated = evaluate(settings(methods=["curve_transfer", *parts], n_seeds=1))
    assert evaluated.summaries["known"][0].methods == ("curve_transfer", "free", "curve_transfer-no_curve")
    folders = {path.parents[1].name for path in files_of(tmp_path / "evaluation")}
    assert folders == {"curve_transfer", "curve_transfer-no_cost", "curve_transfer-no_curve"}
    rows = results_of(evaluated)
    assert set(rows["method"]) == {"curve_transfer", "free", "curve_transfer-no_curve"}


def test_calibration_is_measured_where_distributions_are_predicted(settings, tracking):
    evaluated = evaluate(settings(methods=["curve_transfer", "random"], n_seeds=1, calibration_budgets=[0.0, 2.0]))
    table = pd.read_parquet(evaluated.report.parent / "calibration.parquet")
    assert set(table["method"]) == {"curve_transfer"}
    assert table.groupby("budget")["n"].max().tolist() == [12, 11]
    assert table["log_density"].notna().all()
    assert "| known | curve_transfer | 2 | " in evaluated.report.read_text()
    run = MlflowClient(tracking.uri).get_run(evaluated.run_id)
    expected = table[table["budget"] == 0]["coverage_80"].mean()
    assert run.data.metrics["known/curve_transfer/coverage_80_at_0"] == pytest.approx(expected)


def test_a_control_shuffles_configurations_and_the_report_says_how_often_the_guard_falls_back(settings, tmp_path):
    shuffled = settings(methods=["transfer_guarded", "random"], n_seeds=1, shuffle_configurations=True)
    text = evaluate(shuffled).report.read_text()
    assert "Control: each replayed task gives every configuration the trials of another one." in text
    assert "### Mean test score" not in text  # it would be that of another configuration
    (row,) = re.findall(r"^\| known \| transfer_guarded \| 5 \| (\d) \((\d+)%\) \|$", text, re.MULTILINE)
    assert int(row[1]) == 20 * int(row[0])
    true = evaluate(replace(shuffled, shuffle_configurations=False, output=str(tmp_path / "true")))
    assert not np.array_equal(true.summaries["known"][0].regret, evaluate(shuffled).summaries["known"][0].regret)


def test_the_oracle_is_a_row_and_is_not_compared(settings):
    evaluated = evaluate(settings(methods=["oracle", "random", "default"], n_seeds=1))
    (summary,) = evaluated.summaries["known"]
    assert summary.methods == ("oracle", "random", "default")
    assert (summary.regret[0, 1:] <= summary.regret[1:, 1:].min(axis=0)).all()  # once one training has ended
    assert np.isnan(summary.rank[0]).all()
    np.testing.assert_allclose(summary.rank[1:].sum(axis=0), 3.0)
    assert {(each.method, each.against) for each in evaluated.comparisons} == {("random", "default")}
    text = evaluated.report.read_text()
    assert "- oracle: the limit, by the final scores of the very task; not compared." in text
    assert "| oracle | - | - | - |" in text


def test_held_out_folds_are_compared_apart_from_those_of_development(settings, tmp_path):
    folds = {"folds": "fact:domain", "methods": ["random", "default"], "n_seeds": 1}
    apart = evaluate(settings(**folds, development_folds=["towns", "domain 3"]))
    alone = evaluate(settings(**folds, test_folds=["domain 2", "domain 4"], output=str(tmp_path / "alone")))
    assert apart.summaries["known"][0].tasks == ("t2", "t4")
    np.testing.assert_array_equal(apart.summaries["known"][0].regret, alone.summaries["known"][0].regret)
    assert [each.gain for each in apart.comparisons] == [each.gain for each in alone.comparisons]
    assert len(results_of(apart)) == 2 * 5 * 3  # all of them
    text = apart.report.read_text()
    assert "Methods were developed on domain 3, towns (3 tasks)" in text
    assert "everything else is of domain 2, domain 4 (2 tasks)." in text
    assert text.index("## Setting: known\n") < text.index("## Setting: known, folds of development\n")
    developed = evaluate(settings(**folds, development_folds=["towns"], test_folds=["towns"]))
    assert developed.summaries["known"][0].tasks == ("t0", "t1")
    assert "folds of development" not in developed.report.read_text()


def test_a_table_without_costs_is_counted_in_slices_and_says_so(settings, source, tmp_path, caplog):
    table = load(source)
    folder = str(save(replace(table, trials=table.trials.assign(cost_s=np.nan, cost_cpu_s=np.nan)), tmp_path / "free"))
    text = evaluate(settings(meta_dataset=folder, n_seeds=1)).report.read_text()
    assert "Time: counted in slices, each of which costs 1, because no cost was recorded" in text
    assert "has no costs, so a slice costs 1: `cost` is slices instead of cost_s." in caplog.text
    wanted = evaluate(settings(cost="slices", n_seeds=1, output=str(tmp_path / "wanted")))
    assert "Time: counted in slices, whatever they cost" in wanted.report.read_text()


def test_trials_that_are_left_out_are_counted_and_explained(settings, source, tmp_path):
    table = load(source)
    rows = table.trials
    of_task = rows[(rows["task"] == "t0") & (rows["fidelity"] == 4)]["config_id"]
    cut, broken = of_task.tolist()[-2:]
    kept = rows[~((rows["task"] == "t0") & (rows["config_id"] == cut) & (rows["fidelity"] > 2))].copy()
    kept.loc[(kept["task"] == "t0") & (kept["config_id"] == broken), ["status", "failure"]] = ["failed", "OSError"]
    folder = str(save(replace(table, trials=kept), tmp_path / "cut"))
    evaluated = evaluate(settings(meta_dataset=folder, methods=["random"], n_seeds=1))
    assert evaluated.outcomes == {"full": 61, "partial": 1, "interrupted": 1}
    text = evaluated.report.read_text()
    assert "- Trials left out: 2 of 63: 1 partial (stopped before" in text
    assert "; 1 interrupted (ended by an error that says nothing of the configuration)." in text


def test_a_task_without_meta_features_teaches_and_tests_no_method_that_goes_by_them(settings, source, tmp_path):
    table = load(source)
    known = [c for c in table.tasks.columns if c.startswith("meta/")]
    tasks = table.tasks.copy()
    tasks.loc[tasks["task"] == "t1", known] = np.nan
    folder = str(save(replace(table, tasks=tasks), tmp_path / "undescribed"))
    told = settings(meta_dataset=folder, methods=["transfer", "random"], n_seeds=1, budgets=[0.5])
    text = evaluate(told).report.read_text()
    assert "- Left out: t1, it has none of the meta-features, by which transfer goes." in text
    assert "Tasks: 4 replayed, 2 left out" in text
    tables = [*(tmp_path / "evaluation" / "lessons").rglob("meta_dataset/tasks.parquet")]
    assert len(tables) == 2  # of two folds
    assert not any((pd.read_parquet(table)["task"] == "t1").any() for table in tables)
    cheap = settings(meta_dataset=folder, methods=["random"], n_seeds=1, output=str(tmp_path / "cheap"))
    assert "Tasks: 5 replayed, 1 left out" in evaluate(cheap).report.read_text()


def test_methods_that_no_seed_changes_are_named(settings):
    assert "One replay per task: default in known; every seed" in evaluate(settings()).report.read_text()


@pytest.mark.parametrize(("charge", "is_charged"), [(None, True), (False, False)])
def test_thinking_is_paid_where_seconds_are_of_one_kind(settings, source, tmp_path, charge, is_charged):
    assert Workplace(settings(charge_thinking=charge)).charges_thinking == is_charged
    table = load(source)
    imported = replace(table, trials=table.trials.assign(reference_step_s=REFERENCE_STEP_S))
    folder = str(save(imported, tmp_path / "imported"))
    assert not Workplace(settings(charge_thinking=charge, meta_dataset=folder)).charges_thinking


def test_a_replay_that_fails_says_which_and_keeps_the_others(settings, tmp_path, monkeypatch):
    def fail(method, context, trials):
        if method.name == "random":
            raise ValueError("no order")
        return replayed_searcher(method, context, trials)

    monkeypatch.setattr("lightning_quicktune.replay.workplace.replayed_searcher", fail)
    with pytest.raises(RuntimeError, match=r"name='random'.* failed: ValueError: no order.*the same command again"):
        evaluate(settings(methods=["default", "random"]))
    assert files_of(tmp_path / "evaluation")


def test_transfer_learns_from_the_other_tasks_only(settings, tmp_path):
    evaluated = evaluate(settings(methods=["transfer", "random"], n_seeds=1))
    folds = task_folds({name: name for name in ["flat", *(f"t{i}" for i in range(5))]}, 2, 0)
    for number, held_out in enumerate(folds):
        (folder,) = (tmp_path / "evaluation" / "lessons" / f"known-{number}-0-0" / "surrogates").iterdir()
        assert set(load(folder / "meta_dataset").task_names).isdisjoint(held_out)
        for kind in ("performance", "cost"):
            facts = json.loads((folder / kind / "surrogate.json").read_text())["provenance"]
            assert {*facts["training_tasks"], *facts["validation_tasks"]}.isdisjoint(held_out)
    assert not [c for c in load(folder / "meta_dataset", with_test=True).trials.columns if c.startswith("test/")]
    assert (results_of(evaluated)["regret"] >= 0).all()
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("evaluation/lessons/*/*/*/*/*")}
    evaluate(settings(methods=["transfer"], n_seeds=2))  # a new seed, the same surrogates
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("evaluation/lessons/*/*/*/*/*")} == stamps


def test_transfer_pays_for_the_description_of_the_task(settings, source, tmp_path):
    table = load(source)
    dear = replace(table, tasks=table.tasks.assign(meta_features_cost_s=1e6))
    folder = str(save(dear, tmp_path / "dear"))
    evaluated = evaluate(settings(meta_dataset=folder, methods=["transfer", "random"], n_seeds=1))
    rows = results_of(evaluated)
    assert (rows[rows["method"] == "transfer"]["fidelity"] == 0).all()
    assert (rows[rows["method"] == "random"]["fidelity"] > 0).any()
    assert "Mean test score" not in evaluated.report.read_text()


def test_a_change_of_code_replays_what_it_touched_and_nothing_else(settings, tmp_path, monkeypatch):
    evaluate(settings(n_seeds=1))
    before = files_of(tmp_path / "evaluation")
    changed = "lightning_quicktune.replay.workplace.replay_code"
    monkeypatch.setattr(changed, lambda m: "new" if m.name == "random" else replay_code(m))
    evaluate(settings(n_seeds=1))
    after = files_of(tmp_path / "evaluation")
    assert after.items() >= before.items()
    assert {(path.parents[1].name, path.parent.name) for path in set(after) - set(before)} == {("random", "new")}


def test_a_server_that_is_away_costs_no_result(settings, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    away = replace(settings().tracking, uri=f"sqlite:///{tmp_path}/file/mlflow.db")
    evaluated = evaluate(settings(methods=["default"], n_seeds=1, tracking=away))
    assert evaluated.run_id is None
    assert evaluated.report.is_file()
    assert "did not take the report" in caplog.text


def test_the_default_must_have_been_recorded(settings, source, tmp_path):
    table = load(source)
    without = replace(table, trials=table.trials[table.trials["config_id"] != table.space.default.id])
    folder = str(save(without, tmp_path / "without"))
    with pytest.raises(ValueError, match=r"default configuration \(\w+\) was not recorded on 5 tasks \(t0, t1.*Take"):
        evaluate(settings(meta_dataset=folder))


def test_a_task_without_the_default_is_left_out_and_named(settings, source, tmp_path):
    table = load(source)
    is_default = table.trials["config_id"] == table.space.default.id
    without = replace(table, trials=table.trials[~(is_default & (table.trials["task"] == "t2"))])
    evaluated = evaluate(settings(meta_dataset=str(save(without, tmp_path / "without")), n_seeds=1))
    assert evaluated.summaries["known"][0].tasks == ("t0", "t1", "t3", "t4")
    assert "- Left out: t2, the default configuration, by which default goes" in evaluated.report.read_text()


def test_a_meta_dataset_without_a_telling_task_is_refused(settings, source, tmp_path):
    table = load(source).select(["flat", "t0"])
    folder = str(save(replace(table, trials=table.trials.assign(score=0.5)), tmp_path / "flat"))
    with pytest.raises(ValueError, match=r"None of the 2 tasks .* flat: best and median score differ by 0.*Collect"):
        evaluate(settings(meta_dataset=folder))


def test_the_command_prints_the_report(source, tracking, tmp_path, capsys):
    words = ["--meta_dataset", source, "--output", str(tmp_path / "out"), "--methods", "[random]", "--n_folds", "2"]
    where = ["--tracking", f"{{experiment: printed, uri: '{tracking.uri}'}}"]
    assert main(["evaluate", *words, *where, "--budgets", "[1, 2]", "--n_seeds", "1"]) == 0
    assert "### Mean normalised regret" in capsys.readouterr().out


def test_a_place_where_mlflow_keeps_no_runs_is_refused_before_anything_is_read(settings, tmp_path):
    away = replace(settings().tracking, uri=f"file:{tmp_path}/runs")
    with pytest.raises(ValueError, match=r"`tracking\.uri` is 'file:.*where MLflow can't keep runs"):
        evaluate(replace(settings(tracking=away), meta_dataset="nowhere"))
