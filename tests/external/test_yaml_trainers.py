"""Each key that ``export --as`` writes is one of that trainer's, and has the value there that it was given."""

import json
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("default")]

SCRIPTS = Path(__file__).parents[2] / "tools" / "serving"
RECIPES = ["adamw", "sgd", "dora", "pissa"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_llamafactory_takes_every_key_as_it_was_written(trained, run, tmp_path, recipe):
    path = trained / recipe / "llamafactory" / "llamafactory.yaml"
    run("llamafactory", SCRIPTS / "read_llamafactory.py", path, tmp_path / "taken.json")
    written = yaml.safe_load(path.read_text())
    lists = {key: written[key].split(",") for key in ("dataset", "lora_target")}
    assert json.loads((tmp_path / "taken.json").read_text()) == {**written, **lists}


@pytest.mark.parametrize("recipe", RECIPES)
def test_axolotl_takes_every_key_as_it_was_written(trained, run, tmp_path, recipe):
    path = trained / recipe / "axolotl" / "axolotl.yaml"
    run("axolotl", SCRIPTS / "read_axolotl.py", path, tmp_path / "taken.json")
    written, taken = yaml.safe_load(path.read_text()), json.loads((tmp_path / "taken.json").read_text())
    (data,), (asked,) = taken.pop("datasets"), written.pop("datasets")
    assert asked.items() <= data.items()
    assert taken == written


@pytest.mark.parametrize("trainer", ["llamafactory", "axolotl"])
def test_an_optimizer_that_can_not_be_said_stops_the_training(trained, run, tmp_path, trainer):
    """LLaMA-Factory refuses it when it reads the file, Axolotl when it hands the name on to Transformers."""
    path = trained / "adafactor" / trainer / f"{trainer}.yaml"
    with pytest.raises(AssertionError, match="can_not_be_said"):
        run(trainer, SCRIPTS / f"read_{trainer}.py", path, tmp_path / "taken.json")
