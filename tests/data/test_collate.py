import numpy as np
import torch

from lightning_quicktune.data.collate import (
    IGNORE_INDEX,
    EvaluationCollator,
    PromptCollator,
    TrainingCollator,
    TrainingDataset,
    pad,
)
from lightning_quicktune.data.sampler import SampleRef
from lightning_quicktune.data.tokens import TokenRecord

PAD = 2  # also a real token below: masks go by position


def token_record(ids, n_prompt):
    mask = np.arange(len(ids)) >= n_prompt
    return TokenRecord(np.array(ids), mask, n_prompt, f"prompt {ids}", f"answer {ids}")


LONG, SHORT = token_record([5, 6, 7, PAD], 2), token_record([8, PAD], 1)
X = IGNORE_INDEX


def test_training_batches_are_padded_on_the_right():
    dataset = TrainingDataset([LONG, SHORT])
    batch = TrainingCollator(PAD)([dataset[SampleRef(1, 9, True)], dataset[SampleRef(0, 9, True)]])
    assert batch["input_ids"].tolist() == [[8, PAD, PAD, PAD], [5, 6, 7, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[X, PAD, X, X], [X, X, 7, PAD]]
    assert all(batch[name].dtype == torch.int64 for name in ("input_ids", "attention_mask", "labels", "step_targets"))
    assert batch["step_targets"].shape == ()
    assert batch["step_targets"] == 9
    assert batch["n_tokens"] == 6
    assert len(dataset) == 2


def test_a_record_that_does_not_count_has_no_target():
    batch = TrainingCollator(PAD)([(LONG, SampleRef(0, 9, False))])
    assert batch["labels"].tolist() == [[X, X, X, X]]
    assert batch["input_ids"].tolist() == [[5, 6, 7, PAD]]


def test_evaluation_batches_name_their_records():
    batch = EvaluationCollator(PAD)([(LONG, 4), (SHORT, 0)])
    assert batch["indices"].tolist() == [4, 0]
    assert batch["labels"].tolist() == [[X, X, 7, PAD], [X, PAD, X, X]]
    assert "step_targets" not in batch


def test_prompts_are_padded_on_the_left():
    batch = PromptCollator(PAD)([(LONG, 4), (SHORT, 0)])
    assert batch["input_ids"].tolist() == [[5, 6], [PAD, 8]]
    assert batch["attention_mask"].tolist() == [[1, 1], [0, 1]]
    assert batch["prompts"] == [LONG.prompt_text, SHORT.prompt_text]
    assert batch["references"] == [LONG.answer, SHORT.answer]
    assert batch["indices"].tolist() == [4, 0]


def test_equal_rows_need_no_padding():
    rows = [np.array([1, 2]), np.array([3, 4])]
    assert pad(rows, 0, left=True).tolist() == pad(rows, 0).tolist() == [[1, 2], [3, 4]]
