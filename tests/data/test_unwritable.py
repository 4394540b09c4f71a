import pytest

from lightning_quicktune.data.loading import TokenSettings, load_task
from lightning_quicktune.data.reading import ReadingSettings

SETTINGS = TokenSettings("chat", 512)
SKIP = ReadingSettings(on_bad_record="skip")


def talk(*roles):
    return {"messages": [{"role": role, "content": f"{role} {number}"} for number, role in enumerate(roles)]}


GOOD, BAD = talk("user", "assistant"), talk("system", "user", "assistant")


@pytest.mark.filterwarnings("ignore:.* ask a question that a later split asks too")
def test_records_that_a_template_rejects_are_named_at_once(write_task, shape_tokenizer):
    test = [BAD, talk("user", "assistant", "assistant")]
    path = str(write_task(train=[GOOD, *[BAD] * 6], validation=[GOOD], test=test))
    message = (
        r"8 of 10 records can't be written for the model:\n"
        r"  the chat template of `tiny` rejects its turns, whose roles are system, user, assistant: no system role "
        r"here\. .* \(train\.jsonl:2, .*, train\.jsonl:6 and 2 more\)\n"
        r"  .* user, assistant, assistant: roles must take turns.* \(test\.jsonl:2\)\n"
        r"Without them nothing is left in test"
    )
    with pytest.raises(ValueError, match=message):
        load_task(path, ReadingSettings(on_duplicate="keep"), SETTINGS, shape_tokenizer("gemma2"))


def test_they_are_left_out_where_bad_records_are(write_task, shape_tokenizer):
    path = str(write_task(train=[GOOD, BAD], validation=["yes"], test=["no"]))
    tokenizer = shape_tokenizer("gemma2")
    with pytest.raises(ValueError, match=r"Or set `data\.init_args\.reading\.on_bad_record: skip` to leave them out"):
        load_task(path, ReadingSettings(), SETTINGS, tokenizer)
    with pytest.warns(UserWarning, match=r"(?s)1 of 4 records can't be written.*left out, because"):
        task = load_task(path, SKIP, SETTINGS, tokenizer)
    assert task.n_skipped == 1
    assert [record.line for record in task.splits["train"].records] == [1]


def test_a_conversation_of_several_texts_counts_as_several_records(write_task, shape_tokenizer):
    path = str(write_task(train=[talk("user", "assistant", "user", "assistant"), GOOD], validation=["no"]))
    for family, n_records in (("qwen3", 3), ("qwen25", 2)):
        task = load_task(path, ReadingSettings(), SETTINGS, shape_tokenizer(family))
        train = task.splits["train"]
        assert len(train.records) == len(train.tokens) == task.facts()["train_records"] == n_records
        assert [record.answer for record in train.records] == [tokens.answer for tokens in train.tokens]
    assert train.records[0].answer == "assistant 3"
