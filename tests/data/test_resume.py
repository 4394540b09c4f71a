import os

import pytest

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.resume import KEYS, check_same

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")  # depends on the machine's cores

SAVED = {
    "step_records": 8,
    "order_seed": 1,
    "records_per_slice": 64,
    "template": "chat",
    "max_length": 99,
    "content_digest": "a",
}
ANSWERS = ["yes" + " very" * i for i in range(13)]
OTHER = {"template": "plain", "content_digest": "b"}


def test_equal_settings_pass():
    check_same(SAVED, dict(SAVED))
    check_same({}, SAVED)
    assert set(SAVED) == set(KEYS)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("step_records", r"`data\.init_args\.batch_size` x `trainer\.accumulate_grad_batches` x `trainer\.devices`"),
        ("order_seed", "`seed_everything`"),
        ("records_per_slice", r"`data\.init_args\.records_per_slice`"),
        ("template", r"`data\.init_args\.template`"),
        ("max_length", r"`data\.init_args\.max_length`"),
        ("content_digest", r"the records of `data\.init_args\.path`.*`data\.init_args\.reading`.*chat template make.*"),
    ],
)
def test_each_difference_names_its_key_and_both_values(key, named):
    present = {**SAVED, key: OTHER.get(key, 7)}
    message = rf"can't go on .*other data: {named}.* was {SAVED[key]} and is now {present[key]}\. .*`--ckpt_path`"
    with pytest.raises(ValueError, match=message):
        check_same(SAVED, present)


def test_all_differences_are_named_at_once():
    with pytest.raises(ValueError, match=r"batch_size`.* was 8 and is now 4; .*max_length` was 99 and is now 98\. "):
        check_same(SAVED, {**SAVED, "max_length": 98, "step_records": 4})


def resumable(path, **changes):
    return TaskData(str(path), **{"batch_size": 2, "records_per_slice": 8, "max_length": 99, **changes})


@pytest.fixture
def checkpoint(write_task, tokenizer, make_trainer, make_recorder, tmp_path):
    """A task and a checkpoint after one slice of it, in steps of four records."""
    path, trainer = write_task(train=ANSWERS), make_trainer(max_epochs=1)
    trainer.fit(make_recorder(tokenizer), datamodule=resumable(path))
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    return path, tmp_path / "one.ckpt"


@pytest.mark.parametrize(
    ("changes", "accumulate"),
    [({}, 2), ({"batch_size": 4}, 1), ({"batch_size": 1, "packing": True}, 4)],
    ids=["2 x 2", "4 x 1", "1 x 4 packed"],
)
def test_training_goes_on_however_its_steps_are_spread(
    checkpoint, tokenizer, make_trainer, make_recorder, changes, accumulate
):
    path, saved = checkpoint
    trainer = make_trainer(accumulate=accumulate)
    trainer.fit(make_recorder(tokenizer), datamodule=resumable(path, **changes), ckpt_path=saved)
    assert trainer.global_step == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 4}, r"`data\.init_args\.batch_size` x .* was 4 and is now 8\. "),
        ({"records_per_slice": None}, r"`data\.init_args\.records_per_slice` was 8 and is now 13"),
        ({"template": "plain"}, r"`data\.init_args\.template` was chat and is now plain"),
        ({"max_length": 98}, r"`data\.init_args\.max_length` was 99 and is now 98"),
    ],
)
def test_training_does_not_go_on_with_other_data_settings(
    checkpoint, tokenizer, make_trainer, make_recorder, changes, message
):
    path, saved = checkpoint
    with pytest.raises(ValueError, match=rf"{message}.*Set them back, or start anew without `--ckpt_path`"):
        make_trainer().fit(make_recorder(tokenizer), datamodule=resumable(path, **changes), ckpt_path=saved)


def test_training_does_not_go_on_with_other_records_or_another_seed(
    checkpoint, write_task, tokenizer, make_trainer, make_recorder, monkeypatch
):
    path, saved = checkpoint
    before = os.environ.get("PL_GLOBAL_SEED", "0")
    monkeypatch.setenv("PL_GLOBAL_SEED", "99")
    with pytest.raises(ValueError, match=r"`seed_everything` was \d+ and is now 99\."):
        make_trainer().fit(make_recorder(tokenizer), datamodule=resumable(path), ckpt_path=saved)
    monkeypatch.setenv("PL_GLOBAL_SEED", before)
    write_task(train=[*ANSWERS[1:], "another"])
    with pytest.raises(ValueError, match=r"the records of `data\.init_args\.path`.* was \w{16} and is now \w{16}\."):
        make_trainer().fit(make_recorder(tokenizer), datamodule=resumable(path), ckpt_path=saved)


def test_a_checkpoint_can_be_tested_on_other_data(checkpoint, tokenizer, make_trainer, make_recorder):
    path, saved = checkpoint
    module = make_recorder(tokenizer)
    make_trainer().test(module, datamodule=resumable(path, template="plain"), ckpt_path=saved, verbose=False)
    assert module.validated == [0]
