"""Commands of README and docs: all are parsed as they stand; those that train run in order on a tiny base model."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from lightning_quicktune.cli.chat import ChatSettings
from lightning_quicktune.cli.export import ExportSettings
from lightning_quicktune.cli.inspect import InspectSettings
from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.one_line import parse_line
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import to_yaml
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.metadataset.import_settings import DescribeSettings, ImportSettings
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.synthesis.synthesize import SynthesisSettings
from lightning_quicktune.tuning.experience_folder import read_whole
from lightning_quicktune.tuning.settings import RecommendSettings, TuneSettings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
ONE_LINE = {"tune": TuneSettings, "recommend": RecommendSettings, "inspect": InspectSettings}
KINDS = {
    "chat": ChatSettings,
    "collect": CollectSettings,
    "describe": DescribeSettings,
    "evaluate": EvaluateSettings,
    "export": ExportSettings,
    "import": ImportSettings,
    "synthesize": SynthesisSettings,
}
SERVER = ["mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db"]
ELSEWHERE = {"runs/offline/run_offline", "cat", "source"}  # on a machine without network, and what every shell has
LOOP = re.compile(r"for (\w+) in (.*?); do(.*?)\bdone\b", re.DOTALL)


def unrolled(loop: re.Match[str]) -> str:
    """The body of a loop over words, or over files of the repository, once for each."""
    name, values, body = loop.groups()
    names = [path.relative_to(ROOT) for word in values.split() for path in sorted(ROOT.glob(word)) if "*" in word]
    return "\n".join(body.replace(f"${name}", str(value)).replace(";", "\n") for value in names or values.split())


def commands(page: Path) -> list[list[str]]:
    """The words of each command in a page's blocks, loops unrolled, comments left out."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = LOOP.sub(unrolled, "\n".join(blocks).replace("\\\n", " ")).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


COMMANDS = [list(words) for words in dict.fromkeys(tuple(words) for page in PAGES for words in commands(page))]
OURS = [words[1:] for words in COMMANDS if words[0] == "lightning-quicktune"]


@pytest.fixture
def here(tmp_path, monkeypatch, fit_config):
    """A folder that looks like the repository's root to what is typed in it, with a dataset and a search's result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning-quicktune"])
    monkeypatch.setattr("lightning_quicktune.tuning.one_line.missing_weights", lambda name: None)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    fit_config["trainer"] |= {"max_epochs": 2, "enable_progress_bar": False, "log_every_n_steps": 1}
    result = tmp_path / "runs" / "shop" / "result"
    result.mkdir(parents=True)
    for folder in (tmp_path, result):
        (folder / ("FIT.yaml" if folder == tmp_path else "fit.yaml")).write_text(to_yaml(fit_config))
    (tmp_path / "mine").mkdir()
    for name in ("shop.jsonl", "club.jsonl", "claims.jsonl", "returns.jsonl"):
        (tmp_path / name).write_text('{"question": "a", "answer": "b"}\n')
    return tmp_path


def test_every_command_is_one_of_ours_a_script_or_the_server():
    others = [words for words in COMMANDS if words[0] != "lightning-quicktune" and words != SERVER]
    for words in others:
        script = words[1] if words[0] == "python" else words[0]
        if script not in ELSEWHERE:
            text = (ROOT / script).read_text(encoding="utf-8")
            assert all(word in text for word in words if word.startswith("--")), words
    tracking = yaml.safe_load((ROOT / "configs/tracking/mlflow.yaml").read_text())["trainer"]["logger"][0]
    assert tracking["init_args"]["tracking_uri"] == SERVER[-1]
    assert {words[0] for words in OURS} == {*KINDS, *ONE_LINE, "fit", "predict"}


@pytest.mark.parametrize("words", [words for words in OURS if "--prompt" not in words], ids=" ".join)
def test_a_command_is_taken_as_it_stands(words, here, capsys):
    subcommand, *rest = words
    if subcommand in ONE_LINE:
        assert parse_line(subcommand, ONE_LINE[subcommand], rest)
    elif subcommand in KINDS:
        assert parse_settings(subcommand, KINDS[subcommand], ["--run", *rest] if subcommand == "chat" else rest)
    else:
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--print_config"])
        assert stopped.value.code == 0
        assert yaml.safe_load(capsys.readouterr().out).keys() >= {"trainer", "model", "data"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    files = re.findall(r"`((?:configs|tools|lightning_quicktune|findings)/[\w./-]+)`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_readme_is_two_screens():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def run(subcommand, here, values, extra):
    """Runs a subcommand's commands that have a word, with values for what is in capitals, and further options."""
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
    run(("predict", "smollm2_lora"), here, values, [*tiny, "--trainer.logger", "false"])
    assert len((here / "predictions.jsonl").read_text().splitlines()) == 7
    (here / "configs").unlink()
    (here / "configs" / "recipe").mkdir(parents=True)
    (here / "configs" / "recipe" / "smollm2_lora.yaml").write_text((here / "FIT.yaml").read_text())
    run(("inspect", "smollm2_lora"), here, values, [])
    run(("export", "FIT.yaml"), here, values, [])
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
    run(("collect", "tasks_smollm2"), here, {"FOLDER": tasks[0]}, [*trials, *collect])
    run(("fit", "surrogate"), here, {"FOLDER": tasks[0]}, ["--trainer.max_epochs", "1"])
    assert {path.parent.name for path in here.glob("runs/smollm2/*/surrogate.json")} == {
        "performance",
        "cost",
        "curves",
    }
    tune = ["--budget.slices", "3", "--pool_size", "4", "--compare", "[]"]
    run(("tune", "task_smollm2"), here, {"FOLDER": tasks[1]}, [*trials, *tune])
    assert (here / "runs/smollm2_tune/result/adapter/adapter_config.json").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_one_line_becomes_an_adapter_to_talk_to(here, capsys):
    """Takes a minute: README's first command, on the miniature base model, and what may be done with its result."""
    (here / "runs" / "shop" / "result" / "fit.yaml").unlink()
    answers = [{"question": f"What is desk {n} for?", "answer": "parcels" if n % 2 else "refunds"} for n in range(80)]
    (here / "shop.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in answers))
    small = {"smollm2": "nano"}
    run(("recommend", "shop.jsonl"), here, small, [])
    run(("tune", "10m"), here, {**small, "10m": "10h"}, ["--slices", "2", "--compare", "[]"])
    assert (here / "runs/shop/result/adapter/adapter_config.json").is_file()
    run(("chat", "--prompt"), here, {"Where": "Where"}, ["--max_new_tokens", "4"])
    run(("predict", "--prompt"), here, {"Where": "Where"}, ["--model.init_args.score.max_new_tokens", "4"])
    run(("export", "axolotl"), here, {"FIT.yaml": here / "FIT.yaml"}, [])
    assert (here / "axolotl" / "axolotl.yaml").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", ["README.md", "docs/searching.md"])
def test_the_lines_of_python_run(page, here):
    """Takes a minute: the same search, from Python."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    (here / "shop.jsonl").write_text(
        "".join(json.dumps({"question": f"Why {n}?", "answer": "so"}) + "\n" for n in range(80))
    )
    small = block.replace('"smollm2"', '"nano"').replace("minutes=10", "slices=1, compare=[]")
    assert small.count("nano") == small.count("slices") == 1
    names = {}
    exec(compile(small, page, "exec"), names)
    assert names["result"].report.is_file()


def test_what_is_said_of_the_tables_is_the_same_wherever_it_is_said():
    counts = {
        page: re.findall(r"in (\d+ of \d+) columns, in (\d+) of them surely", (ROOT / page).read_text())
        for page in ("README.md", "docs/evaluation.md", "docs/transfer.md")
    }
    assert all(len(found) == 1 for found in counts.values()), counts
    assert len({found[0] for found in counts.values()}) == 1, counts


def test_the_table_of_what_transfer_gains_has_the_numbers_of_the_evaluation():
    table = (ROOT / "docs" / "transfer.md").read_text().split("## Where the budget is short")[1]
    measured = re.findall(r"\| smollm2 \| known \| [\d.]+ \| .*?\] \| (\d?\.\d{3}) \[", table)
    replayed = (ROOT / "README.md").read_text().split("| method | 0.5")[1]
    said = re.search(r"\| `transfer_guarded`, the default of `tune`, told of its budget \|(.*)", replayed).group(1)
    assert len(measured) == 4
    assert measured == re.findall(r"\d?\.\d{3}", said)


def test_the_live_table_has_the_numbers_that_are_kept():
    live = (ROOT / "README.md").read_text().split("| method | `insurance_intents`")[1]
    said = re.search(r"\| `transfer_guarded`, the default of `tune` \|(.*)", live).group(1)
    results = ROOT / "tools" / "benchmarks" / "results" / "live_smollm2_cpu"
    means = [
        json.loads((results / task / "transfer_guarded-9-0.json").read_text())["means"][metric]
        for task, second in (
            ("insurance_intents", "exact_match"),
            ("hotel_faq_question", "token_f1"),
            ("tos_plain_english", "token_f1"),
        )
        for metric in ("answer_likelihood", second)
    ]
    assert re.findall(r"\.\d{3}", said) == [f"{mean:.3f}".removeprefix("0") for mean in means]


def test_as_many_candidates_of_the_live_searches_are_known_as_is_said():
    table = read_whole("smollm2")
    tried = set(table.trials["config_id"])
    n_known = sum(candidate.id in tried for candidate in candidate_pool(table.space, 63, 0))
    assert f"{n_known} of them known" in (ROOT / "README.md").read_text()
    assert f"of which {n_known} were tried" in (ROOT / "docs" / "evaluation.md").read_text()
