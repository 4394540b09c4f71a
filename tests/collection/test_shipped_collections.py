"""`collect` goes on from the parts that are shipped: nothing that they keep is trained again."""

from pathlib import Path

import pytest

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.collection.exchange import Exchange
from lightning_quicktune.collection.parts import Parts
from lightning_quicktune.collection.plans import plans, task_folder, task_of
from lightning_quicktune.collection.settings import CollectSettings
from lightning_quicktune.compose import configured, read_yaml, with_overrides
from lightning_quicktune.metadataset.folder import load
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.identity import LABEL_VERSION, settings_digest

ROOT = Path(__file__).parents[2]
NAMES = ("suite_nano", "suite_nano_seeds", "suite_nano_t5", "smollm2", "smollm2_cohort")


@pytest.fixture
def settings(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)

    def of(name):
        words = ["--config", f"configs/collect/{name}.yaml", "--output", str(tmp_path / name)]
        return parse_settings("collect", CollectSettings, words)

    return of


@pytest.mark.parametrize("name", NAMES)
def test_kept_trials_are_those_of_recipe_and_space_and_of_the_table(settings, name):
    chosen = settings(name)
    space = SearchSpace.from_yaml(Path(chosen.space))
    recipe = with_overrides(read_yaml(Path(chosen.recipe)), {"trainer.max_epochs": chosen.max_fidelity})
    kept = Parts(Path(chosen.parts)).read()
    assert {k.trial.label_version for k in kept} == {LABEL_VERSION}
    digests = {k.trial.configuration: k.settings for k in kept}
    for configuration, digest in digests.items():
        assert digest == settings_digest(configured(recipe, space, configuration))
    table = load(name.removeprefix("suite_"))
    assert table.label_version == LABEL_VERSION
    assert not table.space.differences(space)
    rows = table.trials[["task", "config_id", "seed"]].drop_duplicates().itertuples(index=False)
    assert {f"{task}-{config_id}-{seed}" for task, config_id, seed in rows} == {k.trial.key for k in kept}


@pytest.mark.parametrize("name", ["suite_nano_seeds", "suite_nano_t5"])  # the tasks of the others take longer to read
def test_every_kept_trial_is_planned_and_taken_over(settings, name):
    chosen = settings(name)
    space, recipe = SearchSpace.from_yaml(Path(chosen.space)), read_yaml(Path(chosen.recipe))
    exchange = Exchange(chosen)
    exchange.restore_tasks(task_folder(chosen, source) for source in chosen.tasks)
    setups = [task_of(chosen, recipe, source) for source in chosen.tasks]
    planned = [plan for setup in setups for plan in plans(chosen, space, setup)]
    assert len({plan.key for plan in planned}) == len(planned)
    assert exchange.known_trials(space, setups, planned).keys() == {
        k.trial.key for k in Parts(Path(chosen.parts)).read()
    }
