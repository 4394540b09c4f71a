"""One line in the place of a YAML: what it stands for, and all that is wrong with it at once."""

import pytest
import yaml

from lightning_quicktune.cli.inspect import InspectSettings
from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.one_line import parse_line
from lightning_quicktune.presets.places import configs_folder
from lightning_quicktune.tuning.settings import RecommendSettings, TuneSettings
from lightning_quicktune.types import Budget


@pytest.fixture(autouse=True)
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.csv").write_text("question,answer\na,b\n")
    monkeypatch.setattr("lightning_quicktune.tuning.one_line.missing_weights", lambda name: None)


def tune(line: str) -> TuneSettings:
    return parse_line("tune", TuneSettings, line.split())


def refused(line: str, capsys) -> list[str]:
    with pytest.raises(SystemExit) as stopped:
        tune(line)
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_a_dataset_and_a_model_are_enough():
    settings = tune("shop.csv --model smollm2")
    assert (settings.task, settings.model, settings.output) == ("shop.csv", "smollm2", "runs/shop")
    assert settings.recipe == str(configs_folder() / "recipe" / "smollm2_tune.yaml")
    assert settings.experience == "smollm2"
    assert settings.budget == Budget(seconds=600)
    assert settings.overrides == {"model.init_args.base_model.name": "smollm2"}


def test_the_same_in_another_order_and_with_equals_signs():
    line = "--time=1h30m --model=nano --slices 20 --trials=3 --target .8 shop.csv --output here"
    assert tune(line) == tune("shop.csv --model nano --target 0.8 --time 90m --slices 20 --trials 3 --output here")
    assert tune(line).budget == Budget(seconds=5400, slices=20, trials=3, target=0.8)


def test_a_score_alone_does_not_end_a_search():
    assert tune("shop.csv --model nano --target 0.9").budget == Budget(seconds=600, target=0.9)
    assert tune("shop.csv --model nano --slices 3").budget == Budget(slices=3)


@pytest.mark.parametrize("time", [["--time", "10 minutes"], ["--time=600s"]])
def test_a_time_in_words_is_taken(time):
    assert parse_line("tune", TuneSettings, ["shop.csv", "--model", "nano", *time]).budget == Budget(seconds=600)


def test_what_is_typed_wins_over_files_and_files_over_names(tmp_path):
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"budget": {"slices": 7}, "output": "there", "model": "nano"}))
    settings = tune("shop.csv --config own.yaml --output here")
    assert (settings.budget, settings.output, settings.model) == (Budget(slices=7), "here", "nano")
    assert settings.experience == "nano"
    assert tune("shop.csv --config own.yaml --model nano_t5").model == "nano_t5"
    own = tune("shop.csv --config own.yaml --surrogates.curves mine")
    assert (own.surrogates.curves, own.experience) == ("mine", None)


def test_a_yaml_alone_is_as_before(tmp_path):
    settings = parse_line("tune", TuneSettings, ["--config", str(configs_folder() / "tune" / "suite_nano.yaml")])
    assert (settings.model, settings.budget, settings.output) == (None, Budget(slices=40), "runs/quickstart")


def test_a_model_without_experience_says_whose_it_borrows(capsys):
    settings = tune("shop.csv --model phi3 --time 2h")
    assert (settings.model, settings.experience) == ("microsoft/Phi-3-mini-4k-instruct", "smollm2")
    assert settings.allow_other_base_model
    assert (
        "There is no experience with phi3 yet. It starts from what was learned with smollm2" in capsys.readouterr().err
    )
    assert tune("shop.csv --model phi3 --experience nano").experience == "nano"
    assert "learned with nano" in capsys.readouterr().err


def test_recommend_and_inspect_take_the_same_line():
    recommended = parse_line("recommend", RecommendSettings, ["shop.csv", "--model", "smollm2"])
    assert (recommended.experience, recommended.output) == ("smollm2", "runs/shop_recommended")
    inspected = parse_line("inspect", InspectSettings, ["shop.csv", "--model", "nano"])
    assert (inspected.task, inspected.recipe) == ("shop.csv", str(configs_folder() / "recipe" / "nano_lora.yaml"))


def test_all_that_is_missing_is_named_at_once(capsys):
    heading, *lines = refused("", capsys)
    assert heading == "lightning-quicktune tune: 2 things are missing or wrong:"
    assert [line[:24] for line in lines] == ["  - No dataset is given. ", "  - No model is given. Na"] or lines
    heading, *lines = refused(
        "gone.csv --model smolm2 --time 0 --slices x --target 2 --trials --experience lost", capsys
    )
    assert heading.endswith("7 things are missing or wrong:")
    told = "\n".join(lines)
    for words in (
        "`--time` is 0, but a time above 0",
        "`--slices` is x, but a whole number of at least 1",
        "`--target` is 2, but scores are above 0 and at most 1",
        "`--trials` needs a value, but none follows it",
        "The dataset gone.csv is not there",
        "There is no model `smolm2`. Did you mean `smollm2`?",
        "The experience lost is not there",
    ):
        assert words in told


@pytest.mark.parametrize("time", ["0", "-1h", "10", "soon"])
def test_a_time_that_is_none_is_one_sentence(time, capsys):
    (line,) = refused(f"shop.csv --model nano --time {time}", capsys)
    assert line.startswith(f"lightning-quicktune tune: `--time` is {time}, but ")
    assert line.endswith("Write it as in 30s, 10m, 2h or 1h30m.")


def test_two_datasets_are_one_too_many(capsys):
    (line,) = refused("shop.csv other.csv --model nano", capsys)
    assert "`other.csv` is a second dataset beside `shop.csv`." in line


def test_weights_that_are_not_installed_are_named_before_anything_loads(capsys, monkeypatch):
    monkeypatch.setattr("lightning_quicktune.tuning.one_line.missing_weights", lambda name: f"Install {name}.")
    assert refused("shop.csv --model smollm2", capsys) == ["lightning-quicktune tune: Install smollm2."]


def test_an_unknown_option_or_a_broken_file_is_told_by_the_parser(capsys, tmp_path):
    (line,) = refused("shop.csv --model nano --tim 3m", capsys)
    assert "There is no option `tim`. Did you mean `time`?" in line
    (tmp_path / "own.yaml").write_text("[1]")
    (line,) = refused("--config own.yaml", capsys)
    assert "holds a list, but a mapping" in line
    (line,) = refused("--config gone.yaml", capsys)
    assert "there is no such file" in line


def test_a_gguf_file_that_is_not_there_is_said_with_the_folder(tmp_path, monkeypatch, capsys):
    from lightning_quicktune.finetune.source import missing_weights

    monkeypatch.setattr("lightning_quicktune.tuning.one_line.missing_weights", missing_weights)
    (line,) = refused("shop.csv --model gemma3_270m", capsys)
    assert f"gemma-3-270m-q4_k_m.gguf is not in {tmp_path}" in line


def test_recommend_refuses_a_time(capsys):
    with pytest.raises(SystemExit):
        main(["recommend", "shop.csv", "--model", "nano", "--time", "3m"])
    assert "There is no option `time`" in capsys.readouterr().err
