import numpy as np
import pytest
import torch
from lightning import LightningDataModule, Trainer
from scipy.stats import spearmanr
from torch import nn

from lightning_quicktune.surrogate.fitting import BestWeights, check_loss, rank_correlation
from lightning_quicktune.surrogate.performance import PerformanceSurrogate


def test_the_rank_correlation_is_scipys_with_ties():
    first, second = np.array([1.0, 2.0, 2.0, 5.0]), np.array([0.1, 0.4, 0.3, 0.3])
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(np.ones(3), np.arange(3.0)) == 0.0


def test_the_best_weights_come_back():
    model, best = nn.Linear(1, 1), BestWeights()
    for loss, value in ((3.0, 1.0), (1.0, 2.0), (2.0, 3.0)):
        nn.init.constant_(model.weight, value)
        best.update(loss, model)
    best.restore(model)
    assert model.weight.item() == 2.0


def test_a_loss_that_is_no_number_stops_the_fit():
    with pytest.raises(RuntimeError, match=r"training loss is nan.*Lower `model.init_args.lr`"):
        check_loss(torch.tensor(float("nan")))


def test_other_data_is_refused(tmp_path):
    class Other(LightningDataModule):
        def train_dataloader(self):
            return [torch.zeros(1)]

        def val_dataloader(self):
            return [torch.zeros(1)]

    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    with pytest.raises(
        TypeError, match=r"PerformanceSurrogate was given Other as data.*Set `data.class_path: .*Module`"
    ):
        trainer.fit(PerformanceSurrogate(str(tmp_path)), datamodule=Other())
