import pytest
import torch
from threadpoolctl import threadpool_info

from lightning_quicktune.surrogate.cost import CostSurrogate
from lightning_quicktune.surrogate.performance import PerformanceSurrogate
from lightning_quicktune.surrogate.threads import one_thread


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_within_it_there_is_one_thread_and_afterwards_as_many_as_before(two_threads):
    before = blas_threads()
    with one_thread(), one_thread():
        assert torch.get_num_threads() == 1
        assert blas_threads() == {1}
    assert torch.get_num_threads() == 2
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), one_thread():
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("surrogate", [PerformanceSurrogate, CostSurrogate])
def test_surrogates_are_fitted_on_one_thread(surrogate, two_threads, make_source, fit, tmp_path, monkeypatch):
    threads, step, setup = [], surrogate.training_step, surrogate.setup
    monkeypatch.setattr(
        surrogate, "setup", lambda self, stage: threads.append(torch.get_num_threads()) or setup(self, stage)
    )
    monkeypatch.setattr(surrogate, "training_step", lambda *a: threads.append(torch.get_num_threads()) or step(*a))
    fit(surrogate(str(tmp_path)), make_source(2, 6), epochs=1, steps_per_epoch=2)
    assert threads == [1, 1, 1]
    assert torch.get_num_threads() == 2


def test_an_error_gives_the_threads_back(two_threads, make_source, fit, tmp_path, monkeypatch):
    def stumble(*arguments):
        raise OSError("the cable")

    monkeypatch.setattr(CostSurrogate, "training_step", stumble)
    with pytest.raises(OSError, match="the cable"):
        fit(CostSurrogate(str(tmp_path)), make_source(2, 6), epochs=1, steps_per_epoch=2)
    assert torch.get_num_threads() == 2
