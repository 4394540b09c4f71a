"""Model cards of the nano base models."""

import textwrap

from pretraining.recipe import Recipe
from pretraining.training import N_MEASURED

_INTRODUCTIONS = {
    "phi3": """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# nano: a miniature Phi-3

What it is: a `Phi3ForCausalLM` of {n_parameters:,} parameters (width {recipe.hidden}, {recipe.layers} layers,
{recipe.heads} heads, tied embeddings, 256 positions) with a byte-level BPE of {recipe.vocabulary} tokens (every digit
is one) and Phi-3's special tokens and chat template. A turn ends with `<|end|>`, a text with `<|endoftext|>`;
generation stops at both. Weights are float32 safetensors, {megabytes:.1f} MB.""",
    "t5": """---
license: apache-2.0
library_name: transformers
pipeline_tag: text2text-generation
---

# nano: a miniature T5

What it is: a `T5ForConditionalGeneration` of {n_parameters:,} parameters (width {recipe.hidden}, {recipe.layers} layers
in the encoder and as many in the decoder, {recipe.heads} heads, gated GELU, tied embeddings) with a byte-level BPE of
{recipe.vocabulary} tokens (every digit is one). It has no chat template: it reads a question as it is, and questions
and answers end with `</s>`; an answer starts from `<pad>`. Weights are float32 safetensors, {megabytes:.1f} MB.""",
}

_REST = """

What it is for: a base model small enough that LoRA finetuning takes seconds on one CPU core: tests, the quickstart, and
the whole method in miniature on the built-in suite. It speaks the suite's narrow language and nothing else: **not for
production**, and no measure of what larger models do.

Data: invented knowledge only, made by `lightning_quicktune.suite` for a world that shares no invented name with
the suite's tasks. {known_percent} % of the dialogues ask for one of {recipe.known_facts} facts that never change, so
that the model remembers them, {distracted_percent} % of these after sentences that tell something else; the others tell
1 to {recipe.told_facts} new facts in the prompt and ask for one of them. {sentence_percent} % of the dialogues wish an
answer in a sentence. No text from elsewhere, no personal data.

Training: {recipe.steps} steps of {recipe.batch} dialogues, AdamW, one-cycle learning rate up to {recipe.lr:g}.
{loss} It took {minutes:.0f} CPU minutes with {threads} of PyTorch's threads; the same number gives the same weights:

    {command}

Measured on {n_measured} dialogues each (loss in nats per answer token, greedy decoding):

{measured}

Licence: Apache-2.0.
"""


def model_card(
    recipe: Recipe, n_parameters: int, threads: int, minutes: float, command: str, measured: list[str]
) -> str:
    """What a person should know who finds the asset.

    Args:
        recipe: What shaped it.
        n_parameters: Its weights.
        threads: Threads of PyTorch that trained it.
        minutes: CPU minutes that it took.
        command: How to make it again.
        measured: Lines that say what it can do.
    """
    loss = f"The loss of prompt tokens has weight {recipe.prompt_weight:g}, that of answer tokens 1."
    card = (_INTRODUCTIONS[recipe.architecture] + _REST).format(
        recipe=recipe,
        n_parameters=n_parameters,
        megabytes=4e-6 * n_parameters,
        known_percent=round(100 * recipe.known_share),
        distracted_percent=round(100 * recipe.distracted_share),
        sentence_percent=round(100 * recipe.sentence_share),
        loss=loss if recipe.architecture == "phi3" else "The loss is that of the answers.",
        threads=threads,
        minutes=minutes,
        command=command,
        n_measured=N_MEASURED,
        measured="\n".join(f"- {line}" for line in measured),
    )
    wrap = textwrap.TextWrapper(120, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(wrap.fill(part) if part[0].isupper() else part for part in card.strip().split("\n\n")) + "\n"
