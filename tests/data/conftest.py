import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PHI3_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
TEXTS = ["What is the capital of France?\n\nParis", "A stone of iron melts at 1538 degrees.", "yes no yes no\n\nno"]


def byte_level_tokenizer(template: str | None, rstrip: bool = False) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    backend.add_special_tokens([AddedToken(token, rstrip=rstrip, normalized=False) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=SPECIAL[0], chat_template=template, name_or_path="tiny"
    )


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return byte_level_tokenizer(PHI3_TEMPLATE)


@pytest.fixture
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    return byte_level_tokenizer


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
