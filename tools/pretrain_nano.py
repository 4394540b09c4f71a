#!/usr/bin/env python
"""Makes the nano base model from scratch: tokenizer, weights and model card of ``assets/nano_phi3``.

A Phi-3 of about half a million parameters learns the language of the built-in suite on invented knowledge that no
task of the suite asks for: known facts are asked for without help, new ones are told in the prompt.

    tools/pretrain_nano.py --output lightning_quicktune/assets/nano_phi3
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # busy-waiting threads collapse on shared cores
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
import torch.nn.functional as F
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

from lightning_quicktune.data.suite.domains import DOMAINS
from lightning_quicktune.data.suite.knowledge import Fact, invent_facts
from lightning_quicktune.data.suite.phrasing import questions

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
N_MEASURED = 400


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the asset; the seeds are part of it."""

    seed: int
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    known_facts: int
    known_share: float
    told_facts: int
    prompt_weight: float
    steps: int
    batch: int
    lr: float


@dataclass(frozen=True)
class Dialogue:
    """One question and its answer."""

    prompt: str
    answer: str


class Knowledge:
    """An endless stream of dialogues about invented facts, none of them from the suite's world."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe = recipe
        self.rng = random.Random(seed)
        fixed = random.Random(recipe.seed)  # known facts are the same for every stream
        share = recipe.known_facts // len(DOMAINS)
        self.known = [
            fact
            for domain in DOMAINS.values()
            for fact in invent_facts(domain, domain.attributes, share, fixed, "pretraining")
        ]

    def ask_known(self) -> Dialogue:
        """A question about a fact that the model has to remember."""
        fact = self.rng.choice(self.known)
        return Dialogue(self.rng.choice(questions(fact.attribute, fact.entity)), fact.value)

    def ask_told(self) -> Dialogue:
        """A question about a new fact that the prompt tells, among others."""
        domain = self.rng.choice(list(DOMAINS.values()))
        told = self.rng.randint(1, self.recipe.told_facts)
        # Half of the time one entity with several attributes, else several entities with one.
        attributes = self.rng.sample(domain.attributes, told if self.rng.random() < 0.5 else 1)
        facts = invent_facts(domain, attributes, told, self.rng, "pretraining")
        fact = self.rng.choice(facts)
        context = " ".join(self._tell(f) for f in facts)
        return Dialogue(f"{context} {self.rng.choice(questions(fact.attribute, fact.entity))}", fact.value)

    def _tell(self, fact: Fact) -> str:
        statement = self.rng.choice(fact.statements)
        return statement[0].upper() + statement[1:]

    def __iter__(self) -> Iterator[Dialogue]:
        while True:
            yield self.ask_known() if self.rng.random() < self.recipe.known_share else self.ask_told()


def build_tokenizer(recipe: Recipe, n_texts: int = 20_000) -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE in which every digit is a token, with Phi-3's special tokens and chat template."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[0-9]"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary - len(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    stream = iter(Knowledge(recipe, recipe.seed + 1))
    dialogues = [next(stream) for _ in range(n_texts)]
    bpe.train_from_iterator((text for d in dialogues for text in (d.prompt, d.answer)), trainer)
    # As in Phi-3, the turn marks take the line break that follows them.
    bpe.add_special_tokens(
        [AddedToken(t, rstrip=t not in SPECIAL_TOKENS[:2], normalized=False, special=True) for t in SPECIAL_TOKENS]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=None,
        eos_token="<|endoftext|>",
        pad_token="<|pad|>",
        chat_template=CHAT_TEMPLATE,
        model_max_length=256,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> Phi3ForCausalLM:
    """A Phi-3 with random weights."""
    end, eos, pad = (tokenizer.convert_tokens_to_ids(t) for t in ("<|end|>", "<|endoftext|>", "<|pad|>"))
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.hidden * 8 // 3,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=256,
        original_max_position_embeddings=256,
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


def encode(tokenizer: PreTrainedTokenizerFast, dialogues: list[Dialogue]) -> list[tuple[list[int], int]]:
    """Token ids of each dialogue, and where its answer begins."""
    prompts = tokenizer([f"<|user|>\n{d.prompt}<|end|>\n<|assistant|>\n" for d in dialogues])["input_ids"]
    answers = tokenizer([f"{d.answer}<|end|>\n<|endoftext|>" for d in dialogues])["input_ids"]
    return [(prompt + answer, len(prompt)) for prompt, answer in zip(prompts, answers, strict=True)]


def collate(rows: list[tuple[list[int], int]], pad: int, prompt_weight: float) -> tuple[Tensor, Tensor]:
    """Token ids, and the weight of the loss on each: 1 in answers, less in prompts, 0 in padding."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), longest), pad)
    weights = torch.zeros(len(rows), longest)
    for i, (row, start) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        weights[i, :start] = prompt_weight
        weights[i, start : len(row)] = 1.0
    return ids, weights


def batches(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, block: int = 32) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of dialogues of similar length, so that little is padding."""
    stream = iter(Knowledge(recipe, recipe.seed + 2))
    rng = random.Random(recipe.seed + 3)
    while True:
        rows = encode(tokenizer, [next(stream) for _ in range(block * recipe.batch)])
        rows.sort(key=lambda row: len(row[0]))
        starts = list(range(0, len(rows), recipe.batch))
        rng.shuffle(starts)
        for start in starts:
            yield collate(rows[start : start + recipe.batch], tokenizer.pad_token_id, recipe.prompt_weight)


def weighted_loss(model: Phi3ForCausalLM, ids: Tensor, weights: Tensor) -> Tensor:
    """Mean loss of the next token, in nats, over the weights."""
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    losses = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()


@torch.no_grad()
def measure(
    model: Phi3ForCausalLM, tokenizer: PreTrainedTokenizerFast, dialogues: list[Dialogue]
) -> tuple[float, float]:
    """Mean loss per answer token, and the share of answers that greedy decoding gets right."""
    ids, weights = collate(encode(tokenizer, dialogues), tokenizer.pad_token_id, 0.0)
    target = weights[:, 1:] > 0
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    losses = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    right = (logits.argmax(-1) == ids[:, 1:]) | ~target
    return float(losses[target].mean()), float(right.all(1).float().mean())


def report(model: Phi3ForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> list[str]:
    """Loss and exact match on facts that it knows, and on new facts that the prompt tells."""
    knowledge = Knowledge(recipe, recipe.seed + 4)
    parts = []
    for name, ask in (("known facts", knowledge.ask_known), ("told facts", knowledge.ask_told)):
        loss, exact = measure(model, tokenizer, [ask() for _ in range(N_MEASURED)])
        parts.append(f"{name}: loss {loss:.3f}, exact match {exact:.3f}")
    return parts


def pretrain(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, report_every: int = 500) -> Phi3ForCausalLM:
    """Trains all weights with AdamW and a one-cycle learning rate."""
    model = build_model(recipe, tokenizer)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, recipe.steps, pct_start=0.05)
    started = time.monotonic()
    for step, (ids, weights) in zip(range(1, recipe.steps + 1), batches(recipe, tokenizer), strict=False):
        loss = weighted_loss(model, ids, weights)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % report_every == 0 or step == recipe.steps:
            scores = "; ".join(report(model, tokenizer, recipe))
            minutes = (time.monotonic() - started) / 60
            print(
                f"step {step}, {minutes:.1f} min, loss {loss.item():.3f}; {scores}",
                flush=True,
            )
    return model.eval()


def parse_args() -> tuple[Path, int, Recipe]:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for weights, tokenizer and model card")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch; they change the last digits")
    for name, default, text in (
        ("seed", 20241, "seed of knowledge, order and weights"),
        ("vocabulary", 1024, "tokens, special ones included"),
        ("hidden", 96, "width"),
        ("layers", 4, "layers"),
        ("heads", 4, "attention heads"),
        ("known-facts", 1500, "facts to remember"),
        ("known-share", 0.45, "share of dialogues about them; the others tell new facts"),
        ("told-facts", 2, "most facts told in a prompt"),
        ("prompt-weight", 0.1, "weight of the loss on prompt tokens"),
        ("steps", 3500, "optimizer steps"),
        ("batch", 64, "dialogues per step"),
        ("lr", 3e-3, "highest learning rate"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{text} (default: {default})")
    args = vars(parser.parse_args())
    if args["steps"] < 40:
        parser.error(
            f"--steps is {args['steps']}, but a twentieth of the steps is warm-up, at least 2. Give 40 or more."
        )
    output, threads = args.pop("output"), args.pop("threads")
    return output, threads, Recipe(**args)


MODEL_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# nano: a miniature Phi-3

What it is: a `Phi3ForCausalLM` of {n_parameters:,} parameters (width {recipe.hidden}, {recipe.layers} layers,
{recipe.heads} heads, tied embeddings, 256 positions) with a byte-level BPE of {recipe.vocabulary} tokens (every digit
is one) and Phi-3's special tokens and chat template. A turn ends with `<|end|>`, a text with `<|endoftext|>`;
generation stops at both. Weights are float32 safetensors, {megabytes:.1f} MB.

What it is for: a base model small enough that LoRA finetuning takes seconds on one CPU core: tests, the quickstart, and
the whole method in miniature on the built-in suite. It speaks the suite's narrow language and nothing else: **not for
production**, and no measure of what larger models do.

Data: invented knowledge only, made by `lightning_quicktune.data.suite` for a world that shares no invented name with
the suite's tasks. {known_percent} % of the dialogues ask for one of {recipe.known_facts} facts that never change, so
that the model remembers them; the others tell 1 to {recipe.told_facts} new facts in the prompt and ask for one of them.
No text from elsewhere, no personal data.

Training: {recipe.steps} steps of {recipe.batch} dialogues, AdamW, one-cycle learning rate up to {recipe.lr:g}; the loss
of prompt tokens has weight {recipe.prompt_weight:g}, that of answer tokens 1. It took {minutes:.0f} CPU minutes on
{threads} threads:

    {command}

Measured on {n_measured} dialogues each (loss in nats per answer token, greedy decoding):

{measured}

Licence: Apache-2.0.
"""


def write(output: Path, model: Phi3ForCausalLM, tokenizer: PreTrainedTokenizerFast, card: str) -> None:
    """Writes the asset file by file, each either whole or not at all."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as temporary:
        folder = Path(temporary)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        for path in sorted(folder.iterdir()):
            path.chmod(0o644)
            os.replace(path, output / path.name)


def main() -> None:
    """Builds, trains, measures and writes the asset."""
    output, threads, recipe = parse_args()
    torch.set_num_threads(threads)
    tokenizer = build_tokenizer(recipe)
    model = pretrain(recipe, tokenizer)
    n_parameters = sum(p.numel() for p in model.parameters())
    card = MODEL_CARD.format(
        recipe=recipe,
        n_parameters=n_parameters,
        megabytes=4e-6 * n_parameters,
        known_percent=round(100 * recipe.known_share),
        threads=threads,
        minutes=time.process_time() / 60,
        command=" ".join(["tools/pretrain_nano.py", *sys.argv[1:]]),
        n_measured=N_MEASURED,
        measured="\n".join(f"- {part}" for part in report(model, tokenizer, recipe)),
    )
    write(output, model, tokenizer, card)
    print(f"{n_parameters:,} parameters written to {output}")


if __name__ == "__main__":
    main()
