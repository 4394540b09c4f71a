"""The import configs, and what they make of the tables in ``../shared`` where these are present."""

from pathlib import Path

import numpy as np
import pytest

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.metadataset.arrays import curve_arrays
from lightning_quicktune.metadataset.describe import describe
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.metadataset.import_settings import ImportSettings
from lightning_quicktune.metadataset.import_table import import_table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def imported(monkeypatch, tmp_path):
    def imported(name):
        monkeypatch.chdir(ROOT)
        args = ["--config", f"configs/import/{name}.yaml", "--output", str(tmp_path / name)]
        settings = parse_settings("import", ImportSettings, args)
        if not Path(settings.table).is_file():
            pytest.skip(f"{settings.table} is not here")
        return import_table(settings)

    return imported


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "import").glob("*.yaml")), ids=lambda p: p.name)
def test_an_import_config_parses(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert parse_settings("import", ImportSettings, ["--config", str(path)]).output.startswith("runs/")


def test_medquicktune_has_conditions_and_tasks_of_its_own(imported):
    table = load(imported("medquicktune").folder)
    assert (table.meta["n_tasks"], table.meta["n_trials"], table.meta["n_slices"]) == (6, 505, 12625)
    assert table.space.to_dict()["resnet_type"]["when"] == {"model": ["resnet"]}
    assert table.task_info("gist").facts["fold"] == "fold0"
    assert table.task_info("gist").facts["modality"]


@pytest.mark.slow
def test_yahpo_is_dense_and_its_default_was_recorded(imported):
    table = load(imported("yahpo").folder)
    assert (table.meta["n_tasks"], table.meta["n_trials"], table.meta["n_slices"]) == (34, 13600, 34 * 400 * 51)
    folds = {name: table.task_info(name).facts["fold"] for name in table.task_names}
    assert set(folds.values()) == {f"fold{i}" for i in range(5)}
    arrays = curve_arrays(table, [name for name, fold in folds.items() if fold == "fold0"])
    assert arrays.scores.shape == (7, 400, 51)
    assert (arrays.lengths == 51).all()
    assert table.space.default in arrays.configurations


def test_lcdb_is_ragged_and_every_curve_counts(imported):
    table = load(imported("lcdb_accuracy").folder)
    assert (table.meta["n_tasks"], table.meta["n_trials"], table.meta["n_slices"]) == (248, 4367, 72224)
    arrays = curve_arrays(table)
    assert (arrays.outcome == "full").sum() == np.isfinite(arrays.final).sum() == 4367
    assert arrays.max_fidelity.max() == 36
    assert {table.task_info(name).facts["fold"] for name in table.task_names} == {f"fold{i}" for i in range(5)}
    described = [name for name in table.task_names if table.task_info(name).meta_features]
    assert len(described) == 197  # what the others lack stays missing


@pytest.mark.parametrize(("name", "shares"), [("lcdb_anchors8", 8), ("lcdb_final", 1)])
def test_lcdb_at_shares_ends_where_the_curves_end(imported, name, shares):
    whole, few = (curve_arrays(load(imported(n).folder)) for n in ("lcdb_accuracy", name))
    np.testing.assert_array_equal(few.final, whole.final)
    np.testing.assert_array_equal(few.max_fidelity, np.minimum(whole.max_fidelity, shares))
    np.testing.assert_allclose(np.nansum(few.costs_s, axis=2), np.nansum(whole.costs_s, axis=2))


@pytest.mark.parametrize(("name", "n_slices"), [("opda_deberta", 62386), ("opda_deberta_k6", 12288)])
def test_opda_counts_all_curves_of_both_tasks(imported, name, n_slices):
    result = imported(name)
    table = load(result.folder)
    assert (table.meta["n_tasks"], table.meta["n_trials"], table.meta["n_slices"]) == (2, 2048, n_slices)
    assert (curve_arrays(table).outcome == "full").all()
    assert result.notes == ()
    assert "completed 2048" in describe(table, importance=False)


def test_checkpoints_have_one_score_each_and_a_default(imported):
    table = load(imported("model_recycling_bert").folder)
    assert (table.meta["n_tasks"], table.meta["n_trials"], table.meta["n_slices"]) == (36, 12996, 12996)
    assert table.space.default.values["model_name"] == "bert-base-uncased"
    assert curve_arrays(table).scores.shape == (36, 361, 1)
    assert "There is one score per training" in describe(table, importance=False)
