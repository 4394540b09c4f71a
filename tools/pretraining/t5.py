"""A miniature T5: an encoder reads the question as it is, a decoder writes the answer."""

from collections.abc import Iterable, Sequence

import torch
from tokenizers import AddedToken, processors
from torch import Tensor
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from pretraining.architecture import MAX_LENGTH, Predictions, Row, byte_level_bpe
from pretraining.dialogues import Dialogue
from pretraining.recipe import Recipe

EOS, PAD = "</s>", "<pad>"


class T5:
    """An encoder-decoder."""

    def tokenizer(self, recipe: Recipe, texts: Iterable[str]) -> PreTrainedTokenizerFast:
        """As in T5, questions and answers both end with the end-of-sequence token."""
        special = [AddedToken(token, normalized=False) for token in (PAD, EOS)]
        bpe = byte_level_bpe(texts, recipe.vocabulary, special)
        bpe.post_processor = processors.TemplateProcessing(
            single=f"$A {EOS}", pair=f"$A {EOS} $B {EOS}", special_tokens=[(EOS, bpe.token_to_id(EOS))]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=bpe,
            eos_token=EOS,
            pad_token=PAD,
            model_max_length=MAX_LENGTH,
            padding_side="right",
            clean_up_tokenization_spaces=False,
        )

    def model(self, recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
        """A model whose answers start from padding, as in T5."""
        config = T5Config(
            vocab_size=len(tokenizer),
            d_model=recipe.hidden,
            d_kv=recipe.hidden // recipe.heads,
            d_ff=recipe.hidden * 8 // 3,
            num_layers=recipe.layers,
            num_decoder_layers=recipe.layers,
            num_heads=recipe.heads,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            tie_word_embeddings=True,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        )
        torch.manual_seed(recipe.seed)
        model = T5ForConditionalGeneration(config)
        model.generation_config = GenerationConfig(
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
            do_sample=False,
        )
        return model

    def rows(self, tokenizer: PreTrainedTokenizerFast, dialogues: Sequence[Dialogue]) -> list[Row]:
        """Questions and answers without any marks but their ends."""
        prompts = tokenizer([d.prompt for d in dialogues])["input_ids"]
        answers = tokenizer([d.answer for d in dialogues])["input_ids"]
        return [Row(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def predict(self, model: PreTrainedModel, rows: Sequence[Row], pad: int) -> Predictions:
        """Predicts every token of the answers; prompts are read only."""
        prompts, prompt_mask = _padded([row.prompt for row in rows], pad)
        answers, answer_mask = _padded([row.answer for row in rows], pad)
        output = model(input_ids=prompts, attention_mask=prompt_mask.long(), labels=answers, use_cache=False)
        return Predictions(output.logits, answers, torch.zeros_like(answer_mask), answer_mask)


def _padded(rows: Sequence[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids, and whether each is one."""
    lengths = torch.tensor([[len(row)] for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), pad)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids, torch.arange(ids.shape[1]) < lengths
