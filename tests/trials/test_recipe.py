import pytest

from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.recipe import check_recipe, check_search


def space_of(key, **domain):
    domain = domain or {"type": "int", "bounds": [1, 8], "default": 2}
    return SearchSpace.from_dict({"x": {"key": key, "domain": domain}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit_val_batches", 0),
        ("limit_val_batches", 1),
        ("limit_train_batches", 0.5),
        ("limit_test_batches", 2),
        ("check_val_every_n_epoch", 2),
        ("val_check_interval", 0.5),
        ("max_steps", 10),
        ("max_time", "00:00:10:00"),
        ("min_epochs", 3),
        ("fast_dev_run", True),
        ("overfit_batches", 2),
    ],
)
def test_settings_that_cut_slices_or_validation_short_are_refused(fit_config, name, value):
    fit_config["trainer"][name] = value
    with pytest.raises(
        ValueError, match=rf"`trainer.{name}` is {value!r} in `recipe`, but all slices .* Remove the key"
    ):
        check_recipe(fit_config)


@pytest.mark.parametrize(
    ("name", "value", "out"),
    [
        ("barebones", True, "false"),
        ("enable_checkpointing", False, "true"),
        ("reload_dataloaders_every_n_epochs", 1, "0"),
    ],
)
def test_settings_with_which_no_trial_can_be_resumed_are_refused(fit_config, name, value, out):
    fit_config["trainer"][name] = value
    with pytest.raises(ValueError, match=rf"`trainer.{name}` is {value} in `recipe`.* or set `trainer.{name}: {out}`"):
        check_recipe(fit_config)


def test_the_same_settings_at_their_whole_values_pass(fit_config):
    whole = {"limit_val_batches": 1.0, "max_steps": -1, "fast_dev_run": False, "check_val_every_n_epoch": 1}
    fit_config["trainer"] |= {**whole, "max_time": None}
    check_recipe(fit_config)


def test_callbacks_that_steer_training_are_refused(fit_config):
    stopping = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"monitor": "score"}}
    fit_config["trainer"]["callbacks"] = [stopping]
    with pytest.raises(ValueError, match=r"`trainer.callbacks` has EarlyStopping in `recipe`.* Remove it"):
        check_recipe(fit_config)


@pytest.mark.parametrize("entry", [{"class_path": "lightning.pytorch.callbacks.EarlyStopping"}, "EarlyStopping"])
def test_a_callback_outside_of_a_list_is_refused(fit_config, entry):
    fit_config["trainer"]["callbacks"] = entry
    with pytest.raises(ValueError, match=r"`trainer.callbacks` is .*EarlyStopping.*as a list with one entry"):
        check_recipe(fit_config)


@pytest.mark.parametrize(
    ("key", "fixed"),
    [
        ("seed_everything", "seed_everything"),
        ("trainer.max_epochs", "trainer.max_epochs"),
        ("trainer.limit_train_batches", "trainer.limit_train_batches"),
        ("data.init_args.evaluation.max_eval_records", "data.init_args.evaluation"),
        ("data.init_args.records_per_slice", "data.init_args.records_per_slice"),
        ("model.init_args.base_model", "model.init_args.base_model.name"),
    ],
)
def test_keys_that_are_the_same_for_all_trials_are_no_search_keys(fit_config, key, fixed):
    with pytest.raises(ValueError, match=rf"search space sets `{key}`, but `{fixed}` is the same for all trials"):
        check_search(fit_config, space_of(key))


def test_a_typo_of_the_recipe_is_not_blamed_on_the_space(fit_config, small_space):
    fit_config["model"]["init_args"]["lora"]["rnak"] = 4
    with pytest.raises(ValueError, match=r"rnak.*Mend the fit YAML \(`recipe`\)\.$") as error:
        check_search(fit_config, small_space)
    assert "search space" not in str(error.value)


def test_a_typo_of_the_space_is(fit_config):
    with pytest.raises(ValueError, match=r"search space doesn't fit the recipe: .*rnak"):
        check_search(fit_config, space_of("model.init_args.lora.rnak"))


def test_a_recipe_need_not_say_which_data(fit_config, small_space):
    del fit_config["data"]["init_args"]["path"]
    check_search(fit_config, small_space)
