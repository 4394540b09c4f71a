from pathlib import Path

import pytest

from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.evaluation.settings import EvaluateSettings, SurrogateTraining

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "evaluate").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_parses(path):
    settings = parse_settings("evaluate", EvaluateSettings, ["--config", str(path)])
    assert settings.budgets[0] > 0


def test_help_names_the_options(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "--help"])
    assert stopped.value.code == 0
    assert "--n_folds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_folds": 1}, r"`n_folds` is 1, but it counts things, at least 2. Raise `n_folds`"),
        ({"n_seeds": 0}, r"`n_seeds` is 0"),
        ({"methods": []}, r"`methods` is \[\], but .* List at least one"),
        ({"methods": ["random", "random"]}, r"`methods` is \['random', 'random'\]"),
        ({"budgets": []}, r"`budgets` is \[\].*rising order"),
        ({"budgets": [0.0, 1.0]}, r"`budgets` is \[0.0, 1.0\].*above 0"),
        ({"budgets": [2.0, 1.0]}, r"`budgets` is \[2.0, 1.0\].*rising order"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        EvaluateSettings("table", "output", **changes)


def test_surrogates_need_training():
    with pytest.raises(ValueError, match=r"`surrogates.epochs` is 0, but it counts things, at least 1"):
        SurrogateTraining(epochs=0)
