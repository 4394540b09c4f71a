from pathlib import Path

import pytest

from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.evaluation.settings import EvaluateSettings, PrimaryComparison
from lightning_quicktune.replay.methods import Method
from lightning_quicktune.replay.settings import SurrogateTraining

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "evaluate").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_parses(path):
    settings = parse_settings("evaluate", EvaluateSettings, ["--config", str(path)])
    assert settings.budgets[0] > 0


def uses_yahpo(path):
    return path.name not in ("yahpo.yaml", "yahpo_slow.yaml") and "meta_dataset: runs/yahpo_lcbench" in path.read_text()


@pytest.mark.parametrize("path", [path for path in CONFIGS if uses_yahpo(path)], ids=lambda path: path.name)
def test_development_names_no_other_folds(path):
    settings = parse_settings("evaluate", EvaluateSettings, ["--config", str(path)])
    assert settings.folds == "fact:fold"
    assert settings.test_folds == settings.train_folds == ["fold0", "fold1", "fold2"]


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
        (
            {"methods": ["random", Method("random", label="other")]},
            r"`methods` is \['random', 'other'\], .*and each once",
        ),
        ({"budgets": []}, r"`budgets` is \[\].*rising order"),
        ({"budgets": [0.0, 1.0]}, r"`budgets` is \[0.0, 1.0\].*above 0"),
        ({"budgets": [2.0, 1.0]}, r"`budgets` is \[2.0, 1.0\].*rising order"),
        ({"budgets_s": [2.0, 1.0]}, r"`budgets_s` is \[2.0, 1.0\].*rising order"),
        (
            {"calibration_budgets": [1.0, 0.0]},
            r"`calibration_budgets` is \[1.0, 0.0\].*`calibration_budgets: \[0, 10\]`",
        ),
        ({"calibration_budgets": [0.0, 11.0]}, r"`calibration_budgets` is \[0.0, 11.0\], .*which is 10"),
        ({"n_processes": 0}, r"`n_processes` is 0.*Raise `n_processes`"),
        ({"folds": "domain"}, r"`folds` is 'domain', but .*`folds: fact:domain`"),
        ({"folds": "fact:"}, r"`folds` is 'fact:', but .*`folds: fact:domain` with the fact's name"),
        ({"folds": "name:0"}, r"`folds` is 'name:0', but .*`folds: name:2`"),
        ({"configuration_share": 1.5}, r"`configuration_share` is 1.5, but it is a share of the configurations, "),
        (
            {"held_out": ["t0"], "test_folds": [1]},
            r"`held_out` names 1 tasks as the one fold .*, but `test_folds` names",
        ),
        ({"learn_from": ["nano"], "train_folds": [1]}, r"`learn_from` names .* but `train_folds` .*Leave one of them"),
        ({"train_share": 0.0}, r"`train_share` is 0.0, but .*Write `train_share: 0.5`"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        EvaluateSettings("table", "output", **changes)


def test_surrogates_need_training():
    with pytest.raises(ValueError, match=r"`surrogates.epochs` is 0, but it counts things, at least 1"):
        SurrogateTraining(epochs=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "dehb"}, r"`primary.method` is 'dehb', but it must be one of transfer, .*Change it, or `methods`"),
        ({"against": "transfer"}, r"`primary.against` is 'transfer', but it must be one of successive_halving, random"),
        ({"budget": 4.0}, r"`primary.budget` is 4.0, but .* 0.5, 1.0, 2.0, .*or `budgets`"),
        ({"setting": "new"}, r"`primary.setting` is 'new', but it must be one of known,"),
    ],
)
def test_the_primary_comparison_must_be_evaluated(changes, message):
    plain = {"method": "transfer", "against": "random", "budget": 2.0, "setting": "known"}
    with pytest.raises(ValueError, match=message):
        EvaluateSettings("table", "output", primary=PrimaryComparison(**{**plain, **changes}))


@pytest.mark.parametrize("seconds", [{"charge_thinking": True}, {"budgets_s": [1.0]}])
def test_slices_have_no_seconds(seconds):
    with pytest.raises(ValueError, match=r"`cost` is slices, which have no seconds, .*or set `cost` to cost_s"):
        EvaluateSettings("nano", "runs", cost="slices", **seconds)


def test_the_limit_is_not_compared():
    settings = EvaluateSettings("table", "out", methods=["oracle", "random"])
    assert (settings.limits, settings.first_method) == (("oracle",), "random")
    with pytest.raises(ValueError, match=r"`primary.against` is 'oracle', but it must be one of none"):
        EvaluateSettings(
            "table", "out", methods=["oracle", "random"], primary=PrimaryComparison("random", "oracle", 2.0, "known")
        )
    with pytest.raises(ValueError, match=r"`oracle` is no method: it shows the limit for others. List a method too"):
        EvaluateSettings("table", "out", methods=["oracle"])
