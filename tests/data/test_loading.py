import pytest

from lightning_quicktune.data import loading
from lightning_quicktune.data.loading import CACHED_TASKS, TokenSettings, load_task, tokenizer_digest
from lightning_quicktune.data.splits import ReadingSettings

READING = ReadingSettings()
SETTINGS = TokenSettings("chat", max_length=64, on_long_prompt="error")
DROP = TokenSettings("chat", max_length=64, on_long_prompt="drop")


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch):
    monkeypatch.setattr(loading, "_cache", type(loading._cache)())


def test_records_and_tokens_stay_side_by_side(write_task, tokenizer):
    path = str(write_task(train=["yes", "long " * 60, "no"]))
    with pytest.warns(UserWarning, match=r"longer than 64 tokens: 1 of 3 in train, 0 of 1 in validation.*left out"):
        task = load_task(path, READING, DROP, tokenizer)
    train = task.splits["train"]
    assert [record.answer for record in train.records] == [tokens.answer for tokens in train.tokens] == ["yes", "no"]
    assert train.n_long == 1
    assert task.splits["test"].n_long == 0


def test_long_records_are_counted(write_task, tokenizer):
    path = str(write_task(train=["yes", "long " * 60], test=["long " * 70]))
    message = (
        r"longer than 64 tokens: 1 of 2 in train, 0 of 1 in validation, 1 of 1 in test; the longest has (\d+)\. "
        r".*Raise `data\.init_args\.max_length` to \1, or set `data\.init_args\.on_long_prompt: drop`"
    )
    with pytest.raises(ValueError, match=message):
        load_task(path, READING, SETTINGS, tokenizer)
    with pytest.raises(ValueError, match=r"Without them nothing is left in test\. Raise `data\.init_args\.max_length`"):
        load_task(path, READING, DROP, tokenizer)


def test_a_record_of_just_the_length_fits(write_task, tokenizer):
    path = str(write_task())
    length = max(len(s.tokens[0].input_ids) for s in load_task(path, READING, SETTINGS, tokenizer).splits.values())
    assert load_task(path, READING, TokenSettings("chat", length, "error"), tokenizer)
    with pytest.raises(ValueError, match=f"the longest has {length}"):
        load_task(path, READING, TokenSettings("chat", length - 1, "error"), tokenizer)


def test_tasks_are_tokenized_once(write_task, tokenizer, make_tokenizer):
    path = str(write_task(train=["a"]))
    first = load_task(path, READING, SETTINGS, tokenizer)
    assert load_task(path, READING, SETTINGS, tokenizer) is first
    others = [
        load_task(path, ReadingSettings(split_seed=1), SETTINGS, tokenizer),
        load_task(path, READING, TokenSettings("plain", 64, "error"), tokenizer),
        load_task(path, READING, SETTINGS, make_tokenizer(tokenizer.chat_template.replace("\n", ""))),
    ]
    write_task(train=["b"])
    others.append(load_task(path, READING, SETTINGS, tokenizer))
    assert all(other is not first for other in others)
    assert others[-1].splits["train"].records[0].answer == "b"


def test_the_cache_forgets_the_task_used_least_recently(write_task, tokenizer):
    path = str(write_task())
    first = load_task(path, READING, SETTINGS, tokenizer)
    for length in range(65, 65 + CACHED_TASKS):
        load_task(path, READING, TokenSettings("chat", length, "error"), tokenizer)
    assert len(loading._cache) == CACHED_TASKS
    assert load_task(path, READING, SETTINGS, tokenizer) is not first


def test_the_tokenizer_digest_follows_what_changes_ids(tokenizer, make_tokenizer):
    same = make_tokenizer(tokenizer.chat_template)
    assert tokenizer_digest(same) == tokenizer_digest(tokenizer)
    same.chat_template += " "
    assert tokenizer_digest(same) != tokenizer_digest(tokenizer)
    same = make_tokenizer(tokenizer.chat_template)
    same.add_tokens(["new"])
    assert tokenizer_digest(same) != tokenizer_digest(tokenizer)
