import pytest

from lightning_quicktune.arguments.order import files_first, without_value

FLAGS = {"-c", "--config"}


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("--a 1 --config x.yaml", "--config x.yaml --a 1"),
        ("--a=1 --config=x.yaml --b 2 -c y.yaml", "--config=x.yaml -c y.yaml --a=1 --b 2"),
        ("--a 1 -cx.yaml", "-cx.yaml --a 1"),
        ("--config x.yaml --a 1 --config x.yaml", "--config x.yaml --config x.yaml --a 1"),
        ("--l+=A --l.x -1 --l+=B --l.x 2", "--l+=A --l.x -1 --l+=B --l.x 2"),
        ("loose --a 1 --config", "--config loose --a 1"),
    ],
)
def test_files_come_first_and_all_else_keeps_its_place(typed, taken):
    assert files_first(typed.split(), FLAGS) == taken.split()


def test_the_file_of_a_group_comes_before_the_options_of_that_group(tmp_path):
    file = tmp_path / "budget.yaml"
    file.touch()
    words = ["--task", "t", "--budget.seconds", "3", "--budget", str(file), "--budgets", str(file)]
    assert files_first(words, FLAGS) == ["--task", "t", "--budget", str(file), *words[2:4], "--budgets", str(file)]
    class_path = ["--model.lr", "3", "--model", "Other"]
    assert files_first(class_path, FLAGS) == class_path


def test_the_flag_without_a_value_is_found_in_its_group():
    assert without_value(["--a", "1", "--budget.seconds", "--c", "2"], "--budget") == "--budget.seconds"
    assert without_value(["--budget"], "--budget") == "--budget"
    assert without_value(["--budgets", "--budget=", "--budget", "x"], "--budget") is None
