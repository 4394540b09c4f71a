import pytest
import torch
from transformers import GenerationConfig

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
            "answer_marks": [batch["answer_marks"][number]],
        }
        assert generate_answers(base.model, tokenizer, alone, 5) == [answer]


def test_metrics_come_as_sum_and_count(base, data, make_module):
    tokenizer = make_module().tokenizer
    batches = list(data.prompt_dataloader("test"))
    texts = [a for batch in batches for a in generate_answers(base.model, tokenizer, batch, 3)]
    totals = answer_totals(base.model, tokenizer, batches, 3)
    assert totals["exact_match"] == (sum(a.generated == a.reference for a in texts), len(texts))
    assert totals.keys() == {"exact_match", "token_f1", "rouge_l"}


RECOMMENDED = {
    "repetition_penalty": 5.0,
    "no_repeat_ngram_size": 1,
    "num_beams": 3,
    "do_sample": True,
    "temperature": 9.0,
    "top_k": 3,
    "min_new_tokens": 4,
    "suppress_tokens": list(range(20)),
}


def test_what_the_base_models_authors_recommend_for_chatting_does_not_change_the_answers(base, data, make_module):
    module = make_module()
    batch = next(iter(data.prompt_dataloader("test")))
    module.configure_model()
    expected = generate_answers(module.model, module.tokenizer, batch, 5)
    own = base.model.generation_config
    base.model.generation_config = recommended = GenerationConfig(**own.to_diff_dict() | RECOMMENDED)
    try:
        assert generate_answers(module.model, module.tokenizer, batch, 5) == expected
        assert base.model.generation_config is recommended
    finally:
        base.model.generation_config = own


def test_an_answer_that_may_not_fit_behind_its_prompt_is_refused(base, data, make_module):
    batch = next(iter(data.prompt_dataloader("test")))
    width = batch["input_ids"].shape[1]
    with pytest.raises(
        ValueError, match=rf"of {width} tokens .* has 256\. Lower `model.init_args.score.max_new_tokens`"
    ):
        generate_answers(base.model, make_module().tokenizer, batch, 257 - width)
