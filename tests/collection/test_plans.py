from dataclasses import replace

import pytest
import yaml
from jsonargparse.typing import Path_fr

from lightning_quicktune.collection.plans import configurations, plans
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.types import Configuration


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / "any.yaml"
    file.touch()
    path = Path_fr(str(file))
    return CollectSettings(["colours"], path, path, str(tmp_path), max_fidelity=4, n_shared=5, n_fresh=3, n_seeds=2)


def test_tasks_share_the_default_and_some_and_have_others_alone(settings, small_space):
    first, second = (configurations(settings, small_space, name) for name in ("first", "second"))
    assert first[0] == small_space.default
    assert first[:5] == second[:5]
    assert len({*first, *second}) == 5 + 3 + 3


def test_each_configuration_is_planned_once_with_each_seed(settings, small_space, setup):
    planned = plans(replace(settings, seed=7), small_space, setup)
    assert all(plan.key == plan.blank.key for plan in planned)
    assert [plan.seed for plan in planned] == [7] * 8 + [8] * 8
    assert [plan.configuration for plan in planned[:8]] == [plan.configuration for plan in planned[8:]]
    assert len({plan.folder for plan in planned}) == len({plan.blank.key for plan in planned}) == 16
    assert {plan.resolved["seed_everything"] for plan in planned} == {7, 8}


@pytest.mark.parametrize("more", [{"n_shared": 6}, {"n_fresh": 4}, {"n_seeds": 3}])
def test_larger_numbers_only_add_trials(settings, small_space, setup, more):
    before = {plan.folder for plan in plans(settings, small_space, setup)}
    assert before < {plan.folder for plan in plans(replace(settings, **more), small_space, setup)}


def test_fresh_configurations_are_not_among_the_shared_in_a_small_space(settings):
    space = SearchSpace.from_dict(
        {
            "lora_rank": {
                "key": "model.init_args.lora.rank",
                "domain": {"type": "categorical", "choices": [1, 2, 4, 8], "default": 4},
            }
        }
    )
    few = replace(settings, n_shared=2, n_fresh=2)
    assert len(set(configurations(few, space, "colours"))) == 4
    with pytest.raises(ValueError, match="4 configurations were asked for, but the search space has only 3"):
        configurations(replace(few, n_fresh=3), space, "colours")


def test_listed_configurations_are_shared_too_and_each_is_planned_once(settings, small_space, tmp_path):
    listed = [{"lr": 0.002, "lora_rank": 2, "schedule": "linear"}, dict(small_space.default.values)]
    (tmp_path / "list.yaml").write_text(yaml.safe_dump(listed))
    more = replace(settings, configurations=Path_fr(str(tmp_path / "list.yaml")))
    first, second = (configurations(more, small_space, name) for name in ("first", "second"))
    assert first[:8] == configurations(settings, small_space, "first")
    assert first[8:] == second[8:] == [Configuration(listed[0])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{lr: 0.002, rank: 2}]", r"Entry 1 of `configurations: .*list.yaml` is not in `space`\. .* `rank`, which"),
        ("[{lr: 0.002}]", r"The configuration lacks `lora_rank`"),
        ("[{lr: 200.0, lora_rank: 2, schedule: linear}]", r"`lr: 200.0`, but its domain is .*widen `lr.domain`"),
        ("{lr: 0.002}", r"is no list of configurations\. Write one entry for each"),
        ("[{lr: 0.002", r"is not valid YAML: (?s:.)*Mend it"),
    ],
    ids=["unknown", "missing", "outside", "mapping", "broken"],
)
def test_listed_configurations_that_are_none_are_refused(settings, small_space, tmp_path, content, message):
    (tmp_path / "list.yaml").write_text(content)
    with pytest.raises(ValueError, match=message):
        configurations(replace(settings, configurations=Path_fr(str(tmp_path / "list.yaml"))), small_space, "colours")
