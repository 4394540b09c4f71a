"""A think template in the place of the tokenizer's own: in training, generation and export."""

import pytest
import torch
from transformers import AutoTokenizer

from lightning_quicktune.compose import build
from lightning_quicktune.data.encode import encode
from lightning_quicktune.data.turns import Record, Turn
from lightning_quicktune.finetune.export import export_adapter
from lightning_quicktune.finetune.generation import generate_answers
from lightning_quicktune.trials.task_setup import task_objects

THINKS = (
    "{% for m in messages %}<|{{ m.role }}|>\n{% if m.role == 'assistant' and loop.last %}(thinking)\n"
    "{{ m.reasoning_content or '' }}(done)\n{% endif %}{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@pytest.fixture
def thinking(fit_config, tmp_path):
    (tmp_path / "thinks.jinja").write_text(THINKS)
    fit_config["data"]["init_args"]["chat_template"] = str(tmp_path / "thinks.jinja")
    return fit_config


def test_generation_starts_behind_what_the_template_writes(thinking):
    module, data = task_objects(thinking)
    batch = next(iter(data.prompt_dataloader("test")))
    assert all(prompt.endswith("<|assistant|>\n(thinking)\n(done)\n") for prompt in batch["prompts"])
    assert module.tokenizer.decode(batch["input_ids"][0]).endswith("(thinking)\n(done)\n")
    (validation, *_) = data.evaluation_dataloader("validation")
    for row, index in zip(validation["labels"], validation["indices"].tolist(), strict=True):
        assert module.tokenizer.decode(row[row != -100]) == data.records("validation")[index].answer + "<|end|>"


def test_the_exported_tokenizer_has_the_template(thinking, tmp_path):
    module, _ = task_objects(thinking)
    module.configure_model()
    export_adapter(module, tmp_path / "adapter")
    module.release()
    assert AutoTokenizer.from_pretrained(tmp_path / "adapter").chat_template == THINKS
    assert build({**thinking}).model.tokenizer.chat_template != THINKS, "the shared tokenizer is left as it is"


def test_fit_brings_the_template_to_the_model(thinking, tmp_path):
    from lightning.pytorch import Trainer

    composed = build(thinking)
    trainer = Trainer(
        accelerator="cpu", devices=1, fast_dev_run=True, logger=False, use_distributed_sampler=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(composed.model, composed.data)
    assert composed.model.tokenizer.chat_template == THINKS
    composed.model.release()


def test_what_is_written_before_the_answer_mark_is_no_answer(thinking, monkeypatch):
    """Reasoning is generated first; the score compares what follows it."""
    module, _ = task_objects(thinking)
    turns = (Turn("user", "What rings?"), Turn("assistant", "The bell.", reasoning="So it is.\n"))
    (encoded,) = encode(Record(turns, "f", 1), module.tokenizer, "chat")
    assert encoded.prompt_text.endswith("(thinking)\n")
    written = torch.tensor(encoded.input_ids[None])
    batch = {
        "input_ids": torch.tensor(encoded.prompt_ids[None]),
        "attention_mask": torch.ones(1, encoded.prompt_length, dtype=torch.long),
        "prompts": [encoded.prompt_text],
        "references": [encoded.answer],
        "answer_marks": [encoded.answer_mark],
    }
    model = module.loaded.model
    monkeypatch.setattr(model, "generate", lambda **_: written)
    (answer,) = generate_answers(model, module.tokenizer, batch, 8)
    assert answer.generated == answer.reference == "The bell."
    (whole,) = generate_answers(model, module.tokenizer, {**batch, "answer_marks": [()]}, 8)
    assert whole.generated.startswith("So it is.")
