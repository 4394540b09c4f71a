import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.cli.main import main
from lightning_quicktune.evaluation.evaluate import evaluate
from lightning_quicktune.evaluation.methods import fold_surrogates
from lightning_quicktune.evaluation.pool import task_pool
from lightning_quicktune.evaluation.settings import SurrogateTraining
from lightning_quicktune.metadataset.folder import load, save
from lightning_quicktune.metadataset.splits import task_folds


def results_of(evaluated):
    return pd.read_parquet(evaluated.report.parent / "results.parquet")


def test_an_evaluation_leaves_tables_figure_and_a_run(settings, tracking):
    evaluated = evaluate(settings())
    text = evaluated.report.read_text()
    assert re.search(r"^\| random \| \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\] \|", text, re.MULTILINE)
    assert "Tasks: 5 replayed, 1 left out" in text
    assert "Left out: flat, best and median score differ by 0" in text
    assert "## Mean test score" in text
    assert (evaluated.report.parent / "regret.png").stat().st_size > 10_000
    assert len(results_of(evaluated)) == 3 * 2 * 5 * 3  # methods, seeds, tasks, budgets
    run = MlflowClient(tracking.uri).get_run(evaluated.run_id)
    assert run.data.metrics["random/regret_4"] == pytest.approx(float(evaluated.summary.regret[1, 2]))
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
    evaluated = evaluate(settings(methods=["random", "successive_halving"], budgets=[1.0, 50.0]))
    np.testing.assert_allclose(evaluated.summary.regret[:, 1], 0.0, atol=1e-12)
    np.testing.assert_array_equal(evaluated.summary.wins[:, 1], [5, 5])
    assert (evaluated.summary.regret[:, 0] > 0).all()


def test_the_same_command_again_replays_nothing(settings, tmp_path):
    first = evaluate(settings())
    log = tmp_path / "evaluation" / "replays.jsonl"
    before = log.read_bytes()
    again = evaluate(settings())
    assert log.read_bytes() == before
    assert again.run_id == first.run_id
    pd.testing.assert_frame_equal(results_of(again), results_of(first))


def test_an_interrupted_evaluation_goes_on_to_the_same_result(settings, tmp_path):
    whole = results_of(evaluate(settings(output=str(tmp_path / "whole"))))
    evaluate(settings())
    log = tmp_path / "evaluation" / "replays.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:9]) + b'{"fold": 0, "met')
    pd.testing.assert_frame_equal(results_of(evaluate(settings())), whole)


def test_methods_and_seeds_may_be_added_later(settings, tmp_path):
    evaluate(settings(methods=["random"], n_seeds=1))
    kept = (tmp_path / "evaluation" / "replays.jsonl").read_text()
    evaluated = evaluate(settings(methods=["default", "random"], n_seeds=2))
    assert (tmp_path / "evaluation" / "replays.jsonl").read_text().startswith(kept)
    assert evaluated.summary.methods == ("default", "random")


def test_transfer_learns_from_the_other_tasks_only(settings, tmp_path):
    evaluated = evaluate(settings(methods=["transfer", "random"], n_seeds=1))
    folds = task_folds(["flat", *(f"t{i}" for i in range(5))], 2, 0)
    for number, held_out in enumerate(folds):
        folder = tmp_path / "evaluation" / "surrogates" / f"fold-{number}"
        assert set(load(folder / "meta_dataset").task_names).isdisjoint(held_out)
        for kind in ("performance", "cost"):
            facts = json.loads((folder / kind / "surrogate.json").read_text())["provenance"]
            assert {*facts["training_tasks"], *facts["validation_tasks"]}.isdisjoint(held_out)
    assert not [c for c in load(folder / "meta_dataset", with_test=True).trials.columns if c.startswith("test/")]
    assert (results_of(evaluated)["regret"] >= 0).all()
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("evaluation/surrogates/*/*/*")}
    evaluate(settings(methods=["transfer"], n_seeds=2))  # a new seed, the same surrogates
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("evaluation/surrogates/*/*/*")} == stamps


def test_transfer_pays_for_the_description_of_the_task(settings, source, tmp_path):
    table = load(source)
    dear = replace(table, tasks=table.tasks.assign(meta_features_cost_s=1e6))
    folder = str(save(dear, tmp_path / "dear"))
    evaluated = evaluate(settings(meta_dataset=folder, methods=["transfer", "random"], n_seeds=1))
    rows = results_of(evaluated)
    assert (rows[rows["method"] == "transfer"]["fidelity"] == 0).all()
    assert (rows[rows["method"] == "random"]["fidelity"] > 0).any()
    assert "Mean test score" not in evaluated.report.read_text()


def test_trained_surrogates_are_read_back(source, tmp_path):
    table, training = load(source), SurrogateTraining(epochs=1, steps_per_epoch=3, n_support=32)
    names = ["t0", "t1", "t2"]
    first = fold_surrogates(table, names, training, 0, tmp_path)
    again = fold_surrogates(table, names, training, 0, tmp_path)
    task, configurations = table.task_info("t4"), table.space.sample(3, seed=5)
    asked = (task, configurations, [()] * 3, [4] * 3)
    np.testing.assert_array_equal(first.performance.predict(*asked)[0], again.performance.predict(*asked)[0])


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


def test_a_meta_dataset_without_a_telling_task_is_refused(settings, source, tmp_path):
    folder = str(save(load(source).select(["flat"]), tmp_path / "flat"))
    with pytest.raises(ValueError, match=r"None of the 1 tasks .* flat: best and median score differ by 0.*Collect"):
        evaluate(settings(meta_dataset=folder))


def test_the_command_prints_the_report(source, tracking, tmp_path, capsys):
    words = ["--meta_dataset", source, "--output", str(tmp_path / "out"), "--methods", "[random]", "--n_folds", "2"]
    where = ["--tracking", f"{{experiment: printed, uri: '{tracking.uri}'}}"]
    assert main(["evaluate", *words, *where, "--budgets", "[1, 2]", "--n_seeds", "1"]) == 0
    assert "## Mean normalised regret" in capsys.readouterr().out
