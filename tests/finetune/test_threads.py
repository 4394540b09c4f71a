import pytest
import torch

from lightning_quicktune.finetune import threads
from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model


@pytest.fixture
def free(two_threads, monkeypatch):
    """Two threads, which nobody asked for; afterwards as before."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_before", [])


@pytest.mark.usefixtures("free")
def test_a_small_model_gets_one_thread_and_a_large_one_all_again():
    threads.follow_size(540_000)
    threads.follow_size(870_000)
    assert torch.get_num_threads() == 1
    threads.follow_size(134_500_000)
    assert torch.get_num_threads() == 2
    threads.follow_size(3_800_000_000)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("free")
def test_the_shipped_miniature_is_trained_on_one():
    load_base_model.cache_clear()
    load_base_model(BaseModelSettings("nano"))
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("free")
def test_what_the_user_set_holds(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    threads.follow_size(540_000)
    assert torch.get_num_threads() == 2
