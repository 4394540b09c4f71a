import json
import shutil

import pytest
import yaml

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.tuning.settings import TuneSettings


@pytest.fixture
def settings(tmp_path, fit_config, colour_task, small_space, filled_database):
    """A random search of the tiny model; changes are keys of the YAML."""
    shutil.copyfile(filled_database, tmp_path / "mlflow.db")
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))

    def make(**changes) -> TuneSettings:
        plain = {
            "task": str(colour_task),
            "recipe": "recipe.yaml",
            "space": "space.yaml",
            "searcher": "successive_halving",
            "budget": {"slices": 5},
            "max_fidelity": 3,
            "pool_size": 4,
            "output": str(tmp_path / "search"),
            "tracking": {"experiment": "tuned", "uri": f"sqlite:///{tmp_path}/mlflow.db"},
        }
        (tmp_path / "tune.yaml").write_text(
            yaml.safe_dump({k: v for k, v in {**plain, **changes}.items() if v is not None})
        )
        return parse_settings("tune", TuneSettings, ["--config", str(tmp_path / "tune.yaml")])

    return make


@pytest.fixture
def observed(tmp_path):
    """Reads what the search has observed: ``() -> entries``."""

    def read(folder="search"):
        lines = (tmp_path / folder / "observations.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines[1:]]

    return read
