"""Names of models, and the files that they stand for."""

from dataclasses import fields

import pytest

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.compose import build, check_space, read_yaml
from lightning_quicktune.finetune.source import short_name
from lightning_quicktune.presets.places import brought, configs_folder, shipped_surrogates, surrogate_folder
from lightning_quicktune.presets.preset import base_model_override, model_names, preset
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.artifact import read_curves
from lightning_quicktune.tuning.settings import TuneSettings


def test_the_names_are_those_of_the_files():
    assert model_names() == ("gemma3_270m", "nano", "nano_t5", "phi3", "smollm2", "t5")


@pytest.mark.parametrize("name", model_names())
def test_a_name_stands_for_a_recipe_whose_base_model_and_space_fit_its_experience(name):
    chosen = preset(name)
    assert chosen.settings.keys() <= {field.name for field in fields(TuneSettings)}
    recipe = read_yaml(chosen.settings["recipe"])
    recipe["trainer"] |= {"accelerator": "cpu", "precision": "32-true"}
    model = build(recipe).model
    assert model.base_model.name == chosen.base_model
    curves = read_curves(surrogate_folder(chosen.settings["experience"], "curves"))
    check_space(recipe, curves.card.space)
    assert recipe["trainer"]["max_epochs"] == curves.card.layout.max_fidelity or chosen.borrowed
    own = short_name(chosen.base_model) in curves.card.base_models
    assert own == (chosen.borrowed is None)


@pytest.mark.parametrize("name", shipped_surrogates())
def test_the_shipped_curves_are_of_the_shipped_space(name):
    curves = read_curves(surrogate_folder(name, "curves"))
    assert not curves.card.space.differences(SearchSpace.from_yaml(configs_folder() / "space" / "lora.yaml"))


def test_any_other_base_model_borrows(tmp_path):
    for model in ("someone/some-model", str(tmp_path)):
        chosen = preset(model)
        assert (chosen.base_model, chosen.borrowed) == (model, "smollm2")


@pytest.mark.parametrize(("typed", "meant"), [("smolm2", "smollm2"), ("SmolLM2", "smollm2"), ("phi-3", "phi3")])
def test_a_typo_is_answered_with_the_name_that_is_meant(typed, meant):
    with pytest.raises(
        ValueError, match=rf"There is no model `{typed}`\. Did you mean `{meant}`\? `--model` takes gemma"
    ):
        preset(typed)


def test_a_file_that_is_not_there_is_no_hub_id():
    with pytest.raises(ValueError, match=r"There is no model `models/gone\.gguf`"):
        preset("models/gone.gguf")


def test_another_base_model_is_a_key_of_the_recipe():
    assert base_model_override(None) == {}
    assert base_model_override("nano") == {"model.init_args.base_model.name": "nano"}


def test_files_below_configs_are_found_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = str(configs_folder() / "tune" / "suite_nano.yaml")
    assert brought("configs/tune/suite_nano.yaml") == whole
    assert brought("--config=configs/tune/suite_nano.yaml") == f"--config={whole}"
    assert brought("configs/gone.yaml") == "configs/gone.yaml"
    settings = parse_settings("tune", TuneSettings, ["--config", brought("configs/tune/suite_nano.yaml")])
    assert read_yaml(str(settings.recipe.absolute))["model"]
    (tmp_path / "configs" / "tune").mkdir(parents=True)
    (tmp_path / "configs" / "tune" / "suite_nano.yaml").write_text("{}")
    assert brought("configs/tune/suite_nano.yaml") == "configs/tune/suite_nano.yaml"
