import json
import shutil

import pandas as pd
import pytest

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.folder import SHIPPED, load, save


@pytest.fixture
def table(trials, tasks, space, diverged):
    return build([*trials, diverged], tasks, space, origin="tests", licence="Apache-2.0")


@pytest.fixture
def folder(table, tmp_path):
    return save(table, tmp_path / "meta_dataset")


def test_a_saved_meta_dataset_comes_back(table, folder, tasks):
    loaded = load(folder, with_test=True)
    assert loaded.curves() == table.curves()
    assert [loaded.task_info(t.name) for t in tasks] == tasks
    assert loaded.meta == table.meta
    assert not loaded.space.differences(table.space)
    assert sorted(path.name for path in folder.iterdir()) == [
        "meta.json",
        "space.json",
        "tasks.parquet",
        "trials.parquet",
    ]


def test_types_of_hyperparameters_survive(table, folder):
    for row, loaded in zip(table.curves(), load(folder).curves(), strict=True):
        assert {k: type(v) for k, v in row.configuration.values.items()} == {
            k: type(v) for k, v in loaded.configuration.values.items()
        }


def test_test_scores_are_kept_for_an_evaluation_only(folder):
    assert not [c for c in load(folder).trials.columns if c.startswith("test/")]
    assert {"test/score", "test/loss", "metric/loss"} <= set(load(folder, with_test=True).trials.columns)


def test_a_meta_dataset_can_be_written_again(table, folder):
    save(table.select(["t1"]), folder)
    assert load(folder).task_names == ("t1",)


def test_records_repeated_in_one_file_are_resolved(folder, tasks, space, make_trial):
    short, long = make_trial(tasks[0], space.default, 2), make_trial(tasks[0], space.default, 3)
    rows = [build([trial], tasks, space, "tests", "").trials for trial in (long, short)]
    pd.concat(rows).to_parquet(folder / "trials.parquet")
    (row,) = load(folder).curves()
    assert row.scores == long.curve.scores


def test_an_mlflow_artifact_is_downloaded(folder, monkeypatch):
    artifacts = pytest.importorskip("lightning_quicktune.tracking.artifacts")
    asked = []
    monkeypatch.setattr(artifacts, "download", lambda uri: asked.append(uri) or folder)
    assert load("runs:/abc/meta_dataset").task_names == ("t0", "t1", "t2", "t3")
    assert asked == ["runs:/abc/meta_dataset"]


@pytest.mark.parametrize("missing", ["meta.json", "space.json", "tasks.parquet", "trials.parquet"])
def test_a_folder_that_lacks_a_file_is_no_meta_dataset(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"not a meta-dataset: it lacks {missing}.*lightning-quicktune collect"
    ):
        load(folder)


def test_a_missing_folder_lists_everything(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks meta.json, space.json, tasks.parquet, trials.parquet\. Give"):
        load(tmp_path / "nowhere")


def test_another_schema_version_is_refused(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "schema_version": 99}))
    with pytest.raises(ValueError, match=r"has schema version 99, but this package reads version 1.*Build the table"):
        load(folder)


def test_a_missing_hyperparameter_column_names_the_closest(folder):
    path = folder / "trials.parquet"
    pd.read_parquet(path).rename(columns={"variant": "variants"}).to_parquet(path)
    with pytest.raises(ValueError, match=r"no column 'variant'\. Did you mean `variants`\? .*rename the column"):
        load(folder)


def test_an_unknown_column_names_the_closest(folder):
    path = folder / "trials.parquet"
    pd.read_parquet(path).assign(warmups=1).to_parquet(path)
    with pytest.raises(ValueError, match=r"column 'warmups' that is neither .* Did you mean `warmup`\? .*drop it"):
        load(folder)


def test_a_table_without_overheads_reads_as_if_there_were_none(folder):
    path = folder / "trials.parquet"
    pd.read_parquet(path).drop(columns=["start_s", "resume_s", "unfinished_s"]).to_parquet(path)
    assert {row.unfinished_s for row in load(folder).curves()} == {0.0}


def test_an_interrupted_write_leaves_no_mixture(table, folder, monkeypatch):
    before = shutil.copytree(folder, folder.with_name("before"))
    monkeypatch.setattr(pd.DataFrame, "to_parquet", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(table.select(["t1"]), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in before.iterdir()}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_can_be_read_and_names_no_folder_of_the_machine_it_was_made_on(name):
    table = load(name)
    assert table.meta["n_trials"] == len(table.trials.drop_duplicates(["task", "config_id", "seed"])) > 30
    assert table.meta["licence"] == "Apache-2.0"
    assert all("path" not in table.task_info(task).facts for task in table.task_names)
    for configuration in {row.configuration for row in table.curves()}:
        table.space.check(configuration)


def test_a_table_that_says_no_version_of_its_labels_has_the_first(table, tmp_path):
    folder = save(table, tmp_path)
    meta = json.loads((folder / "meta.json").read_text())
    del meta["label_version"]
    (folder / "meta.json").write_text(json.dumps(meta))
    assert load(folder).label_version == 1
    (folder / "meta.json").write_text(json.dumps({**meta, "label_version": 2}))
    assert load(folder).label_version == 2
