"""The import configs, and what they make of the tables in ``../shared`` where these are present."""

from pathlib import Path

import pytest

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.metadataset.arrays import curve_arrays
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
