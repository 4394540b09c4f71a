"""Questions without answers: read to be answered, refused where answers are scored."""

import json

import pytest

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.evaluation import EvaluationSettings

QUESTIONS = [{"question": f"What rings {n}?"} for n in range(3)]
LISTED = [{"messages": [{"role": "user", "content": f"What rings {n}?"}]} for n in range(3)]


def make(path, tokenizer, layout="decoder", **settings):
    data = TaskData(str(path), **settings)
    data.attach_tokenizer(tokenizer, layout)
    return data


@pytest.mark.parametrize("test", [QUESTIONS, LISTED, [*QUESTIONS, {"question": "Why?", "answer": "So."}]])
@pytest.mark.parametrize("layout", ["decoder", "encoder_decoder"])
def test_prediction_needs_no_answers(write_task, tokenizer, t5_tokenizer, test, layout):
    reader = tokenizer if layout == "decoder" else t5_tokenizer
    data = make(write_task(test=test), reader, layout, template="plain")
    data.setup("predict")
    batches = list(data.predict_dataloader())
    prompts = [prompt for batch in batches for prompt in batch["prompts"]]
    assert [f"What rings {n}?" in prompt for n, prompt in enumerate(prompts[:3])] == [True] * 3
    assert [r for batch in batches for r in batch["references"]][:3] == ["", "", ""]
    assert len(prompts) == len(test)


def test_a_file_of_questions_alone_is_answered_whole_and_in_its_order(tmp_path, tokenizer):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps({"question": f"What rings {n}?"}) + "\n" for n in range(20)))
    data = make(path, tokenizer)
    data.setup("predict")
    prompts = [prompt for batch in data.predict_dataloader() for prompt in batch["prompts"]]
    assert [int(prompt.split("rings ")[1].split("?")[0]) for prompt in prompts] == list(range(20))


@pytest.mark.parametrize("lines", [["question", "Who rings, and why?"], ["question", "Who rings?", "Who rows?"]])
def test_one_question_is_enough_to_be_answered(tmp_path, tokenizer, lines):
    path = tmp_path / "questions.csv"
    path.write_text("\n".join(f'"{line}"' for line in lines))
    data = make(path, tokenizer, template="plain")
    data.setup("predict")
    prompts = [prompt for batch in data.predict_dataloader() for prompt in batch["prompts"]]
    assert prompts == [f"{line}\n" for line in lines[1:]]
    path.write_text('"question"\n"Who <|end|> rings?"\n')
    with pytest.raises(ValueError, match="1 of 1 records hold special tokens"):
        make(path, tokenizer).setup("predict")


def test_training_needs_no_answers_in_test_and_testing_does(write_task, tokenizer):
    data = make(write_task(test=QUESTIONS), tokenizer)
    data.setup("fit")
    assert list(data.train_dataloader())
    assert list(data.val_dataloader())
    message = (
        r"3 test records of `.*` have no answer, .*Add the answers to the test split of `data\.init_args\.path`, or "
        r"move its file elsewhere to have a test split cut off train; `predict`"
    )
    for scores in (
        data.test_dataloader,
        lambda: data.prompt_dataloader("test"),
        lambda: data.choice_dataloader("test"),
    ):
        with pytest.raises(ValueError, match=message):
            scores()
    with pytest.raises(ValueError, match=r"3 of 5 records can't be used:\n  test\.jsonl:1: no `answer`"):
        data.setup("test")


def test_a_training_record_needs_an_answer(write_task, tokenizer):
    data = make(write_task(train=QUESTIONS), tokenizer)
    data.setup("predict")
    with pytest.raises(ValueError, match=r"3 of 5 records can't be used:\n  train\.jsonl:1: no `answer`"):
        data.setup("fit")


def test_every_question_is_answered_whatever_scores_are_limited_to(write_task, tokenizer):
    data = make(write_task(test=QUESTIONS), tokenizer, evaluation=EvaluationSettings(max_generation_records=1))
    data.setup("predict")
    assert sum(len(batch["prompts"]) for batch in data.predict_dataloader()) == 3


def test_questions_are_answered_in_the_mode_that_the_training_records_are_written_in(write_task, shape_tokenizer):
    answer = "<think>\nIt is.\n</think>\n\nyes"
    data = make(write_task(train=[answer], validation=[answer], test=QUESTIONS), shape_tokenizer("smollm3"))
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    assert all("Mode: /think" in prompt and prompt.endswith("assistant\n") for prompt in batch["prompts"])


@pytest.mark.parametrize("reasoned", [True, False])
def test_questions_are_answered_after_reasoning_if_the_training_records_are(write_task, shape_tokenizer, reasoned):
    answer = "<think>\nIt is.\n</think>\n\nyes" if reasoned else "yes"
    data = make(write_task(train=[answer], validation=[answer], test=QUESTIONS), shape_tokenizer("qwen3"))
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    end = "assistant\n<think>\n" if reasoned else "assistant\n<think>\n\n</think>\n\n"
    assert all(prompt.endswith(end) for prompt in batch["prompts"])
    assert set(map(data.tokenizer.decode, batch["answer_marks"])) == {"</think>" if reasoned else ""}
