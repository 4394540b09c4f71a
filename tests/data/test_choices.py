import pytest

from lightning_quicktune.data.choices import NO_CHOICE
from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.evaluation import EvaluationSettings

TRAIN = ["warm", "cold", "warm", "very cold"]
CHOICES = ("cold", "very cold", "warm")
VALIDATION = ["cold", "tepid", "warm", "warm", "very cold"]


def make(path, tokenizer, layout="decoder", **kwargs):
    data = TaskData(str(path), **{"evaluation": EvaluationSettings(batch_size=6), **kwargs})
    data.attach_tokenizer(tokenizer, layout)
    data.setup()
    return data


@pytest.fixture
def task(write_task):
    return write_task(train=TRAIN, validation=VALIDATION)


def targets(batch):
    return [row[row != IGNORE_INDEX] for row in batch["labels"]]


def test_choices_are_the_different_training_answers(task, tokenizer):
    assert make(task, tokenizer).answer_choices() == CHOICES


def test_too_many_choices_are_an_error(task, tokenizer):
    data = make(task, tokenizer, evaluation=EvaluationSettings(max_choices=2))
    message = (
        r"have 3 different answers, such as 'cold' and 'warm', but .* at most 2: .*`data\.init_args\.evaluation\.max_ch"
    )
    with pytest.raises(ValueError, match=message):
        data.answer_choices()
    with pytest.raises(ValueError, match=r"`model\.init_args\.score\.name`"):
        data.choice_dataloader("validation")


@pytest.mark.parametrize("layout", ["decoder", "encoder_decoder"])
def test_each_record_comes_with_each_choice_in_one_batch(task, tokenizer, layout):
    data = make(task, tokenizer, layout, template="plain")
    seen = []
    for batch in data.choice_dataloader("validation"):
        n_records = len(batch["indices"])
        assert n_records <= 2, "6 rows of a batch hold 2 records with 3 choices"
        assert batch["record"].tolist() == [number for number in range(n_records) for _ in CHOICES]
        assert batch["choice"].tolist() == [*range(len(CHOICES))] * n_records
        for row, ids in enumerate(targets(batch)):
            assert tokenizer.decode(ids) == CHOICES[batch["choice"][row]] + "<|endoftext|>"
            question = f"validation {batch['indices'][batch['record'][row]]}?"
            assert tokenizer.decode(batch["input_ids"][row]).startswith(question)
            assert (CHOICES[batch["choice"][row]] in tokenizer.decode(batch["input_ids"][row])) == (layout == "decoder")
        seen += zip(batch["indices"].tolist(), batch["right"].tolist(), strict=True)
    assert sorted(seen) == [(0, 0), (1, NO_CHOICE), (2, 2), (3, 2), (4, 1)]


def test_the_right_row_is_the_record_itself(task, tokenizer):
    data = make(task, tokenizer)
    for batch in data.choice_dataloader("test"):
        assert batch["right"].tolist() == [NO_CHOICE]
    (batch, *_) = data.choice_dataloader("validation")
    rows = [n * len(CHOICES) + right for n, right in enumerate(batch["right"].tolist()) if right != NO_CHOICE]
    kept = [index for index, right in zip(batch["indices"], batch["right"], strict=True) if right != NO_CHOICE]
    for row, index in zip(rows, kept, strict=True):
        own = data.tokens("validation")[index]
        assert batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist() == own.input_ids.tolist()


def test_only_the_last_answer_of_a_conversation_is_a_target(write_task, tokenizer):
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "warm")]
    talk = {"messages": [{"role": role, "content": content} for role, content in turns]}
    data = make(write_task(train=TRAIN, validation=[talk]), tokenizer)
    (batch,) = data.choice_dataloader("validation")
    assert [tokenizer.decode(ids) for ids in targets(batch)] == [f"{choice}<|end|>" for choice in CHOICES]


def test_records_are_capped_and_encoded_once(task, tokenizer):
    data = make(task, tokenizer, evaluation=EvaluationSettings(batch_size=1, max_generation_records=2))
    loader = data.choice_dataloader("validation")
    assert [batch["indices"].tolist() for batch in loader] == [[0], [2]]
    assert make(task, tokenizer, evaluation=data.evaluation).choice_dataloader("validation").dataset is loader.dataset


def test_a_choice_that_makes_a_record_too_long_is_an_error(write_task, tokenizer):
    path = write_task(train=["warm", "very " * 9 + "cold"], validation=[{"question": "why " * 9, "answer": "warm"}])
    longest = make(path, tokenizer).describe()
    data = make(path, tokenizer, max_length=int(max(longest["train_tokens_max"], longest["validation_tokens_max"])))
    message = r"validation\.jsonl:1 has \d+ tokens with the answer 'very .*`data\.init_args\.max_length`"
    with pytest.raises(ValueError, match=message):
        data.choice_dataloader("validation")


def test_a_choice_beyond_the_positions_of_the_base_model_is_refused(write_task, tokenizer):
    """No record is too long with its own answer; a long question is with the long answer of another record."""
    question = "why " * 12
    path = write_task(
        train=[{"question": "a?", "answer": "yes " * 12}, {"question": "b?", "answer": "no"}],
        validation=[{"question": question, "answer": "no"}],
    )
    data = TaskData(str(path))
    data.attach_tokenizer(tokenizer)
    data.setup()
    longest = max(row.n_tokens for split in ("train", "validation", "test") for row in data.tokens(split))
    data.attach_tokenizer(tokenizer, positions=longest)
    data.setup()
    with pytest.raises(ValueError, match=rf"but the base model has {longest} positions"):
        data.choice_dataloader("validation")
