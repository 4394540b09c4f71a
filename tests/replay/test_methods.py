import pytest

from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.evaluation.settings import EvaluateSettings
from lightning_quicktune.replay.methods import Method


def test_an_option_that_changes_nothing_is_refused():
    with pytest.raises(ValueError, match=r"'random' with `cost: false`.*for transfer and curve_transfer\. Take `cost`"):
        Method("random", cost=False)
    with pytest.raises(ValueError, match=r"'curve_transfer' with `meta_features: false`"):
        Method("curve_transfer", meta_features=False)


def test_a_label_must_do_as_the_name_of_a_metric():
    with pytest.raises(ValueError, match=r"`label` is 'a\(b\)', but MLflow"):
        Method("random", label="a(b)")


def test_a_method_goes_by_its_options():
    assert Method("random").shown == "random"
    assert Method("transfer", acquisition="next", cost=False).shown == "transfer-next-no_cost"
    named = Method("transfer", cost=False, label="free")
    assert (named.key, named.shown) == ("transfer-no_cost", "free")


def test_methods_are_written_as_names_or_mappings():
    words = ["--meta_dataset", "table", "--output", "out", "--methods", "[random, {name: transfer, curve: false}]"]
    settings = parse_settings("evaluate", EvaluateSettings, words)
    assert settings.entries == (Method("random"), Method("transfer", curve=False))


def test_only_described_methods_pay_for_meta_features():
    assert Method("transfer").describes_the_task
    assert not Method("transfer", meta_features=False).describes_the_task
    assert not Method("curve_transfer").describes_the_task
    assert Method("transfer", meta_features=False).lesson == "surrogates_undescribed"


def test_the_default_may_come_first_where_it_was_recorded():
    method = Method("portfolio_asha", default_first=True)
    assert method.key == "portfolio_asha-default_first"
    with pytest.raises(ValueError, match=r"'default' with `default_first: true`, but that changes nothing there"):
        Method("default", default_first=True)
