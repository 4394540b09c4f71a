import torch

from lightning_quicktune.finetune.base_model import BaseModelSettings, end_tokens, load_base_model, load_tokenizer
from lightning_quicktune.finetune.generation import answer_totals, generate_answers


def test_complaint_never_stops_generating_it_ends_at_every_end_token_of_the_model():
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


def test_metrics_come_as_sum_and_count(base, data, make_module):
    tokenizer = make_module().tokenizer
    batches = list(data.prompt_dataloader("test"))
    texts = [a for batch in batches for a in generate_answers(base.model, tokenizer, batch, 3)]
    totals = answer_totals(base.model, tokenizer, batches, 3)
    assert totals["exact_match"] == (sum(a.generated == a.reference for a in texts), len(texts))
    assert totals.keys() == {"exact_match", "token_f1", "rouge_l"}
