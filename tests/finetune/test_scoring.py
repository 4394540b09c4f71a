import pytest
import torch

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.finetune.scoring import ScoreSettings, mean_over_ranks, split_metrics

NOTHING = r"`loss` has nothing to be measured on: .*no target at all.*`data.class_path` to TaskData"


class AllMasked:
    """Data whose labels are all masked."""

    def __init__(self, data):
        self.data = data

    def evaluation_dataloader(self, split):
        batches = list(self.data.evaluation_dataloader(split))
        return [batch | {"labels": torch.full_like(batch["labels"], IGNORE_INDEX)} for batch in batches]


def test_complaint_all_masked_a_split_without_a_target_is_no_perfect_score(base, data, make_module):
    with pytest.raises(ValueError, match=NOTHING):
        split_metrics(base.model, make_module().tokenizer, AllMasked(data), "test", ScoreSettings(), generate=False)


def test_complaint_all_masked_a_mean_over_ranks_of_nothing_is_refused():
    cpu = torch.device("cpu")
    assert mean_over_ranks({"loss": (3.0, 2)}, cpu) == {"loss": 1.5}
    with pytest.raises(ValueError, match=NOTHING):
        mean_over_ranks({"loss": (0.0, 0)}, cpu)
