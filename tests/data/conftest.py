import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from lightning_quicktune.data.files import read_tables
from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.records import Parsed, parse_record

PHI3_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
TEXTS = ["What is the capital of France?\n\nParis", "A stone of iron melts at 1538 degrees.", "yes no yes no\n\nno"]


def byte_level_tokenizer(
    template: str | None, rstrip: bool = False, special: tuple[str, ...] = SPECIAL, words: tuple[str, ...] = ()
) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    backend.add_special_tokens([AddedToken(token, rstrip=rstrip, normalized=False) for token in special])
    backend.add_tokens([AddedToken(word, normalized=False) for word in words])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=special[0], chat_template=template, name_or_path="tiny"
    )


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return byte_level_tokenizer(PHI3_TEMPLATE)


TEMPLATES = Path(__file__).parent / "templates"
MARKS = re.compile(r"<\|[A-Za-z_/]+\|>|<(?:start|end)_of_turn>|\[/?(?:INST|SYSTEM_PROMPT)\]")


@pytest.fixture(scope="session")
def shape_tokenizer() -> Callable[[str], PreTrainedTokenizerFast]:
    """A tokenizer with one of the templates of ``templates/``, all marks of which are special tokens."""

    @cache
    def make(name: str) -> PreTrainedTokenizerFast:
        template = (TEMPLATES / f"{name}.jinja").read_text()
        marks = sorted({*MARKS.findall(template), *(f"<|{role}|>" for role in ("system", "user", "assistant", "tool"))})
        words = ("<think>", "</think>", "<tool_call>", "</tool_call>")
        tokenizer = byte_level_tokenizer(template, special=("</s>", "<s>", *marks), words=words)
        tokenizer.bos_token = "<s>"
        return tokenizer

    return make


@pytest.fixture
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    return byte_level_tokenizer


def sentencepiece_tokenizer() -> PreTrainedTokenizerFast:
    """As T5's: no chat template, no bos, spaces as ▁, a line break is a space, an end after every text."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [
        (piece, -4.0 - 0.1 * n) for n, piece in enumerate(("▁What", "▁is", "▁the", "▁capital", "▁Paris", "▁yes"))
    ]
    pieces += [(letter, -9.0) for letter in "abcdefghijklmnopqrstuvwxyzFPQ?.,0123456789"]
    backend = Tokenizer(models.Unigram(pieces, unk_id=2))
    clean = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(left=False, right=True)]
    backend.normalizer = normalizers.Sequence(clean)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", name_or_path="tiny-t5"
    )


@pytest.fixture(scope="session")
def t5_tokenizer() -> PreTrainedTokenizerFast:
    return sentencepiece_tokenizer()


@pytest.fixture
def parse() -> Callable[..., Parsed]:
    """Parses one record: ``(raw, file, answer_required, **settings)``."""

    def parse_with(raw, file="pier.jsonl", answer_required=True, **settings) -> Parsed:
        return parse_record(raw, file, 3, ReadingSettings(**settings), answer_required)

    return parse_with


@pytest.fixture
def said(parse) -> Callable[..., list[str]]:
    """What is said in a record, as ``u: text``; ``(a): text`` is an assistant's turn that isn't learned."""

    def turns(raw, *args, **settings) -> list[str]:
        found = parse(raw, *args, **settings).record.turns
        return [f"{t.role[0] if t.learned else f'({t.role[0]})'}: {t.content}" for t in found]

    return turns


@pytest.fixture
def write_task(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of question-answer records; each split is a list of answers or of whole records."""

    def write(**splits: list) -> Path:
        folder = tmp_path / "task"
        folder.mkdir(exist_ok=True)
        for name in ("train", "validation", "test"):
            rows = splits.get(name, [f"answer {name}"])
            records = [
                row if isinstance(row, dict) else {"question": f"{name} {i}?", "answer": row}
                for i, row in enumerate(rows)
            ]
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return folder

    return write


class Recorder(LightningModule):
    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.epochs = {}
        self.validated = []

    def training_step(self, batch, batch_idx):
        self.epochs.setdefault(self.current_epoch, []).append(batch)
        return self.weight * 1.0

    def validation_step(self, batch, batch_idx):
        self.validated += batch["indices"].tolist()

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def read_content(tmp_path):
    """Writes a text or bytes as a file, and reads its records."""

    def read(content, name):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_tables(path, name)[""]

    return read


@pytest.fixture
def make_recorder():
    return Recorder


@pytest.fixture
def make_trainer(tmp_path):
    def make(max_epochs=2, accumulate=2):
        return Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=max_epochs,
            num_sanity_val_steps=0,
            accumulate_grad_batches=accumulate,
            use_distributed_sampler=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )

    return make
