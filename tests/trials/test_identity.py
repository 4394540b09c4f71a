import copy
import dataclasses

import pytest

from lightning_quicktune.compose import build
from lightning_quicktune.trials.identity import differences, label_settings, settings_digest
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import set_up_task


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("trainer", {"default_root_dir": "elsewhere"}),
        ("trainer", {"enable_progress_bar": False, "logger": False, "log_every_n_steps": 7}),
        ("trainer", {"callbacks": [{"class_path": "lightning.pytorch.callbacks.ModelCheckpoint"}]}),
        ("trainer", {"callbacks": ["LearningRateMonitor"]}),
        ("trainer", {"callbacks": [{"class_path": "a.AnswerWriter", "init_args": {"path": "elsewhere.jsonl"}}]}),
        ("trainer", {"callbacks": []}),
        ("trainer", {"accelerator": "gpu", "devices": "auto"}),
    ],
)
def test_settings_that_change_no_label_do_not_count(fit_config, section, change):
    other = copy.deepcopy(fit_config)
    other[section] |= change
    assert label_settings(other) == label_settings(fit_config)
    assert settings_digest(other) == settings_digest(fit_config)


def test_where_the_data_lies_does_not_count(fit_config):
    other = copy.deepcopy(fit_config)
    other["data"]["init_args"]["path"] = "elsewhere"
    assert settings_digest(other) == settings_digest(fit_config)


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("trainer", {"gradient_clip_val": 2.0}, "`trainer.gradient_clip_val` was 1.0 and is now 2.0"),
        ("trainer", {"precision": "bf16-mixed"}, "`trainer.precision` was 'not set' and is now 'bf16-mixed'"),
        ("model", {"init_args": {"label_smoothing": 0.1}}, "`model.init_args.label_smoothing` was 'not set'"),
        ("data", {"init_args": {"batch_size": 2}}, "`data.init_args.batch_size` was 4 and is now 2"),
    ],
)
def test_settings_that_change_a_label_are_named_with_both_values(fit_config, section, change, said):
    other = copy.deepcopy(fit_config)
    other[section] |= {k: {**other[section][k], **v} if isinstance(v, dict) else v for k, v in change.items()}
    assert said in "; ".join(differences(label_settings(fit_config), label_settings(other)))
    assert settings_digest(other) != settings_digest(fit_config)


def test_a_callback_that_may_touch_weights_counts(fit_config):
    other = copy.deepcopy(fit_config)
    pruning = {"class_path": "lightning.pytorch.callbacks.ModelPruning", "init_args": {"pruning_fn": "l1_unstructured"}}
    other["trainer"]["callbacks"] = ["LearningRateMonitor", pruning]
    assert label_settings(other) == {**label_settings(fit_config), "trainer.callbacks": [pruning]}


def test_a_trial_does_not_go_on_with_another_chat_template(make_plan, fit_config, colour_task, tmp_path, monkeypatch):
    plan = make_plan("trial")
    run_trial(plan, 1)
    tokenizer = build(fit_config).model.tokenizer
    monkeypatch.setattr(tokenizer, "chat_template", f"Be brief. {tokenizer.chat_template}")
    edited = set_up_task(str(colour_task), fit_config, 4, tmp_path / "edited").info
    with pytest.raises(
        ValueError, match=r"this trial with other settings: .*the tokens that tokenizer and chat template"
    ):
        run_trial(dataclasses.replace(plan, task=edited), 2)
    with pytest.raises(ValueError, match=r"the tokens that tokenizer and chat template make of them.*set `output`"):
        set_up_task(str(colour_task), fit_config, 4, tmp_path / "task")


def test_a_task_described_with_another_recipe_or_length_is_refused(fit_config, colour_task, tmp_path):
    set_up_task(str(colour_task), fit_config, 4, tmp_path / "task")
    with pytest.raises(ValueError, match=r"described with other settings .*`max_fidelity` was 4 and is now 5"):
        set_up_task(str(colour_task), fit_config, 5, tmp_path / "task")
    fit_config["trainer"]["gradient_clip_val"] = 0.5
    with pytest.raises(ValueError, match=r"`trainer.gradient_clip_val` was 1.0 and is now 0.5.*set `output`"):
        set_up_task(str(colour_task), fit_config, 4, tmp_path / "task")


def test_a_task_whose_records_have_changed_is_refused_and_a_moved_one_is_not(fit_config, write_colours, tmp_path):
    folder = write_colours(tmp_path / "here" / "colours")
    known = set_up_task(str(folder), fit_config, 4, tmp_path / "task").info
    moved = folder.rename(tmp_path / "colours")
    assert set_up_task(str(moved), fit_config, 4, tmp_path / "task").info == known
    write_colours(moved, 20)
    with pytest.raises(ValueError, match=r"the records have changed.*put data and `recipe` back"):
        set_up_task(str(moved), fit_config, 4, tmp_path / "task")


def test_a_trial_does_not_go_on_with_other_settings(make_plan, setup):
    plan = make_plan("trial")
    run_trial(plan, 1)
    setup.fit["trainer"]["gradient_clip_val"] = 0.5
    with pytest.raises(ValueError, match=r"holds this trial with other settings: `trainer.gradient_clip_val` was 1.0"):
        run_trial(plan, 2)


def test_a_trial_does_not_train_other_weights_than_its_task_was_described_with(make_plan):
    plan = make_plan("trial")
    other = dataclasses.replace(plan.task.base_model, weight_hash="0123")
    plan = dataclasses.replace(plan, task=dataclasses.replace(plan.task, base_model=other))
    with pytest.raises(ValueError, match=r"described with weights 0123 of tiny-phi3, but .* Put the base model back"):
        run_trial(plan, 1)


def test_targets_that_match_nothing_fail_before_any_trial(fit_config, colour_task, tmp_path):
    fit_config["model"]["init_args"]["lora"] = {"targets": ["q_proj"]}
    with pytest.raises(ValueError, match=r"q_proj.* match no linear module"):
        set_up_task(str(colour_task), fit_config, 4, tmp_path / "task")
