import copy

import pytest

from lightning_quicktune.compose import build, check_space, configured, read_yaml, to_yaml, with_overrides
from lightning_quicktune.space.search_space import SearchSpace


def test_a_changed_class_path_drops_the_old_arguments_whatever_the_order_of_keys():
    config = {"model": {"optimizer": {"class_path": "AdamW", "init_args": {"lr": 1.0, "betas": [0, 1]}}}}
    overrides = {"model.optimizer.init_args.lr": 0.1, "model.optimizer.class_path": "SGD"}
    assert with_overrides(config, overrides)["model"]["optimizer"] == {"class_path": "SGD", "init_args": {"lr": 0.1}}
    same = {"model.optimizer.class_path": "AdamW", "model.optimizer.init_args.lr": 0.1}
    kept = with_overrides(config, same)["model"]["optimizer"]["init_args"]
    assert kept == {"lr": 0.1, "betas": [0, 1]}


def test_overrides_leave_the_original_alone(fit_config):
    before = copy.deepcopy(fit_config)
    with_overrides(fit_config, {"trainer.max_epochs": 9, "new.key": 1})
    assert fit_config == before


def test_a_configuration_reaches_the_objects(fit_config, small_space):
    (configuration,) = small_space.sample(1, seed=1)
    composed = build(configured(fit_config, small_space, configuration))
    assert composed.model.lora.rank == configuration.values["lora_rank"]
    assert composed.model.schedule.name == configuration.values["schedule"]
    assert composed.seed == 3
    assert composed.trainer["max_epochs"] == 4


def test_building_loads_no_weights(fit_config):
    fit_config["model"]["init_args"]["base_model"]["name"] = "nobody/has-this"
    assert build(fit_config).model.model is None


def test_an_unknown_key_is_named(fit_config):
    fit_config["model"]["init_args"]["lora"]["rnak"] = 4
    with pytest.raises(ValueError, match=r"rnak.*Mend the fit YAML"):
        build(fit_config)


def test_a_space_that_sets_an_unknown_key_is_refused_before_training(fit_config):
    space = SearchSpace.from_dict(
        {
            "rank": {
                "key": "model.init_args.lora.rnak",
                "domain": {"type": "int", "bounds": [1, 8], "default": 2},
            }
        }
    )
    with pytest.raises(ValueError, match=r"search space doesn't fit the recipe: .*rnak.*Mend `key` or `sets`"):
        check_space(fit_config, space)


def test_a_space_whose_values_do_not_fit_is_refused(fit_config):
    space = SearchSpace.from_dict(
        {
            "schedule": {
                "key": "model.init_args.schedule.name",
                "domain": {"type": "categorical", "choices": ["linear", "exponential"], "default": "linear"},
            }
        }
    )
    with pytest.raises(ValueError, match=r"exponential"):
        check_space(fit_config, space)


def test_yaml_round_trip(fit_config, tmp_path):
    path = tmp_path / "fit.yaml"
    path.write_text(to_yaml(fit_config))
    assert read_yaml(path) == fit_config


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", r"(?s)is not valid YAML: .*Mend it"), ("- 1\n", r"holds list, but a fit YAML has the keys trainer")],
)
def test_files_that_are_no_fit_yaml(tmp_path, text, message):
    (tmp_path / "fit.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_yaml(tmp_path / "fit.yaml")


def test_a_missing_yaml(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file `.*gone.yaml`"):
        read_yaml(tmp_path / "gone.yaml")


@pytest.mark.parametrize(("key", "value"), [("gradient_clip_val", "much"), ("accumulate_grad_batches", 1.5)])
def test_numbers_that_most_trials_have_of_their_own_are_checked_all_the_same(fit_config, key, value):
    with pytest.raises(ValueError, match=rf"{key}.*Mend the fit YAML"):
        build(with_overrides(fit_config, {f"trainer.{key}": value}))


def test_and_are_each_ones_own(fit_config):
    built = [build(with_overrides(fit_config, {"trainer.gradient_clip_val": value})) for value in (0.5, 2, None)]
    assert [composed.trainer["gradient_clip_val"] for composed in built] == [0.5, 2, None]
