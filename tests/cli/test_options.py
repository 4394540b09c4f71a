"""Every option of every subcommand: misspelled, cut short, without a value, with a wrong one, and beside a file."""

import sys

import pytest
import yaml
from jsonargparse import ActionConfigFile

from lightning_quicktune.arguments.parser import Strict
from lightning_quicktune.cli.chat import ChatSettings
from lightning_quicktune.cli.export import ExportSettings
from lightning_quicktune.cli.inspect import InspectSettings
from lightning_quicktune.cli.lightning import QuickTuneCLI
from lightning_quicktune.cli.main import SUBCOMMANDS, main
from lightning_quicktune.cli.parsing import parse_settings, settings_parser
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.metadataset.import_settings import DescribeSettings, ImportSettings
from lightning_quicktune.synthesis.synthesize import SynthesisSettings
from lightning_quicktune.tuning.settings import RecommendSettings, TuneSettings

LIGHTNING = ("fit", "validate", "test", "predict")
KINDS = {
    "tune": TuneSettings,
    "recommend": RecommendSettings,
    "collect": CollectSettings,
    "import": ImportSettings,
    "describe": DescribeSettings,
    "evaluate": EvaluateSettings,
    "export": ExportSettings,
    "inspect": InspectSettings,
    "chat": ChatSettings,
    "synthesize": SynthesisSettings,
}
DUMP = ("usage:", "<class", "Union", "Namespace", "Traceback", "Parser key")


def lightning_parser(subcommand, monkeypatch) -> Strict:
    """The parser that LightningCLI makes for one of its subcommands."""
    found = []

    def keep(cli, parser, args):
        found.append(parser)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(QuickTuneCLI, "parse_arguments", keep)
        with pytest.raises(SystemExit):
            main([subcommand])
    return found[0]._subcommands_action.choices[subcommand]


@pytest.fixture(params=SUBCOMMANDS)
def parser(request, monkeypatch):
    if request.param in LIGHTNING:
        return lightning_parser(request.param, monkeypatch)
    return settings_parser(request.param, KINDS[request.param])


def said(parser, capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(list(words))
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert not [word for word in DUMP if word in error], error
    (line,) = error.splitlines()
    return line


def options(parser):
    """Long names of the options that take a value, other than whole files."""
    skipped = ("help", "print_config")
    actions = [a for a in parser._actions if a.option_strings and not isinstance(a, ActionConfigFile)]
    names = [a.option_strings[0].removeprefix("--") for a in actions if a.dest not in skipped]
    return [name for name in names if not name.startswith(skipped) and not name.endswith(".help")]


def test_no_option_is_taken_by_another_name_than_its_own(parser, capsys):
    names = options(parser)
    assert len(names) > 2
    for name in names:
        for wrong in (name[:-1], f"{name}x"):
            if wrong and wrong not in names:
                line = said(parser, capsys, f"--{wrong}", "1")
                assert f"There is no option `{wrong}`. Did you mean `" in line or len(wrong) < 4, line


def test_an_option_without_a_value_is_named(parser, capsys):
    for name in options(parser):
        assert f"`--{name}` needs a value, but none follows it." in said(parser, capsys, f"--{name}")


def test_a_value_of_the_wrong_kind_is_named_with_its_option(parser, capsys):
    refused = 0
    for name in options(parser):
        if (parser.prog.split()[-1], name) in (("describe", "meta_dataset"), ("chat", "run")):
            continue  # a text, and nothing else is missing
        line = said(parser, capsys, f"--{name}", "%")  # at the latest because others are missing
        refused += f"`{name}` is %, but " in line or f"`{name}` is '%', but " in line
        assert "needs a value" not in line
    assert refused >= len(options(parser)) / 4


def test_all_missing_options_are_named_at_once(parser, capsys):
    line = said(parser, capsys)
    required = [a.dest for a in parser._actions if a.required and not a.dest.startswith("tracking")]
    assert all(f"`{name}`" in line for name in required)
    assert " not set. Give " in line


CHOSEN = {  # what else is needed; an option, its value in the file and the one that is typed
    "tune": ("--recipe FILE --output o --budget.slices 1", "task", "file.csv", "shop.csv"),
    "recommend": ("--recipe FILE --output o", "task", "file.csv", "shop.csv"),
    "collect": ("--tasks [t] --recipe FILE --space FILE --output o", "max_fidelity", 3, 7),
    "import": ("--table t.csv --output o --licence l", "origin", "file", "typed"),
    "describe": ("--meta_dataset nano", "importance", False, True),
    "evaluate": ("--meta_dataset nano --output o --methods [random]", "n_seeds", 3, 7),
    "export": ("--fit FILE --checkpoint c", "output", "file", "typed"),
    "inspect": ("--recipe FILE", "records", 3, 7),
    "synthesize": ("--documents d --output o --llm.model m", "seed", 3, 7),
}


@pytest.mark.parametrize("subcommand", CHOSEN)
def test_what_is_typed_wins_over_a_later_file(subcommand, tmp_path):
    words, option, filed, typed = CHOSEN[subcommand]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({option: filed}))
    words = words.replace("FILE", str(tmp_path / "run.yaml")).split()
    told = [f"--{option}", str(typed).lower() if isinstance(typed, bool) else str(typed)]
    file = ["--config", str(tmp_path / "run.yaml")]
    for order in ([*words, *told, *file], [*file, *words, *told], [*told, *file, *words]):
        assert getattr(parse_settings(subcommand, KINDS[subcommand], order), option) == typed
    assert getattr(parse_settings(subcommand, KINDS[subcommand], [*words, *file]), option) == filed


@pytest.mark.parametrize("subcommand", LIGHTNING)
def test_what_is_typed_wins_over_a_later_file_in_lightnings_subcommands(
    subcommand, fit_config, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    typed = ["--model.init_args.lora.rank", "2", "--trainer.max_epochs", "9"]
    with pytest.raises(SystemExit) as stopped:
        main([subcommand, *typed, "--config", str(tmp_path / "fit.yaml"), "--print_config"])
    assert stopped.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["model"]["init_args"]["lora"]["rank"], printed["trainer"]["max_epochs"]) == (2, 9)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("model.init_args.lora.alpha", "Did you mean `model.init_args.lora.alpha_over_rank`?"),
        (
            "model.init_args.optimizer.init_args.weight",
            "Did you mean `model.init_args.optimizer.init_args.weight_decay`?",
        ),
        ("data.init_args.batch", "Did you mean `data.init_args.batch_size`?"),
        ("data.init_args.reading.on_bad", "Did you mean `data.init_args.reading.on_bad_record`?"),
        ("trainer.max_epoch", "Did you mean `trainer.max_epochs`?"),
    ],
)
def test_no_part_of_a_nested_name_is_taken_for_the_whole(typed, sentence, fit_config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "--config", str(tmp_path / "fit.yaml"), f"--{typed}", "32"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"lightning-quicktune fit: There is no option `{typed}`. {sentence}\n"


def test_what_model_and_data_lack_is_named_together(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    classes = {
        "model": {"class_path": "lightning_quicktune.finetune.finetuner.CausalLMFinetuner"},
        "data": {"class_path": "lightning_quicktune.data.datamodule.TaskData"},
    }
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(classes))
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(tmp_path / "fit.yaml")])
    error = capsys.readouterr().err
    assert error.startswith(
        "lightning-quicktune fit: `model.init_args.base_model.name` and `data.init_args.path` are not set. Give each as"
    )
    with pytest.raises(SystemExit):
        main(["fit", "--model.init_args.lora.rank", "3"])
    error = capsys.readouterr().err
    assert "`model` has no `class_path`, so there is no class that takes `model.init_args.lora.rank`." in error
