from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_quicktune.metadataset.build import build
from lightning_quicktune.metadataset.datamodule import MetaDatasetModule, draw_evenly
from lightning_quicktune.metadataset.folder import save


@pytest.fixture
def source(trials, tasks, space, tmp_path):
    return str(save(build(trials, tasks, space, "tests", ""), tmp_path / "table"))


def ready(source, **arguments):
    data = MetaDatasetModule(source, query_size=8, support_size=16, steps_per_epoch=3, **arguments)
    data.setup("fit")
    return data


def tasks_of(inputs, data):
    column = data.layout.n_configuration + data.layout.meta_features.index("shift")
    return {round(float(shift), 3) for shift in inputs[:, column]}


def test_queries_are_of_one_training_task_and_support_is_of_the_others(source):
    data = ready(source)
    assert len(data.training) == 3
    known = tasks_of(
        np.stack(
            [
                data.layout.inputs(c.task, c.encoded[:1], c.latents[:1], np.zeros(1, int), np.ones(1, int))[0]
                for c in data.training
            ]
        ),
        data,
    )
    torch.manual_seed(0)
    batches = list(data.train_dataloader())
    assert len(batches) == 3
    for batch in batches:
        query, support = tasks_of(batch["query_inputs"], data), tasks_of(batch["support_inputs"], data)
        assert len(query) == 1
        assert support == known - query
        assert (len(batch["query_latent"]), len(batch["support_latent"])) == (8, 16)


def test_validation_asks_the_same_of_held_out_tasks_each_time(source):
    data = ready(source)
    (held,) = data.validation
    (first,), (second,) = list(data.val_dataloader()), list(data.val_dataloader())
    assert tasks_of(first["query_inputs"], data) == {round(held.task.meta_features["shift"], 3)}
    assert tasks_of(first["query_inputs"], data).isdisjoint(tasks_of(first["support_inputs"], data))
    assert len(first["first_latent"]) == 6
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])


def test_one_training_task_supports_itself(trials, tasks, space, tmp_path):
    table = build(trials, tasks, space, "tests", "").select(["t0", "t1"])
    data = ready(str(save(table, tmp_path / "two")))
    batch = data.train_dataloader().dataset[0]
    assert tasks_of(batch["query_inputs"], data) == tasks_of(batch["support_inputs"], data)


def test_the_finished_support_is_of_all_tasks(source):
    data = ready(source)
    support = data.draw_support(100, seed=0)
    assert support.inputs.shape == (100, data.layout.width)
    assert len(tasks_of(support.inputs, data)) == 4


def test_more_tasks_than_points_is_fine(source):
    data = ready(source)
    assert len(draw_evenly(data.training, 2, data.layout, np.random.default_rng(0)).latent) == 2


def test_meta_features_can_be_chosen(source):
    assert ready(source).layout.meta_features == ("shift", "size")
    assert ready(source, meta_features=["size"]).layout.meta_features == ("size",)
    assert ready(source, meta_features=[]).layout.n_task == 2


def test_tasks_without_zero_shot_score_give_numbers(trials, tasks, space, tmp_path):
    unknown = [replace(task, zero_shot_score=float("nan")) for task in tasks]
    data = MetaDatasetModule(str(save(build(trials, unknown, space, "tests", ""), tmp_path)))
    data.setup("fit")
    for batch in (next(iter(data.train_dataloader())), next(iter(data.val_dataloader()))):
        assert all(bool(values.isfinite().all()) for values in batch.values())


def test_unknown_meta_features_are_refused(source):
    with pytest.raises(ValueError, match=r"`data.init_args.meta_features` names shft, but .* has shift, size.*Correct"):
        ready(source, meta_features=["shft"])


def with_meta_features(trials, tasks, space, folder, features):
    """A meta-dataset whose tasks t0, t1, t2, t3 have these meta-features."""
    described = [replace(task, meta_features=each) for task, each in zip(tasks, features, strict=True)]
    return str(save(build(trials, described, space, "tests", ""), folder))


def test_medians_are_those_of_the_training_tasks_alone(trials, tasks, space, tmp_path, source):
    """The held-out task differs so much that any share of it in a median would be seen."""
    held = int(ready(source).validation[0].task.name[1:])
    features = [{"shift": float(i), "size": 10.0 * i} for i in range(4)]
    features[held] = {"shift": 1e9}
    lacking = (held + 1) % 4
    del features[lacking]["size"]
    data = ready(with_meta_features(trials, tasks, space, tmp_path / "table", features))
    assert data.validation[0].task.name == f"t{held}"
    others = [i for i in range(4) if i != held]
    sizes = [10.0 * i for i in others if i != lacking]
    assert data.layout.medians == {"shift": np.median(others), "size": np.median(sizes)}
    (batch,) = list(data.val_dataloader())
    column = data.layout.n_configuration + data.layout.meta_features.index("size")
    assert set(batch["query_inputs"][:, column].tolist()) == {np.median(sizes)}


def test_a_meta_feature_that_no_training_task_has_is_dropped(trials, tasks, space, tmp_path, source, caplog):
    held = int(ready(source).validation[0].task.name[1:])
    features = [{"shift": float(i)} | ({"rare": 1.0} if i == held else {}) for i in range(4)]
    data = ready(with_meta_features(trials, tasks, space, tmp_path / "table", features))
    assert data.layout.meta_features == ("shift",)
    assert "No training task has the meta-features rare" in caplog.text


def test_a_task_without_any_meta_feature_is_refused_before_training(trials, tasks, space, tmp_path):
    features = [{}, *({"shift": 1.0} for _ in tasks[1:])]
    folder = with_meta_features(trials, tasks, space, tmp_path / "table", features)
    with pytest.raises(ValueError, match=r"Task 't0' has none of the meta-features shift"):
        ready(folder)


def test_the_longest_training_of_the_table_is_the_length_of_the_layout(trials, tasks, space, tmp_path):
    longer = [replace(t, max_fidelity=7, status="stopped") if i == 0 else t for i, t in enumerate(trials)]
    data = ready(str(save(build(longer, tasks, space, "tests", ""), tmp_path / "table")))
    assert data.layout.max_fidelity == 7
    batch = next(iter(data.train_dataloader()))
    assert batch["query_inputs"].shape[1] == data.layout.width


def test_two_metrics_are_refused(tasks, space, tmp_path, make_trial):
    mixed = [tasks[0], replace(tasks[1], metric="rouge_l")]
    table = build([make_trial(task, space.default) for task in mixed], mixed, space, "tests", "")
    with pytest.raises(
        ValueError, match=r"scored by answer_likelihood, rouge_l, and one surrogate can't.*of one metric"
    ):
        ready(str(save(table, tmp_path / "table")))


def test_tasks_that_are_left_out_are_in_no_batch_and_no_support(source):
    everything = ready(source)
    left_out = everything.training[0].task.name
    data = ready(source, leave_out=[left_out])
    used = [c.task.name for c in (*data.training, *data.validation)]
    assert len(used) == len(everything.training) + len(everything.validation) - 1
    assert left_out not in used
    assert left_out not in data.table.task_names


def test_an_unknown_task_to_leave_out_is_refused(source):
    with pytest.raises(ValueError, match=r"`data.init_args.leave_out` names nothing, but the tasks .*Correct the"):
        ready(source, leave_out=["nothing"])


def test_several_tables_are_learned_from_as_one(space, make_task, make_trial, tmp_path):
    """A dataset that both have is two tasks, which are left out together."""
    folders = []
    for names, slices in ((("shop", "a"), 4), (("shop", "b"), 2)):
        tasks = [replace(make_task(name, 0.1), max_fidelity=slices) for name in names]
        trials = [make_trial(task, space.default) for task in tasks]
        folders.append(str(save(build(trials, tasks, space, "tests", ""), tmp_path / names[1])))
    assert len(ready(folders).table.task_names) == 4
    assert ready(folders, leave_out=["shop"]).table.task_names == ("a", "b")
    assert ready([folders[0]]).table.task_names == ready(folders[0]).table.task_names == ("a", "shop")


def test_no_table_at_all_is_refused():
    with pytest.raises(ValueError, match=r"`data.init_args.source` is an empty list. Name one"):
        MetaDatasetModule([])


@pytest.fixture
def of_two_lengths(space, make_task, make_trial, tmp_path):
    tasks = [make_task(name, shift) for name, shift in (("shop@400", 0.1), ("shop@800", 0.2), ("a", 0.3), ("b", 0.4))]
    trials = [make_trial(t, c) for t in tasks for c in (space.default, *space.sample(3, seed=0))]
    return str(save(build(trials, tasks, space, "tests", ""), tmp_path / "lengths"))


def test_nothing_of_a_dataset_supports_another_length_of_it(of_two_lengths):
    """Of three datasets, one is held out with all its lengths."""
    held = set()
    for seed in range(4):
        data = ready(of_two_lengths, seed=seed)
        names = {task.task.dataset for task in data.validation}
        assert names.isdisjoint(task.task.dataset for task in data.training)
        held |= names
        batches = [data.train_dataloader().dataset[index] for index in range(8)]
        pairs = [(tasks_of(b["query_inputs"], data), tasks_of(b["support_inputs"], data)) for b in batches]
        of_shop = [support for query, support in pairs if query <= {0.1, 0.2}]
        assert bool(of_shop) == ("shop" not in names)
        assert all(support.isdisjoint({0.1, 0.2}) for support in of_shop)
    assert "shop" in held
    assert len(held) > 1


@pytest.mark.parametrize("name", ["shop", "shop@400"])
def test_a_dataset_is_left_out_with_all_its_lengths(of_two_lengths, name):
    data = ready(of_two_lengths, leave_out=[name])
    assert data.table.task_names == ("a", "b")
