import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
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


def test_complaint_never_stops_generating_padding_is_masked_by_position_even_when_it_is_the_end_token():
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


def encoded(n_prompt, n_answer, start=100):
    return token_record(list(range(start, start + n_prompt + n_answer)), n_prompt)


def test_an_encoder_has_prompts_and_a_decoder_answers():
    records = [encoded(2, 3), encoded(1, 1, start=50)]
    batch = EvaluationCollator(PAD, "encoder_decoder")([(record, i) for i, record in enumerate(records)])
    assert batch["input_ids"].tolist() == [[100, 101], [50, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch["labels"].tolist() == [[102, 103, 104], [51, X, X]]
    assert batch["n_tokens"] == 7
    samples = [(records[0], SampleRef(0, 4, False)), (records[1], SampleRef(1, 4, True))]
    training = TrainingCollator(PAD, "encoder_decoder")(samples)
    assert training["labels"].tolist() == [[X, X, X], [51, X, X]]
    assert training["step_targets"] == 4
    prompts = PromptCollator(PAD, "encoder_decoder")([(record, i) for i, record in enumerate(records)])
    assert torch.equal(prompts["input_ids"], batch["input_ids"])
    assert torch.equal(prompts["attention_mask"], batch["attention_mask"])


def test_packed_records_lie_end_to_end():
    records = [encoded(1, 1), encoded(2, 3, start=50), encoded(1, 2, start=70), encoded(1, 0, start=90)]
    samples = [(record, SampleRef(i, 6, i != 2)) for i, record in enumerate(records)]
    batch = TrainingCollator(PAD, packing=True)(samples)
    assert batch["input_ids"].tolist() == [[50, 51, 52, 53, 54], [70, 71, 72, 100, 101], [90, PAD, PAD, PAD, PAD]]
    assert batch["labels"].tolist() == [[X, X, 52, 53, 54], [X, X, X, X, 101], [X, X, X, X, X]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1], [0, 0, 1, 2, 3]]
    assert "attention_mask" not in batch
    assert (batch["n_tokens"], batch["step_targets"]) == (11, 6)


def test_each_token_of_a_packed_row_has_the_noise_key_of_its_record():
    records = [encoded(1, 1), encoded(2, 3, start=50), encoded(1, 2, start=70), encoded(1, 0, start=90)]
    samples = [(record, SampleRef(i, 6, True, noise_key=i + 1)) for i, record in enumerate(records)]
    packed = TrainingCollator(PAD, packing=True)(samples)["noise_keys"]
    assert packed.tolist() == [[2, 2, 2, 2, 2], [3, 3, 3, 1, 1], [4, 0, 0, 0, 0]]
    assert TrainingCollator(PAD)(samples)["noise_keys"].tolist() == [1, 2, 3, 4]


def records_of(batch):
    """Ids and targets of each record of a packed batch, cut where positions restart, and of its padding."""
    found = []
    for ids, labels, positions in zip(batch["input_ids"], batch["labels"], batch["position_ids"], strict=True):
        starts = [*(positions == 0).nonzero().flatten().tolist(), len(ids)]
        for start, end in pairwise(starts):
            assert positions[start:end].tolist() == list(range(end - start))
            found.append((ids[start:end].tolist(), labels[start:end].tolist()))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_complaint_packing_leaks_every_record_once_with_the_same_targets_and_none_across_a_border(seed):
    draw = random.Random(seed)
    records = [encoded(draw.randint(1, 9), draw.randint(1, 9), start=100 * (n + 1)) for n in range(draw.randint(1, 20))]
    if seed % 2:  # a first token that is a target: nothing of its own record predicts it
        records = [replace(record, target_mask=np.ones(record.n_tokens, bool)) for record in records]
    samples = [(record, SampleRef(i, 9, draw.random() < 0.8)) for i, record in enumerate(records)]
    packed, padded = TrainingCollator(PAD, packing=True)(samples), TrainingCollator(PAD)(samples)
    expected = [
        (record.input_ids.tolist(), [X, *labels[1 : record.n_tokens].tolist()])
        for record, labels in zip(records, padded["labels"], strict=True)
    ]
    found = records_of(packed)
    assert sorted(ids for ids in found if set(ids[0]) != {PAD}) == sorted(expected)
    assert all(set(labels) == {X} for ids, labels in found if set(ids) == {PAD})
    assert packed["n_tokens"] == padded["n_tokens"]
    assert packed["input_ids"].shape[1] <= padded["input_ids"].shape[1]
    assert len(packed["input_ids"]) <= len(records)


def test_equal_rows_need_no_padding():
    rows = [np.array([1, 2]), np.array([3, 4])]
    assert pad(rows, 0, left=True).tolist() == pad(rows, 0).tolist() == [[1, 2], [3, 4]]
