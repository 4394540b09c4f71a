from dataclasses import replace

import pytest
from jsonargparse.typing import Path_fr

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.plan import configurations, plans
from lightning_quicktune.trials.settings import CollectSettings


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
