import pytest

from lightning_quicktune.data.limits import check_enough, check_packing, check_positions
from lightning_quicktune.data.loading import TokenSettings, load_task
from lightning_quicktune.data.reading import ReadingSettings


def test_packing_is_refused_unless_the_records_of_a_row_are_kept_apart():
    check_packing("decoder", True)
    with pytest.raises(ValueError, match=r"isn't known to keep .*Set `data\.init_args\.packing: false`; or, if"):
        check_packing("decoder", False)
    with pytest.raises(ValueError, match=r"an encoder reads one question per row.*packing: false`"):
        check_packing("encoder_decoder", True)


def test_the_longest_row_that_a_model_reads_must_fit(write_task, tokenizer, t5_tokenizer):
    path, reading = str(write_task(train=["yes " * 20])), ReadingSettings()
    task = load_task(path, reading, TokenSettings("chat", 99), tokenizer)
    rows = [row for split in task.splits.values() for row in split.tokens]
    longest = task.splits["train"].tokens[0].n_tokens
    check_positions(path, rows, "decoder", longest)
    check_positions(path, rows, "decoder", None)
    message = (
        rf"has {longest} tokens, .* has {longest - 1} positions.*`data\.init_args\.max_length` to {longest - 1} or"
    )
    with pytest.raises(ValueError, match=message):
        check_positions(path, rows, "decoder", longest - 1)
    task = load_task(path, reading, TokenSettings("plain", 99, "encoder_decoder"), t5_tokenizer)
    rows = [row for split in task.splits.values() for row in split.tokens]
    row = task.splits["train"].tokens[0]
    check_positions(path, rows, "encoder_decoder", row.n_tokens - row.prompt_length)  # question and answer apart


def test_each_device_gets_a_record():
    check_enough(2, 2, "test records", "evaluation.max_eval_records")
    message = r"1 test records for 2 devices, .*Lower `trainer\.devices`, raise `data\.init_args\.records_per_slice` if"
    with pytest.raises(ValueError, match=message):
        check_enough(1, 2, "test records", "records_per_slice")
