"""README's commands: all of them are parsed as they stand; those that train run in order on a tiny base model."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.export import ExportSettings
from lightning_quicktune.cli.inspect import InspectSettings
from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.tuning.settings import TuneSettings

ROOT = Path(__file__).parents[1]
KINDS = {
    "collect": CollectSettings,
    "evaluate": EvaluateSettings,
    "export": ExportSettings,
    "inspect": InspectSettings,
    "tune": TuneSettings,
}
SERVER = ["mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db"]


def commands() -> list[list[str]]:
    """The words of each command in README's blocks, loops unrolled, comments left out."""
    found = []
    for block in re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        text = block.replace("\\\n", " ")
        for name, values, body in re.findall(r"for (\w+) in (.*?); do\n(.*?)\ndone", text, re.DOTALL):
            unrolled = "\n".join(body.replace(f"${name}", value) for value in values.split())
            text = re.sub(rf"for {name} in .*?\ndone", lambda _, lines=unrolled: lines, text, count=1, flags=re.DOTALL)
        found += [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]
    return found


COMMANDS = commands()
OURS = [words[1:] for words in COMMANDS if words[0] == "lightning-quicktune"]


@pytest.fixture
def here(tmp_path, monkeypatch, fit_config):
    """A folder that looks like the repository's root to what is typed in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    fit_config["trainer"] |= {"max_epochs": 2, "enable_progress_bar": False, "log_every_n_steps": 1}
    (tmp_path / "FIT.yaml").write_text(to_yaml(fit_config))
    return tmp_path


def test_every_command_is_one_of_ours_a_script_or_the_server():
    others = [words for words in COMMANDS if words[0] != "lightning-quicktune" and words != SERVER]
    assert all((ROOT / words[0]).is_file() for words in others)
    tracking = yaml.safe_load((ROOT / "configs/tracking/mlflow.yaml").read_text())["trainer"]["logger"][0]
    assert tracking["init_args"]["tracking_uri"] == SERVER[-1]
    assert {words[0] for words in OURS} == {*KINDS, "fit", "predict"}


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_a_command_is_taken_as_it_stands(words, here, capsys):
    subcommand, *rest = words
    if subcommand in KINDS:
        assert parse_settings(subcommand, KINDS[subcommand], rest)
        return
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--print_config"])
    assert stopped.value.code == 0
    assert yaml.safe_load(capsys.readouterr().out).keys() >= {"trainer", "model", "data"}


def run(subcommand, here, values, extra):
    """Runs README's commands of a subcommand, with values for what it writes in capitals and further options."""
    for words in OURS:
        if words[0] == subcommand[0] and subcommand[1] in " ".join(words):
            filled = [re.sub("|".join(values), lambda match: str(values[match[0]]), word) for word in words]
            assert main([*filled, *extra]) == 0, filled


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dataset_is_trained_on_answered_looked_at_and_exported(here, colour_task, tiny_phi3):
    """Takes minutes: six starts of the command line."""
    tiny = ["--model.init_args.base_model.name", str(tiny_phi3), "--model.init_args.score.max_new_tokens", "2"]
    short = [
        "--trainer.max_epochs",
        "1",
        "--data.init_args.records_per_slice",
        "16",
        "--trainer.log_every_n_steps",
        "1",
    ]
    run(
        ("fit", "smollm2_lora"),
        here,
        {"FOLDER": colour_task},
        [*tiny, *short, "--trainer.enable_progress_bar", "false"],
    )
    (checkpoint,) = here.rglob("last.ckpt")
    config = next(here.rglob("config.yaml"))
    values = {"FOLDER": colour_task, "CHECKPOINT": checkpoint, "FIT.yaml": config}
    run(("predict", ""), here, values, [*tiny, "--trainer.logger", "false"])
    assert len((here / "predictions.jsonl").read_text().splitlines()) == 7
    (here / "configs").unlink()
    (here / "configs" / "recipe").mkdir(parents=True)
    (here / "configs" / "recipe" / "smollm2_lora.yaml").write_text((here / "FIT.yaml").read_text())
    run(("inspect", ""), here, values, [])
    run(("export", ""), here, values, [])
    assert (here / "adapter" / "adapter_config.json").is_file()
    assert (here / "merged" / "model.safetensors").is_file()
    assert any((here / "for_trl").iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trials_of_ones_own_become_surrogates_that_tune(here, write_colours, small_space):
    """Takes minutes: a collection, three surrogates and a search."""
    (here / "space.yaml").write_text(yaml.safe_dump(small_space.to_dict()))
    tasks = [write_colours(here / f"task{number}", 24 + 4 * number) for number in range(2)]
    trials = ["--recipe", "FIT.yaml", "--max_fidelity", "2", "--tracking.uri", f"sqlite:///{here}/mlflow.db"]
    collect = ["--space", "space.yaml", "--n_shared", "4", "--workers", "1", "--tasks", f"[{tasks[0]}, {tasks[1]}]"]
    run(("collect", ""), here, {"FOLDER": tasks[0]}, [*trials, *collect])
    run(("fit", "surrogate"), here, {"FOLDER": tasks[0]}, ["--trainer.max_epochs", "1"])
    assert {path.parent.name for path in here.glob("runs/smollm2/*/surrogate.json")} == {
        "performance",
        "cost",
        "curves",
    }
    tune = ["--budget.slices", "3", "--pool_size", "4", "--compare", "[]"]
    run(("tune", ""), here, {"FOLDER": tasks[1]}, [*trials, *tune])
    assert (here / "runs/smollm2_tune/result/adapter/adapter_config.json").is_file()
