"""Help on one screen: its options are those of the parsers, its examples are commands, on any terminal."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_quicktune.cli.examples import EXAMPLES
from lightning_quicktune.cli.main import SUBCOMMANDS, main
from lightning_quicktune.cli.one_line import parse_line
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.cli.short_help import KEYS
from lightning_quicktune.compose import build, read_yaml, with_overrides

ROOT = Path(__file__).parents[2]


def shown(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_the_help_ends_with_two_examples(name, capsys):
    assert shown(capsys, name, "--help").splitlines()[-3:] == ["examples:", *(f"  {each}" for each in EXAMPLES[name])]


@pytest.mark.parametrize("name", [*KEYS, "tune", "recommend", "inspect"])
def test_short_help_fits_a_screen_of_forty_columns(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    told, _, examples = shown(capsys, name, "--help").partition("examples:")
    assert examples
    words = [line for line in told.splitlines() if not line.strip().startswith(("--", "usage"))]
    assert max(map(len, words)) <= 40
    assert "--help=all" in told.replace("\n", " ")


def test_the_list_of_subcommands_fits_forty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.partition("subcommands:")[2].splitlines()
    assert max(len(line) for line in lines if line.startswith("  ")) <= 40


@pytest.mark.parametrize("name", KEYS)
def test_every_key_of_the_short_help_is_an_option(name):
    values = {"NAME": "plain", "N": 1, "RATE": 0.1, "RATIO": 1.0, "NAMES": "all-linear", "PATH": "p", "FOLDER": "f"}
    fitting = {"base_model.name": "nano", "schedule.name": "cosine", "score.name": "exact_match", "accelerator": "cpu"}
    recipe = read_yaml(ROOT / "configs" / "recipe" / "nano_lora.yaml")
    for key, _ in KEYS[name]:
        option, takes = key.removeprefix("--").split()
        value = next((v for end, v in fitting.items() if option.endswith(end)), values.get(takes))
        if option not in ("config", "prompt", "ckpt_path"):
            assert build(with_overrides(recipe, {option: value}))


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_every_example_is_taken(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lightning_quicktune.tuning.one_line.missing_weights", lambda name: None)
    for name in ("shop.jsonl", "curves.csv"):
        (tmp_path / name).write_text("")
    (tmp_path / "papers").mkdir()
    for folder in ("", "runs/shop/result"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "fit.yaml").write_text("trainer: {}")
    _, name, *_ = shlex.split(line)
    reached = {}
    stop = RuntimeError("parsed")

    def reach(*args, **kwargs):
        reached["yes"] = True
        raise stop

    if name in KEYS:
        target = "talking.speaker_of" if "--prompt" in line else "lightning.QuickTuneCLI._parse_ckpt_path"
        monkeypatch.setattr(f"lightning_quicktune.cli.{target}", reach)
    else:
        parse = {"tune": parse_line, "recommend": parse_line, "inspect": parse_line}.get(name, parse_settings)

        def stopped_there(subcommand, kind, args):
            parse(subcommand, kind, args)
            reach()

        module = {"import": "import_table"}.get(name, name)
        __import__(f"lightning_quicktune.cli.{module}")
        monkeypatch.setattr(f"lightning_quicktune.cli.{module}.{parse.__name__}", stopped_there)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    assert main(shlex.split(line)[1:]) == 1
    assert reached, capsys.readouterr().err


def test_who_stops_reading_ends_it_quietly():
    """A start of Python, which loads nothing heavy."""
    command = f"{sys.executable} -m lightning_quicktune --help | true; echo ${{PIPESTATUS[0]}}"
    known = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=known)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
