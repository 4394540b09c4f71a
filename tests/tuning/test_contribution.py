"""What a search adds to an experience, without a model: trials are written as records."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from lightning_quicktune.metadataset.folder import TRIALS, load, save
from lightning_quicktune.presets.places import shipped_surrogates
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import LABEL_VERSION
from lightning_quicktune.trials.storage import write_trial
from lightning_quicktune.tuning.contribution import check_contribution, contribute
from lightning_quicktune.tuning.experience_folder import CURVES, as_it_was, check_there, read_taught, read_whole
from lightning_quicktune.tuning.tune import tune
from lightning_quicktune.types import BaseModelInfo, LearningCurve, SliceResult, TaskInfo, Trial

FACTS = {"content_digest": "c0ffee11", "settings_digest": "5e771235", "path": "/of/this/machine"}


def trial(task, configuration, scores, length=3, **changes):
    curve = LearningCurve(tuple(SliceResult(f, s, 1.0, 1.0, 9) for f, s in enumerate(scores, start=1)))
    status = "completed" if len(scores) == length else "stopped"
    same = Trial(task, "tiny", "answer_likelihood", configuration, 0, length, curve, status)
    return replace(same, **{"label_version": LABEL_VERSION, **changes})


@pytest.fixture
def made(tmp_path, small_space):
    """A search that has ended: ``(output, {configuration: scores}) -> job``."""

    def make(output, trained, name="colours", space=small_space, experience=None, facts=FACTS, **changes):
        info = TaskInfo(name, BaseModelInfo("tiny", 10, "ab"), "answer_likelihood", 3, 10, 0.1, {}, 0.0, facts)
        job = SimpleNamespace(
            settings=SimpleNamespace(contribute=str(tmp_path / "mine"), experience=experience),
            output=tmp_path / output,
            trials=tmp_path / output / "trials",
            space=space,
            setup=SimpleNamespace(info=replace(info, **changes)),
            executor=SimpleNamespace(plan=lambda configuration: SimpleNamespace(resolved={})),
            watcher=SimpleNamespace(note=notes.append),
        )
        for configuration, scores in trained.items():
            write_trial(job.trials / f"{configuration.id}-0", trial(name, configuration, scores))
        return job

    notes = make.notes = []
    return make


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "mine"


def scores_in(folder):
    return {(row.task, row.configuration.id): row.scores for row in load(folder).curves()}


def test_the_folder_is_made_and_grows(made, mine, small_space):
    first, second = small_space.sample(2, 0)
    contribute(made("a", {first: (0.2, 0.3)}))
    contribute(made("b", {second: (0.2, 0.3, 0.4)}, name="shapes"))
    assert scores_in(mine) == {("colours", first.id): (0.2, 0.3), ("shapes", second.id): (0.2, 0.3, 0.4)}
    assert load(mine).task_info("colours").base_model.name == "tiny"
    assert not small_space.differences(load(mine).space)
    assert "fact/path" not in load(mine).tasks


def test_it_is_done_once_and_again_once_the_search_went_on(made, mine, small_space):
    (first,) = small_space.sample(1, 0)
    contribute(made("a", {first: (0.2,)}))
    before = (mine / TRIALS).stat().st_mtime_ns
    contribute(made("a", {first: (0.2,)}))
    assert (mine / TRIALS).stat().st_mtime_ns == before
    contribute(made("a", {first: (0.2, 0.3, 0.4)}))
    assert scores_in(mine) == {("colours", first.id): (0.2, 0.3, 0.4)}


def test_rows_of_a_task_replace_each_other_and_the_furthest_stays(made, mine, small_space):
    first, second = small_space.sample(2, 0)
    contribute(made("a", {first: (0.2, 0.3, 0.4), second: (0.1,)}))
    contribute(made("b", {first: (0.25, 0.35), second: (0.15, 0.2)}))
    assert scores_in(mine) == {("colours", first.id): (0.2, 0.3, 0.4), ("colours", second.id): (0.15, 0.2)}
    contribute(made("c", {second: (0.5,)}, facts={**FACTS, "settings_digest": "0ther"}))
    assert scores_in(mine) == {("colours", second.id): (0.5,)}


def test_other_records_of_the_same_name_are_another_task(made, mine, small_space):
    (first,) = small_space.sample(1, 0)
    contribute(made("a", {first: (0.2,)}))
    other = {**FACTS, "content_digest": "deadbeef00"}
    for output in ("b", "c"):
        contribute(made(output, {first: (0.6,)}, facts=other))
    assert scores_in(mine) == {("colours", first.id): (0.2,), ("colours-deadbe", first.id): (0.6,)}


def test_errors_and_what_is_outside_of_the_space_stay_out(made, mine, small_space):
    first, second, third = small_space.sample(3, 0)
    job = made("a", {first: (0.2,), third: (0.4,)})
    write_trial(job.trials / "broken", trial("colours", second, (), status="interrupted", failure="error: disk"))
    write_trial(job.trials / "recipe", trial("colours", third, (0.4,), fit={"model": {"dropout": 0.5}}))
    contribute(job)
    assert scores_in(mine) == {("colours", first.id): (0.2,), ("colours", third.id): (0.4,)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_model": BaseModelInfo("other", 10, "ab")}, r"base model: tiny there, other here"),
        ({"base_model": BaseModelInfo("tiny", 10, "cd")}, r"weights: ab there, cd here"),
        ({"metric": "exact_match"}, r"score: answer_likelihood there, exact_match here"),
        ({"max_fidelity": 9}, r"slices of a full training: 3 there, 9 here"),
    ],
)
def test_what_cannot_be_compared_is_refused(made, mine, small_space, changes, words):
    job = made("a", {small_space.default: (0.2,)})
    contribute(job)
    with pytest.raises(ValueError, match=rf"can't be compared with those of this search: {words}.*another folder"):
        check_contribution(str(mine), small_space, replace(job.setup.info, **changes))
    check_contribution(str(mine), small_space, job.setup.info)


def test_a_folder_of_several_lengths_takes_trials_of_each(made, mine, small_space):
    """Such as the shipped experience of SmolLM2, whose tables are of three and of five slices."""
    job = made("a", {small_space.default: (0.2,)})
    contribute(job)
    table, other = load(mine), job.setup.info
    longer = table.tasks.assign(task="shapes", max_fidelity=5)
    save(replace(table, tasks=pd.concat([table.tasks, longer], ignore_index=True)), mine, grows=True)
    for length in (3, 4, 5):  # 4 as a search that was shortened has it
        check_contribution(str(mine), small_space, replace(other, max_fidelity=length))
    for length in (2, 6):
        with pytest.raises(ValueError, match=rf"slices of a full training: 3, 5 there, {length} here"):
            check_contribution(str(mine), small_space, replace(other, max_fidelity=length))


def test_the_shipped_curves_and_the_trials_that_a_folder_begins_with_are_of_the_same_tasks():
    for name in shipped_surrogates():
        curves = read_taught(name)[1]
        assert curves is not None
        origin = curves.card.provenance
        assert sorted(read_whole(name).task_names) == sorted(origin["training_tasks"] + origin["validation_tasks"])


def test_another_space_or_version_of_labels_is_refused(made, mine, small_space):
    job = made("a", {small_space.default: (0.2,)})
    contribute(job)
    space = {**small_space.to_dict(), "lora_rank": {"key": "model.init_args.lora.rank"}}
    space["lora_rank"]["domain"] = {"type": "categorical", "choices": [2, 8], "ordered": True, "default": 8}
    with pytest.raises(ValueError, match=r"search space, .*lora_rank"):
        check_contribution(str(mine), SearchSpace.from_dict(space), job.setup.info)
    table = load(mine)
    table.meta["label_version"] = LABEL_VERSION - 1
    save(table, mine)
    with pytest.raises(ValueError, match=rf"version of the labels: {LABEL_VERSION - 1} there, {LABEL_VERSION} here"):
        check_contribution(str(mine), small_space, job.setup.info)


def test_no_other_folder_is_written_into(tmp_path, made, small_space):
    info = made("a", {}).setup.info
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("{}")
    with pytest.raises(FileExistsError, match=r"no experience but holds other files. Set `contribute` to a new folder"):
        check_contribution(str(tmp_path / "data"), small_space, info)
    with pytest.raises(ValueError, match=r"`contribute` is 'nano', a name of what the package brings, which can't"):
        check_contribution("nano", small_space, info)


def test_a_kill_between_the_files_loses_nothing(made, mine, small_space, monkeypatch):
    """The tasks are in place and the trials aren't."""
    first, second = small_space.sample(2, 0)
    contribute(made("a", {first: (0.2,)}))
    old = (mine / TRIALS).read_bytes()
    contribute(made("b", {second: (0.3,)}, name="shapes"))
    new = (mine / TRIALS).read_bytes()
    (mine / TRIALS).write_bytes(old)
    assert scores_in(mine) == {("colours", first.id): (0.2,)}
    (mine / TRIALS).write_bytes(new)
    assert len(scores_in(mine)) == 2


def test_an_experience_is_learned_from_once_it_is_large_enough(made, mine, small_space):
    configurations = small_space.sample(13, 0)
    few = {c: (0.1, 0.2, 0.2 + 0.02 * i) for i, c in enumerate(configurations)}
    contribute(made("a", few))
    table, model = read_taught(str(mine))
    assert table is not None
    assert model is None
    assert not (mine / CURVES).exists()
    contribute(made("b", few, name="shapes"))
    table, model = read_taught(str(mine))
    assert table is None
    assert model is not None
    assert model.card.provenance["training_tasks"] == ["colours", "shapes"]
    (mine / CURVES / "surrogate.json").write_text("{}")  # what a kill may leave
    assert read_taught(str(mine))[1].card.base_models == ("tiny",)


def test_a_search_keeps_the_experience_it_began_with(made, mine, tmp_path, small_space):
    first, second = small_space.sample(2, 0)
    output = tmp_path / "search"
    assert not any(Path(as_it_was(str(mine), output)).iterdir())
    contribute(made("a", {first: (0.2,)}))
    assert len(scores_in(as_it_was(str(mine), output))) == 1  # nothing was observed yet
    (output / "observations.jsonl").write_text("")
    contribute(made("b", {second: (0.3,)}, name="shapes"))
    assert len(scores_in(as_it_was(str(mine), output))) == 1
    assert as_it_was("nano", output) == "nano"
    assert as_it_was(None, output) is None


def test_an_experience_that_is_not_there_is_refused_unless_it_is_made(tmp_path):
    check_there(str(tmp_path / "mine"), str(tmp_path / "mine"))
    check_there("nano", None)
    with pytest.raises(FileNotFoundError, match=r"mine is not there. Give a folder that .*\(nano, nano_t5, smollm2\)"):
        check_there(str(tmp_path / "mine"), str(tmp_path / "other"))


def test_a_new_folder_begins_with_another_experience_of_the_same_kind(made, tmp_path, mine, small_space):
    first, second = small_space.sample(2, 0)
    contribute(made("a", {first: (0.2,)}))
    mine.rename(tmp_path / "theirs")
    contribute(made("b", {second: (0.3,)}, name="shapes", experience=str(tmp_path / "theirs")))
    assert len(scores_in(mine)) == 2
    (tmp_path / "old").mkdir()
    mine.rename(tmp_path / "old" / "mine")
    contribute(made("c", {second: (0.3,)}, name="shapes", experience="nano"))
    assert len(scores_in(mine)) == 1
    assert made.notes[-1].startswith("Without the trials of nano: base model: nano-phi3 there, tiny here")


def test_a_search_contributes_once_and_goes_on_with_a_larger_budget(settings, mine, tmp_path, observed):
    """Trains the tiny model for seconds: no experience at first, then that of the first search."""
    changes = {"searcher": None, "experience": str(mine), "contribute": str(mine), "compare": []}
    first = tune(settings(**changes, budget={"slices": 2}))
    assert len(observed()) >= 1
    before = (mine / TRIALS).stat().st_mtime_ns
    again = tune(settings(**changes, budget={"slices": 2}))
    assert (again.outcome.created, again.headline) == (first.outcome.created, first.headline)
    assert (mine / TRIALS).stat().st_mtime_ns == before
    tune(settings(**changes, budget={"slices": 4}))
    assert sum(len(scores) for scores in scores_in(mine).values()) == 4
    assert len(load(mine).task_names) == 1
    tune(settings(**changes, budget={"slices": 1}, output=str(tmp_path / "next")))
    assert len(list((tmp_path / "next" / "experience").iterdir())) >= 4


def test_another_base_model_is_refused_before_anything_is_trained(settings, mine, tmp_path, made, small_space):
    contribute(made("a", {small_space.default: (0.2,)}))
    with pytest.raises(ValueError, match=r"`contribute` is .*base model: tiny there"):
        tune(settings(contribute=str(mine)))
    assert not list((tmp_path / "search").glob("trials/*"))
