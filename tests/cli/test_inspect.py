import json

import pytest
import yaml

from lightning_quicktune.cli.main import main


@pytest.fixture
def recipe(fit_config, tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(fit_config))
    return str(tmp_path / "recipe.yaml")


def test_a_good_dataset_is_shown(recipe, capsys):
    assert main(["inspect", "--recipe", recipe, "--records", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("````text") == 2
    assert "«" in shown
    assert "stops training" not in shown


def test_a_bad_dataset_is_shown_with_all_its_faults_and_an_exit_status(recipe, colour_task, tmp_path, capsys):
    task = tmp_path / "task"
    task.mkdir()
    for file in colour_task.glob("*.jsonl"):
        (task / file.name).write_text(file.read_text())
    bad = [{"question": "Why?"}, {"question": "So?", "answer": "<|end|>"}]
    with (task / "train.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in bad)
    assert main(["inspect", "--recipe", recipe, "--task", str(task)]) == 2
    output = capsys.readouterr()
    assert "«cold<|end|>»" in output.out
    assert "train.jsonl:25: no `answer`" in output.out
    assert "1 of 40 records hold special tokens" in output.out
    assert f"`{task}` can't be trained on as it is: what stops it is listed above (2 in all)." in output.err
    assert main(["inspect", "--recipe", recipe, "--task", str(task), "--where", "bad"]) == 2
    listed = capsys.readouterr().out
    assert "- train.jsonl:25: no `answer`" in listed
    assert "- train.jsonl:26: holds <|end|>" in listed
    assert "«" not in listed


def test_at_least_one_record_is_shown(recipe, capsys):
    assert main(["inspect", "--recipe", recipe, "--records", "0"]) == 2
    assert "`--records` is 0, but at least 1 record is shown. Raise it." in capsys.readouterr().err


def test_prompts_without_room_for_an_answer_are_among_the_faults(fit_config, tmp_path, capsys):
    fit_config["model"]["init_args"]["score"]["max_new_tokens"] = 250
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(fit_config))
    assert main(["inspect", "--recipe", str(tmp_path / "recipe.yaml")]) == 2
    assert "- A prompt of " in capsys.readouterr().out
