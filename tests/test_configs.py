"""Every file in ``configs/`` parses, and every recipe runs on a tiny base model."""

import sys
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import build, check_space, fit_parser, read_yaml
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.synthesis.synthesize import SynthesisSettings
from lightning_quicktune.tuning.settings import TuneSettings
from lightning_quicktune.types import Configuration

CONFIGS = Path(__file__).parents[1] / "configs"
ROLES = ("trainer", "tracking", "model", "data")
SETTINGS = {"collect": CollectSettings, "tune": TuneSettings, "synthesize": SynthesisSettings}
RECIPES = sorted(CONFIGS.glob("recipe/*.yaml"))


def files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((CONFIGS / folder).glob("*.yaml"))]
    assert found
    return found


def test_every_folder_is_checked_here_or_with_its_room():
    known = {*ROLES, *SETTINGS, "recipe", "space", "configurations", "evaluate", "import", "recommend", "preset"}
    assert {path.name for path in CONFIGS.iterdir()} <= known


@pytest.mark.parametrize("path", files(*ROLES), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_role_file_has_one_key_that_the_fit_parser_takes(path):
    content = yaml.safe_load(path.read_text())
    (key,) = content
    whole = read_yaml(CONFIGS / "recipe" / "nano_lora.yaml") | content
    parsed = fit_parser().parse_object(whole)
    assert parsed[key] is not None


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_a_recipe_builds_without_weights_and_fits_the_search_space(path):
    config = read_yaml(path)
    config["trainer"] |= {"accelerator": "cpu", "precision": "32-true"}
    assert build(config).model.model is None
    check_space(config, SearchSpace.from_yaml(CONFIGS / "space" / "lora.yaml"))


@pytest.mark.parametrize("path", files("configurations"), ids=lambda p: p.name)
def test_listed_configurations_are_different_points_of_the_search_space(path):
    space = SearchSpace.from_yaml(CONFIGS / "space" / "lora.yaml")
    listed = [Configuration(values) for values in yaml.safe_load(path.read_text())]
    for configuration in listed:
        space.check(configuration)
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_subcommands_parse_and_name_files_that_exist(name, tmp_path):
    for path in files(name):
        extra = ["--documents", str(tmp_path)] if name == "synthesize" else []
        settings = parse_settings(name, SETTINGS[name], ["--config", str(path), *extra])
        assert settings.output


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_a_recipe_runs_fit_test_and_predict(path, tiny_phi3, colour_task, tmp_path, monkeypatch):
    """Takes seconds: three starts of a trainer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    is_seq2seq = "Seq2Seq" in read_yaml(path)["model"]["class_path"]
    options = {
        "model.init_args.base_model.name": "nano_t5" if is_seq2seq else tiny_phi3,
        "model.init_args.base_model.dtype": "float32",
        "model.init_args.score.max_new_tokens": 2,
        "data.init_args.path": colour_task,
        "trainer.accelerator": "cpu",
        "trainer.precision": "32-true",
        "trainer.fast_dev_run": "true",
        "trainer.enable_progress_bar": "false",
    }
    flags = [f"--{key}={value}" for key, value in options.items()]
    for subcommand in ("fit", "test", "predict"):
        assert main([subcommand, "--config", str(path), *flags]) == 0
