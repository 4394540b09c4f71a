"""Talking to a result: by its folder, by a fit YAML and a checkpoint, and where there is none."""

import io
import json
import sys

import pytest
import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.compose import build, to_yaml
from lightning_quicktune.finetune.export import export_adapter
from lightning_quicktune.trials.task_setup import task_objects


@pytest.fixture
def found(tmp_path, fit_config, monkeypatch):
    """A folder as ``tune`` leaves it, with an adapter that was trained long enough to say something of its own."""
    from lightning.pytorch import Trainer

    monkeypatch.chdir(tmp_path)
    fit_config["trainer"] |= {"max_epochs": 2}
    fit_config["model"]["init_args"]["base_model"]["name"] = "nano"
    fit_config["model"]["init_args"]["score"]["max_new_tokens"] = 6
    module, data = task_objects(fit_config)
    trainer = Trainer(
        **build(fit_config).trainer
        | {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
    )
    trainer.fit(module, datamodule=data)
    trainer.save_checkpoint("best.ckpt")
    export_adapter(module, tmp_path / "search" / "result" / "adapter")
    batch = next(iter(data.prompt_dataloader("test")))
    answers = [each["generated"] for each in module.predict_step(batch, 0)]
    module.release()
    (tmp_path / "search" / "result" / "fit.yaml").write_text(to_yaml(fit_config))
    places = batch["indices"].tolist()
    questions = [data.records("test")[place].question for place in places]
    return dict(zip(questions, answers, strict=True))


def said(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out.splitlines()


def test_a_result_answers_as_its_training_predicted(found, capsys, monkeypatch):
    question, answer = next(iter(found.items()))
    assert answer
    for folder in ("search", "search/result"):
        assert said(capsys, "chat", folder, "--prompt", question) == [answer]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\n".join(found) + "\n"))
    assert said(capsys, "chat", "search") == list(found.values())


def test_predict_answers_by_the_adapter_beside_its_yaml_or_a_checkpoint(found, capsys):
    fit = ["predict", "--config", "search/result/fit.yaml"]
    prompts = [word for question in list(found)[:2] for word in ("--prompt", question)]
    assert said(capsys, *fit, *prompts) == list(found.values())[:2]
    assert said(capsys, *fit, *prompts, "--ckpt_path", "best.ckpt") == list(found.values())[:2]
    longer = ["--model.init_args.score.max_new_tokens", "1"]
    assert said(capsys, *fit, *prompts, *longer) != list(found.values())[:2]


def test_without_weights_the_base_model_answers_and_says_so(fit_config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fit.yaml").write_text(to_yaml(fit_config))
    assert main(["predict", "--config=fit.yaml", "--prompt=red"]) == 0
    assert capsys.readouterr().err == "No `--ckpt_path` is set, so the base model answers as it is.\n"


def test_what_was_said_before_is_remembered_where_asked(found, capsys, monkeypatch):
    asked = []
    speaker = "lightning_quicktune.finetune.speaker.Speaker.answer"
    monkeypatch.setattr(speaker, lambda self, turns: asked.append([t.content for t in turns]) or "yes")
    for remember, second in (("false", ["b"]), ("true", ["a", "yes", "b"])):
        monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb\n"))
        assert said(capsys, "chat", "search", "--remember", remember) == ["yes", "yes"]
        assert asked[-1] == second


def test_a_folder_without_a_result_is_one_sentence(tmp_path, capsys):
    assert main(["chat", str(tmp_path)]) == 2
    assert "There is nothing to talk to in" in capsys.readouterr().err
    assert main(["chat", str(tmp_path / "gone")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_a_torn_adapter_or_one_of_another_model_is_one_sentence(found, tiny_phi3, tmp_path, capsys):
    result = tmp_path / "search" / "result"
    fit = yaml.safe_load((result / "fit.yaml").read_text())
    fit["model"]["init_args"]["base_model"]["name"] = str(tiny_phi3)
    (result / "fit.yaml").write_text(to_yaml(fit))
    assert main(["chat", "search", "--prompt", "red"]) == 2
    assert "can't be put on `tiny-phi3`: " in capsys.readouterr().err
    (result / "adapter" / "adapter_model.safetensors").unlink()
    assert main(["chat", "search", "--prompt", "red"]) == 2
    assert "is not whole: it lacks adapter_model.safetensors." in capsys.readouterr().err


def test_a_base_model_that_is_gone_is_one_sentence(found, tmp_path, capsys):
    result = tmp_path / "search" / "result"
    fit = json.loads(json.dumps(yaml.safe_load((result / "fit.yaml").read_text())))
    fit["model"]["init_args"]["base_model"]["name"] = str(tmp_path / "gone")
    (result / "fit.yaml").write_text(to_yaml(fit))
    assert main(["chat", "search", "--prompt", "red"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "There is no base model" in line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--prompt"], "`--prompt` needs a value, but none follows it."),
        (["--prompt", "a", "b"], "`b` belongs to no option. Put a prompt of several words in quotes"),
        (["--prompt", "a"], "`--config` is not set. Give the fit YAML"),
    ],
)
def test_a_mistake_in_the_line_is_one_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *words])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_an_answer_has_at_least_one_token(tmp_path, capsys):
    assert main(["chat", str(tmp_path), "--max_new_tokens", "0"]) == 2
    assert "`max_new_tokens` is 0, but an answer has at least 1 token." in capsys.readouterr().err
