import pytest
from transformers import T5Config, T5ForConditionalGeneration

from lightning_quicktune.finetune.base_model import (
    BaseModelSettings,
    check_precision,
    layout_of,
    load_base_model,
    load_tokenizer,
)


def test_an_encoder_decoder_is_loaded_as_one(tmp_path):
    config = T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "tiny-t5")
    settings = BaseModelSettings(str(tmp_path / "tiny-t5"))
    loaded = load_base_model(settings)
    assert isinstance(loaded.model, T5ForConditionalGeneration)
    assert loaded.layout == layout_of(settings) == "encoder_decoder"


def test_the_layout_is_read_without_loading_weights(settings, monkeypatch):
    layout_of.cache_clear()
    monkeypatch.setattr("lightning_quicktune.finetune.base_model.BaseModel", None)
    assert layout_of(settings) == "decoder"


def test_weights_are_loaded_once_with_and_without_gradient_checkpointing(settings, base):
    checkpointing = BaseModelSettings(settings.name, gradient_checkpointing=True)
    assert load_base_model(checkpointing) is base
    assert load_base_model(settings) is base
    assert checkpointing.gradient_checkpointing
    assert not settings.gradient_checkpointing


@pytest.mark.parametrize("load", [load_tokenizer, load_base_model, layout_of])
def test_a_broken_folder_says_what_could_not_be_loaded(tmp_path, load):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"of `.*` can't be loaded: .*`model.init_args.base_model.name`"):
        load(BaseModelSettings(str(tmp_path)))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_precision_that_leaves_the_base_weights_alone_passes(precision):
    check_precision(precision)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("bf16-true", "bfloat16"), ("16-true", "float16"), ("64-true", "float32"), ("transformer-engine", "float32")],
)
def test_a_precision_that_would_cast_the_base_weights_is_refused(precision, dtype):
    with pytest.raises(
        ValueError, match=rf"`trainer.precision` is {precision}, .*`model.init_args.base_model.dtype: {dtype}`"
    ):
        check_precision(precision)
