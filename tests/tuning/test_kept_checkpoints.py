"""What a search must repeat, by made-up records."""

import pytest

from lightning_quicktune.search.journal import JournalEntry
from lightning_quicktune.trials.checkpoints import LAST
from lightning_quicktune.trials.storage import write_trial
from lightning_quicktune.tuning.kept_checkpoints import slices_to_repeat
from lightning_quicktune.types import Configuration, LearningCurve, Observation, SliceResult, Suggestion, Trial

TRIED = Configuration({"lr": 0.1})


@pytest.fixture
def trained(tmp_path):
    """Writes the record of a trial: ``(folder, slices, status, has_checkpoint)``."""

    def write(folder, n, status, has_checkpoint):
        curve = LearningCurve(tuple(SliceResult(i, 0.1 * i, 2.0, 1.0, 64) for i in range(1, n + 1)))
        (tmp_path / folder).mkdir()
        write_trial(tmp_path / folder, Trial("shop", "nano", "exact_match", TRIED, 0, 9, curve, status))
        if has_checkpoint:
            (tmp_path / folder / LAST).touch()
        return curve

    return write


def observed(curve):
    return [JournalEntry(Suggestion(TRIED, 9), Observation(TRIED, curve, False, 1.0), 0.0, 1.0)]


@pytest.mark.parametrize(("has_checkpoint", "lacking"), [(True, {}), (False, {TRIED.id: 3})])
def test_a_trial_without_a_checkpoint_repeats_what_it_had(tmp_path, trained, has_checkpoint, lacking):
    curve = trained(f"{TRIED.id}-0", 3, "stopped", has_checkpoint)
    assert slices_to_repeat(tmp_path, observed(curve)) == lacking


def test_a_trial_that_has_ended_repeats_nothing(tmp_path, trained):
    assert slices_to_repeat(tmp_path, observed(trained(f"{TRIED.id}-0", 9, "completed", False))) == {}


@pytest.mark.parametrize(("status", "n"), [("completed", 9), ("stopped", 4)])
def test_the_recipe_as_written_is_another_trial_though_its_configuration_is_the_same(tmp_path, trained, status, n):
    """It is trained for as many slices as it says, which the search has no use for."""
    curve = trained(f"{TRIED.id}-0", 3, "stopped", False)
    trained("recipe-0", n, status, True)
    assert slices_to_repeat(tmp_path, observed(curve)) == {TRIED.id: 3}
