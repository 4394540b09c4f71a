import pytest

from lightning_quicktune.data import loading
from lightning_quicktune.data.loading import CACHED_TASKS, TokenSettings, load_task, token_digest, tokenizer_digest
from lightning_quicktune.data.reading import ReadingSettings

READING = ReadingSettings()
SETTINGS = TokenSettings("chat", max_length=64)
DROP = ReadingSettings(on_long_prompt="drop")


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch):
    monkeypatch.setattr(loading, "_cache", type(loading._cache)())


def test_records_and_tokens_stay_side_by_side(write_task, tokenizer):
    path = str(write_task(train=["yes", "long " * 60, "no"]))
    with pytest.warns(UserWarning, match=r"longer than 64 tokens: 1 of 3 in train, 0 of 1 in validation.*left out"):
        task = load_task(path, DROP, SETTINGS, tokenizer)
    train = task.splits["train"]
    assert [record.answer for record in train.records] == [tokens.answer for tokens in train.tokens] == ["yes", "no"]
    assert train.n_long == 1
    assert task.splits["test"].n_long == 0


def test_complaint_all_masked_records_that_are_too_long_are_counted_and_never_cut(write_task, tokenizer):
    path = str(write_task(train=["yes", "long " * 60], test=["long " * 70]))
    message = (
        r"longer than 64 tokens: 1 of 2 in train, 0 of 1 in validation, 1 of 1 in test; "
        r"the longest, test\.jsonl:1, has (\d+)\. .*Raise `data\.init_args\.max_length` to \1, "
        r"or set `data\.init_args\.reading\.on_long_prompt: drop`"
    )
    with pytest.raises(ValueError, match=message):
        load_task(path, READING, SETTINGS, tokenizer)
    with pytest.raises(ValueError, match=r"Without them nothing is left in test\. Raise `data\.init_args\.max_length`"):
        load_task(path, DROP, SETTINGS, tokenizer)


def test_a_record_of_just_the_length_fits(write_task, tokenizer):
    path = str(write_task())
    length = max(len(s.tokens[0].input_ids) for s in load_task(path, READING, SETTINGS, tokenizer).splits.values())
    assert load_task(path, READING, TokenSettings("chat", length), tokenizer)
    with pytest.raises(ValueError, match=f"the longest, .*, has {length}"):
        load_task(path, READING, TokenSettings("chat", length - 1), tokenizer)


def test_complaint_stale_caches_an_equal_call_reads_nothing_again(write_task, tokenizer, make_tokenizer):
    path = str(write_task(train=["a"]))
    first = load_task(path, READING, SETTINGS, tokenizer)
    assert load_task(path, READING, SETTINGS, tokenizer) is first
    assert (
        load_task(path, ReadingSettings(), TokenSettings("chat", 64), make_tokenizer(tokenizer.chat_template)) is first
    )


def changed_tokenizer(tokenizer, make_tokenizer):
    other = make_tokenizer(tokenizer.chat_template)
    other.add_tokens(["yes"])
    return {"tokenizer": other}


CHANGES = {
    "tokenizer": changed_tokenizer,
    "chat template": lambda t, make: {"tokenizer": make(t.chat_template.replace("\n", ""))},
    "template": lambda t, make: {"settings": TokenSettings("plain", 64)},
    "length": lambda t, make: {"settings": TokenSettings("chat", 63)},
    "layout": lambda t, make: {"settings": TokenSettings("plain", 64, "encoder_decoder")},
    "reading": lambda t, make: {"reading": ReadingSettings(split_seed=1)},
}


@pytest.mark.parametrize("part", CHANGES)
def test_complaint_stale_caches_another_value_reads_anew(write_task, tokenizer, make_tokenizer, part):
    path = str(write_task(train=["yes"]))
    before = {"reading": READING, "settings": SETTINGS, "tokenizer": tokenizer}
    first = load_task(path, **before)
    now = before | CHANGES[part](tokenizer, make_tokenizer)
    assert load_task(path, **now) is not first
    if part not in ("length", "reading"):
        ids = [task.splits["train"].tokens[0].input_ids.tolist() for task in (first, load_task(path, **now))]
        assert ids[0] != ids[1]
    assert load_task(path, **before) is first


def test_complaint_stale_caches_changed_files_are_read_anew(write_task, tokenizer):
    path = str(write_task(train=["a"]))
    first = load_task(path, READING, SETTINGS, tokenizer)
    write_task(train=["b"])
    second = load_task(path, READING, SETTINGS, tokenizer)
    assert second.splits["train"].records[0].answer == "b"
    assert second.digest != first.digest


def test_the_digest_follows_the_records_and_not_their_place(write_task, tokenizer, tmp_path):
    folder = write_task(train=["a"])
    first = load_task(str(folder), READING, SETTINGS, tokenizer)
    moved = load_task(str(folder.rename(tmp_path / "moved")), READING, SETTINGS, tokenizer)
    assert moved is not first
    assert moved.digest == first.digest


@pytest.mark.parametrize("part", ["tokenizer", "chat template", "template", "layout"])
def test_the_digest_follows_the_tokens_of_equal_records(write_task, tokenizer, make_tokenizer, part):
    path = str(write_task(train=["yes"]))
    before = {"settings": SETTINGS, "tokenizer": tokenizer}
    now = before | CHANGES[part](tokenizer, make_tokenizer)
    assert load_task(path, READING, **now).digest != load_task(path, READING, **before).digest


def test_the_digest_follows_the_targets_of_equal_ids(write_task, tokenizer):
    splits = load_task(str(write_task()), READING, SETTINGS, tokenizer).splits
    first = token_digest(splits)
    mask = splits["validation"].tokens[0].target_mask
    mask[0] = not mask[0]
    assert token_digest(splits) != first


def test_a_field_of_100_000_characters_is_counted_as_too_long(write_task, tokenizer):
    path = str(write_task(train=["yes", "word " * 20_000], test=[{"question": "a" * 100_000, "answer": "b"}]))
    with pytest.raises(ValueError, match=r"1 of 2 in train, .* 1 of 1 in test; the longest, \w+\.jsonl:\d, has \d{5}"):
        load_task(path, READING, SETTINGS, tokenizer)
    assert load_task(path, READING, TokenSettings("chat", 10**6), tokenizer).splits["train"].tokens[1].n_targets > 10**4


def test_the_cache_forgets_the_task_used_least_recently(write_task, tokenizer):
    path = str(write_task())
    first = load_task(path, READING, SETTINGS, tokenizer)
    for length in range(65, 65 + CACHED_TASKS):
        load_task(path, READING, TokenSettings("chat", length), tokenizer)
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
