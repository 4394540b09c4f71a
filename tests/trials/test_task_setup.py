import json

import pytest

from lightning_quicktune.trials.task_setup import set_up_task


def test_records_longer_than_the_base_model_reads_are_refused_before_any_trial(fit_config, write_colours, tmp_path):
    task = write_colours(tmp_path / "long", 24)
    record = {"question": " ".join(["red"] * 300), "answer": "warm"}
    with (task / "validation.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    with pytest.raises(ValueError, match=r"but the base model has 256 positions.*`data.init_args.max_length` to 256"):
        set_up_task(str(task), fit_config, 4, tmp_path / "task")
    assert not (tmp_path / "task" / "task.json").exists()


def test_packing_where_records_would_see_each_other_is_refused_before_any_trial(fit_config, write_colours, tmp_path):
    task = write_colours(tmp_path / "short", 24)
    fit_config["data"]["init_args"]["packing"] = True
    fit_config["model"]["init_args"]["base_model"]["attention"] = "flash_attention_2"
    with pytest.raises(ValueError, match=r"packing` is true.*isn't known to keep the records"):
        set_up_task(str(task), fit_config, 4, tmp_path / "task")
    assert not (tmp_path / "task" / "task.json").exists()


@pytest.mark.parametrize(("score", "split"), [("exact_match", "validation"), ("answer_likelihood", "test")])
def test_answers_without_room_behind_their_prompts_are_refused_before_any_trial(
    fit_config, write_colours, tmp_path, score, split
):
    task = write_colours(tmp_path / "short", 24)
    record = {"question": " ".join(["red"] * 105), "answer": "warm"}
    with (task / f"{split}.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    fit_config["model"]["init_args"]["score"] = {"name": score, "max_new_tokens": 60}
    with pytest.raises(ValueError, match=r"up to 60 needs .*has 256\. Lower `model.init_args.score.max_new_tokens`"):
        set_up_task(str(task), fit_config, 4, tmp_path / "task")
    assert not (tmp_path / "task" / "task.json").exists()
