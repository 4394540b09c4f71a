import math
from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F

from lightning_quicktune.data.collate import IGNORE_INDEX
from lightning_quicktune.data.meta_features import TEXT_META_FEATURES
from lightning_quicktune.finetune.base_model import BaseModelSettings, load_base_model
from lightning_quicktune.finetune.landmarks import LANDMARKS, _hidden_states, landmarks
from lightning_quicktune.finetune.loss import next_token_loss
from lightning_quicktune.finetune.reference import reference_step_s
from lightning_quicktune.finetune.scoring import ScoreSettings, answer_likelihood, split_metrics
from lightning_quicktune.suite.task_spec import TaskSpec


def test_every_landmark_is_a_finite_number(base, data):
    values = landmarks(base, data.evaluation_dataloader("train"), zero_shot_loss=3.0)
    assert list(values) == list(LANDMARKS)
    assert all(math.isfinite(v) for v in values.values())
    shares = [name for name, (unit, _) in LANDMARKS.items() if unit == "1"]
    assert all(0 <= values[name] <= 1 for name in shares)


def test_landmarks_against_all_logits_of_one_batch(base, data):
    batch = next(iter(data.evaluation_dataloader("train")))
    values = landmarks(base, [batch], zero_shot_loss=3.0)
    inputs = {"attention_mask": batch["attention_mask"], "output_hidden_states": True}
    embeddings = base.model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    output = base.model(inputs_embeds=embeddings, **inputs)
    labels = batch["labels"][:, 1:]
    losses = F.cross_entropy(output.logits[:, :-1].transpose(1, 2), labels, reduction="none", ignore_index=IGNORE_INDEX)
    n_targets = (labels != IGNORE_INDEX).sum(1)
    rows, first = torch.arange(len(labels)), (labels != IGNORE_INDEX).int().argmax(1)
    loss_sum, count = next_token_loss(output.logits[:, :-1], labels)
    (gradient,) = torch.autograd.grad(loss_sum / count, embeddings)
    choice = torch.distributions.Categorical(logits=output.logits[rows, first])
    expected = {
        "zero_shot_loss": 3.0,
        "zero_shot_loss_spread": (losses.sum(1) / n_targets).std(correction=0).item(),
        "zero_shot_first_token_loss": losses[rows, first].mean().item(),
        "zero_shot_first_token_entropy": choice.entropy().mean().item(),
        "log_gradient_norm": math.log(gradient.norm().item()),
        **_hidden_states(output.hidden_states[-1][rows, first].detach().double(), labels[rows, first]),
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_the_gradient_needs_no_logits_where_no_target_is(base, data):
    seen = []
    head = base.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))
    batch = next(iter(data.evaluation_dataloader("train")))
    landmarks(base, [batch], zero_shot_loss=3.0)
    handle.remove()
    assert seen == [int((batch["labels"] != IGNORE_INDEX).sum())] * 2


def test_an_encoder_decoder_has_the_gradient_at_its_encoders_embeddings():
    base = load_base_model(BaseModelSettings("nano_t5"))
    ids = torch.arange(5, 59).reshape(6, 9)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids[:, :4].flip(0)}
    values = landmarks(base, [batch], zero_shot_loss=3.0)
    embeddings = base.model.get_input_embeddings()(ids).detach().requires_grad_()
    loss = base.model(inputs_embeds=embeddings, labels=batch["labels"]).loss
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert values["log_gradient_norm"] == pytest.approx(math.log(gradient.norm().item()), rel=1e-4)


def test_hidden_states_by_hand():
    states = torch.tensor([[4.0, 1.0], [4.0, -1.0], [6.0, 1.0], [6.0, -1.0]], dtype=torch.float64)
    values = _hidden_states(states, torch.tensor([7, 8, 7, 8]))
    # Around their mean (5, 0) they are a square: two directions alike, of which a quarter of the moment is left.
    assert values["hidden_spread"] == pytest.approx(8 / (17 + 17 + 37 + 37))
    assert values["log_hidden_dimensions"] == pytest.approx(math.log(2))
    pairs = torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]], dtype=torch.float64)
    assert _hidden_states(pairs, torch.tensor([7, 7, 8, 8]))["hidden_neighbour_agreement"] == 1.0
    assert _hidden_states(pairs, torch.tensor([7, 8, 7, 8]))["hidden_neighbour_agreement"] == 0.0


def test_long_records_are_read_too(base, data):
    """Evaluation batches come from short to long."""
    few = next(iter(data.evaluation_dataloader("train")))
    tensors = {name: value for name, value in few.items() if isinstance(value, torch.Tensor)}
    batches = [{name: tensor[i : i + 1] for name, tensor in tensors.items()} for i in range(8)]
    repeated = [batch for batch in batches for _ in range(3)]
    assert landmarks(base, repeated, 3.0) == pytest.approx(landmarks(base, batches, 3.0))


@pytest.mark.parametrize("n_records", [1, 3])
def test_equal_hidden_states_are_one_point(n_records):
    values = _hidden_states(torch.ones(n_records, 4, dtype=torch.float64), torch.arange(n_records))
    assert values == {"hidden_spread": 0.0, "log_hidden_dimensions": 0.0, "hidden_neighbour_agreement": 0.0}


def test_meta_features_have_unit_and_meaning_and_tell_nothing_of_the_suites_generator():
    assert not set(LANDMARKS) & set(TEXT_META_FEATURES)
    assert all(unit and meaning.endswith(".") for unit, meaning in [*LANDMARKS.values(), *TEXT_META_FEATURES.values()])
    assert not {field.name for field in fields(TaskSpec)} & {*LANDMARKS, *TEXT_META_FEATURES}


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
