"""Processes that convert one file at the same time."""

import os

from lightning_quicktune.finetune import gguf_file


def test_of_two_conversions_at_once_the_first_ones_folder_stays(tmp_path, monkeypatch):
    folder, replace, writers = tmp_path / "converted", os.replace, []

    def write(gguf, unfinished, mend_tokens):
        writers.append(unfinished)
        (unfinished / "config.json").write_text(str(len(writers)))

    def overtaken(source, target):
        monkeypatch.setattr(os, "replace", replace)
        gguf_file.convert(tmp_path.parent / "model.gguf", folder)
        replace(source, target)

    monkeypatch.setattr(gguf_file, "_write", write)
    monkeypatch.setattr(os, "replace", overtaken)
    gguf_file.convert(tmp_path.parent / "model.gguf", folder)
    assert len(writers) == 2
    assert (folder / "config.json").read_text() == "2"
    assert list(tmp_path.iterdir()) == [folder]
