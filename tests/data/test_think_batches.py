"""Batches where a template writes an empty think block before the last answer alone: targets are answers still."""

from collections import Counter

import pytest

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.evaluation import EvaluationSettings

BLOCK = "<think>\n\n</think>\n\n"


def talk(*contents):
    roles = ["user", "assistant"] * len(contents)
    return {"messages": [{"role": role, "content": text} for role, text in zip(roles, contents, strict=False)]}


@pytest.fixture
def make(write_task, shape_tokenizer):
    def build(family="qwen3", **settings):
        train = [talk("A?", "n", "B?", "think"), talk("C?", "a"), talk("D?", "final"), talk("E?", "warm", "F?", "a")]
        data = TaskData(str(write_task(train=train, validation=[talk("G?", "n", "H?", "a")], test=["a"])), **settings)
        data.attach_tokenizer(shape_tokenizer(family))
        data.setup("fit")
        return data

    return build


def targets(data, batches):
    """Runs of targets, decoded; a packed row has several."""
    found = []
    for batch in batches:
        for row in batch["labels"].tolist():
            run = []
            for label in [*row, IGNORE_INDEX]:
                if label != IGNORE_INDEX:
                    run.append(label)
                elif run:
                    found.append(data.tokenizer.decode(run))
                    run = []
    return Counter(found)


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 6])
def test_training_batches(make, packing, batch_size):
    data = make(packing=packing, batch_size=batch_size)
    answers = Counter(f"{answer}<|im_end|>" for answer in ("n", "think", "a", "final", "warm", "a"))
    assert targets(data, data.train_dataloader()) == answers
    assert len(data.tokens("train")) == len(data.records("train")) == data.describe()["train_records"] == 6


def test_a_slice_counts_texts(make):
    batches = list(make(batch_size=2, records_per_slice=4).train_dataloader())
    assert [len(batch["input_ids"]) for batch in batches] == [2, 2]


def test_every_answer_of_a_conversation_is_scored_once(make):
    data = make()
    assert targets(data, data.evaluation_dataloader("validation")) == Counter(["n<|im_end|>", "a<|im_end|>"])
    (batch,) = data.prompt_dataloader("validation")
    assert sorted(batch["references"]) == ["a", "n"]
    assert all(prompt.endswith(BLOCK) for prompt in batch["prompts"])
    rows = zip(batch["input_ids"], batch["attention_mask"], strict=True)
    decoded = [data.tokenizer.decode(row[mask == 1]) for row, mask in rows]
    assert decoded == batch["prompts"]


@pytest.mark.parametrize("family", ["qwen3", "gpt_oss", "deepseek_r1", "mistral"])
def test_choices_are_scored_behind_the_block(make, family):
    data = make(family, evaluation=EvaluationSettings(max_choices=9))
    choices = data.answer_choices()
    end = {"qwen3": "<|im_end|>", "gpt_oss": "<|return|>"}.get(family, "</s>")
    space = " " if family == "mistral" else ""
    records = data.records("validation")
    for batch in data.choice_dataloader("validation"):
        for row, choice in zip(batch["labels"], batch["choice"].tolist(), strict=True):
            assert data.tokenizer.decode(row[row != IGNORE_INDEX]) == space + choices[choice] + end
        for index, right in zip(batch["indices"].tolist(), batch["right"].tolist(), strict=True):
            assert choices[right] == records[index].answer
