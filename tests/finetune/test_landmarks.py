import math

import torch

from lightning_quicktune.finetune.landmarks import LANDMARKS, landmarks
from lightning_quicktune.finetune.reference import reference_step_s
from lightning_quicktune.finetune.scoring import ScoreSettings, answer_likelihood, split_metrics


def test_every_landmark_is_a_finite_number(base, data):
    values = landmarks(base, data.evaluation_dataloader("train"), zero_shot_loss=3.0)
    assert values.keys() == LANDMARKS.keys()
    assert all(math.isfinite(v) for v in values.values())
    assert 0 <= values["zero_shot_token_accuracy"] <= 1


def test_the_reference_step_leaves_random_state_and_weights_alone(base):
    state, weights = torch.get_rng_state(), base.info.weight_hash
    assert reference_step_s(base, torch.device("cpu")) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in base.model.parameters())
    assert weights == base.info.weight_hash


def test_likelihood_is_exp_of_minus_the_mean_loss_over_all_target_tokens(base, data, make_module):
    total, count = answer_likelihood(base.model, data.evaluation_dataloader("validation"))
    tokenizer = make_module().tokenizer
    metrics = split_metrics(base.model, tokenizer, data, "validation", ScoreSettings(max_new_tokens=3), generate=True)
    assert metrics["answer_likelihood"] == math.exp(-total / count)
    assert {"loss", "exact_match", "token_f1", "rouge_l"} < metrics.keys()
