"""A miniature Phi-3: one row of tokens, with the special tokens and the chat template of its big relatives."""

from collections.abc import Iterable, Sequence

import torch
from tokenizers import AddedToken
from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from pretraining.architecture import MAX_LENGTH, Predictions, Row, byte_level_bpe
from pretraining.dialogues import Dialogue
from pretraining.recipe import Recipe

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")


class Phi3:
    """A decoder-only model."""

    def tokenizer(self, recipe: Recipe, texts: Iterable[str]) -> PreTrainedTokenizerFast:
        """As in Phi-3, the turn marks take the line break that follows them."""
        special = [AddedToken(t, rstrip=t not in SPECIAL_TOKENS[:2], normalized=False) for t in SPECIAL_TOKENS]
        return PreTrainedTokenizerFast(
            tokenizer_object=byte_level_bpe(texts, recipe.vocabulary, special),
            bos_token=None,
            eos_token="<|endoftext|>",
            pad_token="<|pad|>",
            chat_template=CHAT_TEMPLATE,
            model_max_length=MAX_LENGTH,
            padding_side="right",
            clean_up_tokenization_spaces=False,
        )

    def model(self, recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
        """A model that stops at the end of a turn and of a text."""
        end, eos, pad = (tokenizer.convert_tokens_to_ids(t) for t in ("<|end|>", "<|endoftext|>", "<|pad|>"))
        config = Phi3Config(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            intermediate_size=recipe.hidden * 8 // 3,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=MAX_LENGTH,
            original_max_position_embeddings=MAX_LENGTH,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=eos,
            pad_token_id=pad,
            attention_dropout=0.0,
        )
        torch.manual_seed(recipe.seed)
        model = Phi3ForCausalLM(config)
        model.generation_config = GenerationConfig(eos_token_id=[end, eos], pad_token_id=pad, do_sample=False)
        return model

    def rows(self, tokenizer: PreTrainedTokenizerFast, dialogues: Sequence[Dialogue]) -> list[Row]:
        """Dialogues in the chat template."""
        prompts = tokenizer([f"<|user|>\n{d.prompt}<|end|>\n<|assistant|>\n" for d in dialogues])["input_ids"]
        answers = tokenizer([f"{d.answer}<|end|>\n<|endoftext|>" for d in dialogues])["input_ids"]
        return [Row(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def predict(self, model: PreTrainedModel, rows: Sequence[Row], pad: int) -> Predictions:
        """Predicts every token but the first."""
        ids = torch.full((len(rows), max(len(row.prompt + row.answer) for row in rows)), pad)
        for i, row in enumerate(rows):
            ids[i, : len(row.prompt + row.answer)] = torch.tensor(row.prompt + row.answer)
        starts = torch.tensor([[len(row.prompt)] for row in rows])
        ends = torch.tensor([[len(row.prompt + row.answer)] for row in rows])
        places = torch.arange(1, ids.shape[1])
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        return Predictions(logits, ids[:, 1:], places < starts, (places >= starts) & (places < ends))
