import pytest

from lightning_quicktune.surrogate.cost import CostSurrogate
from lightning_quicktune.surrogate.curves.module import CurveSurrogate
from lightning_quicktune.surrogate.performance import PerformanceSurrogate


@pytest.mark.parametrize("kind", [CostSurrogate, CurveSurrogate, PerformanceSurrogate])
def test_what_may_be_watched_is_what_is_logged(kind, source, fit, tmp_path):
    module = kind(output=str(tmp_path / "surrogate"))
    trainer = fit(module, source, epochs=1)
    assert trainer.callback_metrics.keys() == kind.fit_metrics
