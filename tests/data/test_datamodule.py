from types import SimpleNamespace

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentError, ArgumentParser

from lightning_quicktune.data.datamodule import TaskData
from lightning_quicktune.data.evaluation import EvaluationSettings
from lightning_quicktune.data.reading import ReadingSettings

ANSWERS = ["yes" + " very" * i for i in range(13)]


@pytest.fixture
def make_data(write_task, tokenizer):
    def make(**kwargs):
        path = str(write_task(train=ANSWERS, validation=ANSWERS[:7], test=ANSWERS[:5]))
        data = TaskData(path, **kwargs)
        data.attach_tokenizer(tokenizer)
        data.setup("fit")
        return data

    return make


def fake_trainer(rank=0, world_size=1, accumulate=1, use_distributed_sampler=False):
    return SimpleNamespace(
        global_rank=rank,
        world_size=world_size,
        accumulate_grad_batches=accumulate,
        lightning_module=None,
        _accelerator_connector=SimpleNamespace(use_distributed_sampler=use_distributed_sampler),
    )


def learned(batches):
    """How often each answer is learned, by its number of tokens."""
    return sorted(int(n) for batch in batches for n in (batch["labels"] != -100).sum(1) if n)


def test_one_slice_holds_every_training_record_once(make_data):
    data = make_data(batch_size=4)
    batches = list(data.train_dataloader())
    assert learned(batches) == sorted(record.n_targets for record in data.tokens("train"))
    assert [len(batch["input_ids"]) for batch in batches] == [4, 4, 4, 1]
    for batch in batches:
        assert batch["step_targets"] == sum(learned([batch]))


def test_batch_size_never_changes_the_records_of_a_slice(make_data):
    shapes = [(1, 1, 8), (1, 2, 4), (2, 2, 2)]  # ranks, accumulate, batch size
    slices = []
    for world_size, accumulate, batch_size in shapes:
        batches = []
        for rank in range(world_size):
            data = make_data(batch_size=batch_size, records_per_slice=8)
            data.trainer = fake_trainer(rank, world_size, accumulate)
            loader = data.train_dataloader()
            loader.batch_sampler.set_epoch(2)
            assert len(loader) == accumulate
            batches += list(loader)
        assert {int(batch["step_targets"]) for batch in batches} == {sum(learned(batches))}
        slices.append(learned(batches))
    assert slices[0] == slices[1] == slices[2]
    assert len(slices[0]) == 8


def test_the_seed_is_read_when_the_loader_is_built(make_data, monkeypatch):
    data = make_data(records_per_slice=4)
    slices = []
    for seed in ("1", "2", "1"):
        monkeypatch.setenv("PL_GLOBAL_SEED", seed)
        slices.append(learned(data.train_dataloader()))
    assert slices[0] == slices[2] != slices[1]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_each_evaluation_record_is_on_one_rank_and_lengths_rise(make_data, world_size):
    seen = []
    for rank in range(world_size):
        data = make_data(evaluation=EvaluationSettings(batch_size=2))
        data.trainer = fake_trainer(rank, world_size)
        batches = list(data.val_dataloader())
        lengths = [int(n) for batch in batches for n in batch["attention_mask"].sum(1)]
        assert lengths == sorted(lengths)
        seen += [int(i) for batch in batches for i in batch["indices"]]
    assert sorted(seen) == list(range(7))


def test_caps_take_evenly_spaced_records(make_data):
    data = make_data(evaluation=EvaluationSettings(max_eval_records=3, max_generation_records=2))

    def indices(loader):
        return [int(i) for batch in loader for i in batch["indices"]]

    assert indices(data.val_dataloader()) == [0, 2, 4]
    assert indices(data.test_dataloader()) == [0, 1, 3]
    assert sorted(indices(data.prompt_dataloader("test"))) == [0, 2]
    assert sorted(indices(data.prompt_dataloader("test", limit=4))) == [0, 1, 2, 3]
    assert sorted(indices(data.predict_dataloader())) == [0, 1, 2, 3, 4]
    assert sorted(indices(make_data(evaluation=EvaluationSettings(max_eval_records=99)).val_dataloader())) == [
        *range(7)
    ]


def test_prompts_end_where_the_answer_starts(make_data, tokenizer):
    data = make_data()
    batch = next(iter(data.predict_dataloader()))
    assert batch["references"] == [data.records("test")[int(i)].answer for i in batch["indices"]]
    for row, mask, prompt in zip(batch["input_ids"], batch["attention_mask"], batch["prompts"], strict=True):
        assert tokenizer.decode(row[mask.bool()]) == prompt
        assert prompt.endswith("<|assistant|>\n")


def test_loaders_leave_the_global_generators_alone(make_data):
    data = make_data()
    torch.manual_seed(0)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.predict_dataloader()):
        list(loader)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    # the standard library's generator can't be watched here: the type checks of these tests draw from it


def test_facts_are_counted(make_data):
    facts = make_data().describe()
    assert (facts["train_records"], facts["validation_records"], facts["test_records"]) == (13, 7, 5)
    assert (facts["train_too_long"], facts["n_skipped"], facts["n_duplicates"]) == (0, 0, 0)
    data = make_data()
    assert facts["train_tokens_max"] == max(record.n_tokens for record in data.tokens("train"))
    assert facts["test_targets"] == sum(record.n_targets for record in data.tokens("test"))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")  # depends on the machine's cores
def test_a_trainer_walks_slice_by_slice_and_steps_by_whole_steps(write_task, tokenizer, make_trainer, make_recorder):
    data = TaskData(str(write_task(train=ANSWERS)), batch_size=2, records_per_slice=6)
    module, trainer = make_recorder(tokenizer), make_trainer()
    trainer.fit(module, datamodule=data)
    assert trainer.global_step == 4
    assert module.validated == [0, 0]
    sampler = data.train_dataloader().batch_sampler
    for epoch, batches in module.epochs.items():
        records = [data.tokens("train")[i] for i in sampler.slice_records(epoch)]
        assert learned(batches) == sorted(record.n_targets for record in records)
    # Lightning's private attribute that guards against dealing records twice
    assert trainer._accelerator_connector.use_distributed_sampler is False


def test_the_layout_is_the_models(write_task, t5_tokenizer):
    data = TaskData(str(write_task()), template="plain")
    data.attach_tokenizer(t5_tokenizer)
    data.setup()
    assert next(iter(data.val_dataloader()))["labels"].shape == next(iter(data.val_dataloader()))["input_ids"].shape
    data.trainer = fake_trainer()
    data.trainer.lightning_module = SimpleNamespace(layout="encoder_decoder", tokenizer=t5_tokenizer)
    data.setup()
    for loader in (data.train_dataloader(), data.val_dataloader()):
        batch = next(iter(loader))
        assert batch["labels"].shape != batch["input_ids"].shape
        assert batch["input_ids"][0, -1] == batch["labels"][0, -1] == t5_tokenizer.eos_token_id
    prompts = next(iter(data.predict_dataloader()))
    assert t5_tokenizer.decode(prompts["input_ids"][0], skip_special_tokens=True) == prompts["prompts"][0] == "test 0?"


def test_an_encoder_packs_no_questions(write_task, t5_tokenizer):
    data = TaskData(str(write_task()), template="plain", packing=True)
    data.attach_tokenizer(t5_tokenizer, layout="encoder_decoder")
    with pytest.raises(ValueError, match=r"`data\.init_args\.packing` is true, but an encoder .*packing: false`"):
        data.setup()


@pytest.mark.parametrize("world_size", [1, 2])
def test_complaint_packing_leaks_packed_steps_learn_the_same_targets(make_data, world_size):
    def steps(packing):
        found = []
        for rank in range(world_size):
            data = make_data(batch_size=3, packing=packing)
            data.trainer = fake_trainer(rank, world_size, accumulate=2)
            for batch in data.train_dataloader():
                targets = sorted(batch["labels"][batch["labels"] != -100].tolist())
                found.append((targets, int(batch["step_targets"]), batch["n_tokens"]))
        return found

    assert steps(packing=True) == steps(packing=False)
    packed = make_data(batch_size=6, packing=True)
    assert "position_ids" in next(iter(packed.train_dataloader()))
    assert "attention_mask" in next(iter(packed.val_dataloader()))


@pytest.mark.parametrize(
    ("build", "key"),
    [
        (lambda data: data.val_dataloader(), r"evaluation\.max_eval_records"),
        (lambda data: data.test_dataloader(), r"evaluation\.max_eval_records"),
        (lambda data: data.predict_dataloader(), None),
        (lambda data: data.prompt_dataloader("validation"), r"evaluation\.max_generation_records"),
        (lambda data: data.choice_dataloader("validation"), r"evaluation\.max_generation_records"),
    ],
    ids=["validation", "test", "predict", "prompts", "choices"],
)
def test_fewer_records_than_devices_are_refused(make_data, build, key):
    data = make_data(records_per_slice=2, evaluation=EvaluationSettings(max_eval_records=2, max_generation_records=2))
    data.trainer = fake_trainer(world_size=2)
    assert len(list(build(data))) == 1
    data.trainer = fake_trainer(world_size=6)
    raised = rf"raise `data\.init_args\.{key}` if it is set, " if key else ""
    message = rf"for 6 devices, .*Lower `trainer\.devices`, {raised}or add records to `data\.init_args\.path`"
    with pytest.raises(ValueError, match=message):
        build(data)


def test_positions_can_be_attached_with_the_tokenizer(write_task, tokenizer):
    data = TaskData(str(write_task()))
    data.attach_tokenizer(tokenizer, positions=100)
    data.setup()
    data.attach_tokenizer(tokenizer, positions=9)
    with pytest.raises(ValueError, match=r"has \d\d tokens, but the base model has 9 positions.*name another base"):
        data.setup()


def test_dealing_records_twice_is_refused(make_data):
    data = make_data()
    data.trainer = fake_trainer(world_size=2, use_distributed_sampler=True)
    for build in (data.train_dataloader, data.val_dataloader):
        with pytest.raises(ValueError, match=r"is true on 2 devices.*Set `trainer\.use_distributed_sampler: false`"):
            build()


def test_a_tokenizer_is_needed(write_task):
    data = TaskData(str(write_task()))
    with pytest.raises(RuntimeError, match=r"no tokenizer for .*`attach_tokenizer` before `setup`"):
        data.setup("fit")
    data.trainer = SimpleNamespace(lightning_module=object())
    with pytest.raises(RuntimeError, match=r"no tokenizer for .*`model\.class_path`"):
        data.setup("fit")


def test_records_are_there_after_setup(write_task):
    with pytest.raises(RuntimeError, match=r"not read yet.*Call `setup` first"):
        TaskData(str(write_task())).records("train")


@pytest.mark.parametrize("key", ["batch_size", "records_per_slice", "max_length"])
def test_sizes_are_positive(key):
    with pytest.raises(ValueError, match=rf"`data\.init_args\.{key}` is 0, .*Raise it"):
        TaskData("task", **{key: 0})


def test_the_keys_that_messages_name_can_be_set_on_the_command_line():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(TaskData, "data")
    args = [
        "--data=lightning_quicktune.data.datamodule.TaskData",
        "--data.init_args.path=task",
        "--data.init_args.max_length=99",
        "--data.init_args.packing=true",
        "--data.init_args.reading.on_long_prompt=drop",
        "--data.init_args.reading.on_bad_record=skip",
        "--data.init_args.evaluation.max_eval_records=5",
        "--data.init_args.evaluation.max_choices=9",
    ]
    data = parser.instantiate(parser.parse_args(args)).data
    assert data.reading == ReadingSettings(on_bad_record="skip", on_long_prompt="drop")
    assert data.evaluation == EvaluationSettings(max_eval_records=5, max_choices=9)
    assert (data.token_settings.max_length, data.packing) == (99, True)
    with pytest.raises(ArgumentError, match="on_bad_record"):
        parser.parse_args([*args, "--data.init_args.reading.on_bad_record=ignore"])
