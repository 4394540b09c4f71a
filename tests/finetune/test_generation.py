import torch

from lightning_quicktune.finetune.base_model import BaseModelSettings, end_tokens, load_base_model, load_tokenizer
from lightning_quicktune.finetune.generation import Answer, answer_metrics, generate_answers


def test_generation_ends_at_every_end_token_of_the_model():
    settings = BaseModelSettings("nano")
    tokenizer, model = load_tokenizer(settings), load_base_model(settings).model
    names = set(tokenizer.convert_ids_to_tokens(end_tokens(model, tokenizer)))
    assert {"<|end|>", "<|endoftext|>"} <= names


def test_batched_answers_equal_those_of_one_prompt_at_a_time(base, data, make_module):
    tokenizer = make_module().tokenizer
    batch = next(iter(data.prompt_dataloader("test")))
    together = generate_answers(base.model, tokenizer, batch, 5)
    for number, answer in enumerate(together):
        n_pad = int((batch["attention_mask"][number] == 0).sum())
        alone = {
            "input_ids": batch["input_ids"][number : number + 1, n_pad:],
            "attention_mask": torch.ones(1, batch["input_ids"].shape[1] - n_pad, dtype=torch.long),
            "prompts": [batch["prompts"][number]],
            "references": [batch["references"][number]],
        }
        assert generate_answers(base.model, tokenizer, alone, 5) == [answer]


def test_metrics_come_as_sum_and_count():
    answers = [Answer("q", "warm", "warm"), Answer("q", "cold", "very cold")]
    sums = answer_metrics(answers)
    assert sums["exact_match"] == (1.0, 2)
    assert sums["token_f1"][0] == 1 + 2 / 3
