import os

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from lightning_quicktune.replay.threads import one_thread


@pytest.fixture
def two_threads_everywhere(two_threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)


@pytest.mark.usefixtures("two_threads_everywhere")
def test_one_thread_as_long_as_it_lasts():
    np.ones((2, 2)) @ np.ones((2, 2))
    with one_thread():
        assert torch.get_num_threads() == 1
        assert {library["num_threads"] for library in threadpool_info()} == {1}
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert torch.get_num_threads() == 2
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ
