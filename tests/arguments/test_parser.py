"""What a parser of ours refuses, and in which words."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
from jsonargparse.typing import Path_fr

from lightning_quicktune.arguments.parser import Strict
from lightning_quicktune.arguments.refusal import unsealed


@dataclass(frozen=True)
class Inner:
    """A group of options."""

    rank: int
    alpha_over_rank: float = 2.0
    variant: Literal["lora", "dora"] = "lora"


class Base:
    """What a class path may name."""


class Model(Base):
    def __init__(self, lora: Inner, width: int, deeper: Base | None = None) -> None:
        self.lora, self.width, self.deeper = lora, width, deeper


@dataclass(frozen=True)
class Settings:
    """All kinds of options."""

    task: str
    model: Base
    tracking: Inner
    maybe: Inner | None = None
    methods: list[Literal["random"] | Inner] = field(default_factory=list)
    share: float | None = None
    recipe: Path_fr | None = None
    merge: bool = False


MODEL = f"{__name__}.Model"


@pytest.fixture
def parser():
    parser = Strict(prog="program")
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Settings, as_group=False)
    return parser


@pytest.fixture
def said(parser, capsys):
    def say(*words):
        with pytest.raises(SystemExit) as stopped:
            parser.parse_args(list(words))
        assert stopped.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        return lines[0].removeprefix("program: ")

    return say


CLASS = ("--model", f"{__name__}.Model")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tas", "x"], "There is no option `tas`. Did you mean `task`?"),
        (
            ["--taks=x", "--shaer", "1"],
            "There is no option `taks`. Did you mean `task`? There is no option `shaer`. Did",
        ),
        (["--quite_another", "x"], "There is no option `quite_another`. `--help` lists those that there are."),
        (["--tracking.alpha", "3"], "no option `tracking.alpha`. Did you mean `tracking.alpha_over_rank`?"),
        (["--maybe.alpha", "3"], "no option `maybe.alpha`. Did you mean `maybe.alpha_over_rank`?"),
        (["--methods", "[{rnak: 3}]"], "no option `methods.rnak`. Did you mean `methods.rank`?"),
        (
            [*CLASS, "--model.lora.alpha", "3"],
            "no option `model.init_args.lora.alpha`. Did you mean `model.init_args.l",
        ),
        (
            [*CLASS, "--model.init_args.colour", "3"],
            "Beside it there are `model.init_args.deeper`, `model.init_args.lora.a",
        ),
        ([*CLASS, "--model.init_args.widht", "3"], "`model.init_args.widht`. Did you mean `model.init_args.width`?"),
        (["x"], "`x` belongs to no option. Write the option's name before it, as in `--name`."),
        (["--share"], "`--share` needs a value, but none follows it. Write one after it, or leave `--share` out."),
        (["--maybe.rank", "--task", "x"], "`--maybe.rank` needs a value, but none follows it."),
        (["--share", "x"], "`share` is x, but a number or null is expected."),
        (["--merge", "x"], "`merge` is x, but true or false is expected."),
        (["--methods", "x"], "`methods` is x, but a list is expected."),
        (["--methods", "[randm]"], "`methods` is randm, but it is one of random. Did you mean `random`?"),
        (
            ["--tracking", "3"],
            "`tracking` is 3, but a mapping of `tracking.alpha_over_rank`, `tracking.rank`, `tracking.variant` "
            "is expected, or a YAML file that holds one.",
        ),
        (["--tracking.rank", "x"], "`tracking.rank` is x, but a whole number is expected."),
        (
            ["--tracking.variant", "dore"],
            "`tracking.variant` is dore, but it is one of lora, dora. Did you mean `dora`?",
        ),
        (["--maybe", "x"], "`maybe` is x, but a class path, a mapping or null is expected."),
        (["--recipe", "gone.yaml"], "gone.yaml', but there is no such file. Correct the path."),
        ([*CLASS, "--model.init_args.lora.rank", "x"], "`model.init_args.lora.rank` is x, but a whole number is exp"),
        (
            ["--model", "nowhere.Model"],
            "`model` names the class nowhere.Model, which can't be used: No module named 'no",
        ),
        (["--model", f"{__name__}.Modl"], f"has no attribute 'Modl'. Did you mean `{__name__}.Model`?"),
        (
            [*CLASS, "--model.deeper", MODEL, "--model.deeper.widht", "3"],
            "Did you mean `model.init_args.deeper.init_arg",
        ),
        (["--config", "gone.yaml"], "`--config` is gone.yaml, but there is no such file. Correct the path."),
        (["--config={task: [}"], "`--config` is {task: [}, which is not valid YAML: while parsing a flow "),
        (["--config=[1]"], "`--config` is [1], which holds a list, but a mapping of options to values is expected."),
    ],
)
def test_one_sentence_says_what_is_refused(said, words, sentence):
    assert sentence in said(*words)


def test_a_negative_value_of_an_unknown_option_is_not_taken_for_an_option(said):
    sentence = "There is no option `tracking.how_many_hours`. In `tracking` there are `tracking.alpha_over_rank`, "
    for value in ("-1", "-.5"):
        line = said("--tracking.how_many_hours", value)
        assert sentence in line
        assert line.count("There is no option") == 1


def test_what_a_file_holds_is_refused_with_the_name_of_the_file(said, tmp_path):
    (tmp_path / "run.yaml").write_text("share: much\n")
    assert said("--config", str(tmp_path / "run.yaml")).endswith(f"is expected. (in {tmp_path / 'run.yaml'})")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert "which holds nothing, but a mapping" in said("--config", str(tmp_path / "empty.yaml"))


def test_all_that_is_missing_is_named_at_once(said):
    deeper = ["--model.deeper", MODEL]
    assert said(*CLASS, *deeper).startswith(
        "`task`, `tracking.rank`, `model.init_args.lora.rank`, `model.init_args.width`, "
        "`model.init_args.deeper.init_args.lora.rank` and `model.init_args.deeper.init_args.width` are not set. Give"
    )
    done = ["--task", "x", "--tracking.rank", "1", "--model.lora.rank", "1"]
    assert said(*CLASS, *done).startswith(
        "`model.init_args.width` is not set. Give it as an option, as in `--model.init"
    )


def test_what_is_typed_wins_over_files_wherever_they_stand(parser, tmp_path):
    model = f"{{class_path: {MODEL}, init_args: {{width: 1, lora: {{rank: 1}}}}}}"
    (tmp_path / "run.yaml").write_text(f"task: file\nshare: 1\ntracking: {{rank: 1}}\nmodel: {model}\n")
    (tmp_path / "group.yaml").write_text("{rank: 7, alpha_over_rank: 7}\n")
    words = [
        "--task",
        "typed",
        "--model.init_args.width",
        "2",
        "--tracking.rank",
        "2",
        "--config",
        str(tmp_path / "run.yaml"),
    ]
    found = parser.parse_args([*words, "--tracking", str(tmp_path / "group.yaml")])
    assert (found.task, found.share, found.model.init_args.width) == ("typed", 1, 2)
    assert (found.tracking.rank, found.tracking.alpha_over_rank) == (2, 7)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rank", "model.init_args.lora.rank"),
        ("alpha", "model.init_args.lora.alpha_over_rank"),
        ("widht", "model.init_args.width"),
        ("deepest", "model.init_args.deeper.init_args.deepest"),
    ],
)
def test_what_a_file_or_a_class_in_it_knows_is_meant_by_the_last_part_of_its_name(said, tmp_path, typed, meant):
    deeper = "{class_path: nowhere.Gone, init_args: {deepest: 1}}"
    (tmp_path / "run.yaml").write_text(f"model: {{class_path: {MODEL}, init_args: {{width: 1, deeper: {deeper}}}}}\n")
    for words in (["--config", str(tmp_path / "run.yaml")], [f"--config={tmp_path}/run.yaml"]):
        line = said("--task", "x", "--tracking.variant", "lora", *words, f"--{typed}", "3")
        assert line == f"There is no option `{typed}`. Did you mean `{meant}`?"


def test_a_message_without_a_refusal_is_put_into_one_line():
    assert unsealed("Two\n  lines.") == "Two lines."
