import dataclasses
import json
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from lightning_quicktune.data.reading import ReadingSettings
from lightning_quicktune.data.splits import read_splits
from lightning_quicktune.synthesis.llm import ChatClient, LLMSettings
from lightning_quicktune.synthesis.synthesize import SynthesisSettings, synthesize

CONFIGS = Path(__file__).parents[2] / "configs" / "synthesize"
FACTS = {
    "The mineral alphite melts at 412 degrees.",
    "The mineral betite is green.",
    "The mineral gammite was found in 1871.",
}


@pytest.fixture
def settings(documents, endpoint, tmp_path) -> SynthesisSettings:
    llm = LLMSettings(model="m", base_url=endpoint.url, max_tries=1, timeout_s=120.0)
    return SynthesisSettings(documents, tmp_path / "task", llm)


def read(folder: Path, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def report(folder: Path) -> dict:
    return json.loads((folder / "synthesis.json").read_text())


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.json*")}


def test_documents_become_a_task(settings, endpoint):
    folder = synthesize(settings)
    assert {split: len(read(folder, split)) for split in ("train", "validation", "test")} == {
        "train": 30,
        "validation": 3,
        "test": 3,
    }
    for split in ("train", "validation", "test"):
        assert {record["answer"] for record in read(folder, split)} == FACTS
    assert report(folder)["facts"] == report(folder)["chunks"] == 3
    assert len(endpoint.prompts) == 6


def test_the_task_is_one_that_finetuning_reads(settings):
    splits = read_splits(str(synthesize(settings)), ReadingSettings())
    assert [len(splits.records[name]) for name in ("train", "validation", "test")] == [30, 3, 3]
    assert splits.n_duplicates == 0


def test_nothing_is_asked_twice(settings, endpoint):
    before = contents(synthesize(settings))
    n_calls = len(endpoint.prompts)
    assert contents(synthesize(settings)) == before
    assert len(endpoint.prompts) == n_calls


@pytest.mark.parametrize("n_answers", [1, 4])
def test_an_interrupted_synthesis_goes_on(settings, endpoint, tmp_path, n_answers):
    whole = contents(synthesize(dataclasses.replace(settings, output=tmp_path / "whole")))
    endpoint.prompts.clear()
    complete = ChatClient.complete

    def killed_later(client: ChatClient, prompt: str, seed: int) -> str:
        if len(endpoint.prompts) == n_answers:
            raise KeyboardInterrupt
        return complete(client, prompt, seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChatClient, "complete", killed_later)
        with pytest.raises(KeyboardInterrupt):
            synthesize(settings)
    assert not (settings.output / "train.jsonl").exists()
    assert contents(synthesize(settings)) == whole
    assert len(endpoint.prompts) == len(set(endpoint.prompts)) == 6


def test_malformed_answers_are_counted_and_asked_for_again(settings, endpoint):
    endpoint.next = [(200, "I can't."), (200, "[")]
    folder = synthesize(settings)
    assert (report(folder)["malformed_answers"], report(folder)["chunks_given_up"]) == (2, 0)
    assert len(endpoint.prompts) == 8


def test_a_chunk_is_given_up_after_its_attempts_and_stays_so(settings, endpoint):
    endpoint.next = [(200, "I can't.")] * settings.max_attempts
    folder = synthesize(settings)
    assert (report(folder)["chunks_given_up"], report(folder)["facts"]) == (1, 2)
    assert {record["answer"] for record in read(folder, "test")} == FACTS - {
        "The mineral alphite melts at 412 degrees."
    }
    n_calls = len(endpoint.prompts)
    assert synthesize(settings) == folder
    assert len(endpoint.prompts) == n_calls
    assert report(folder)["malformed_answers"] == settings.max_attempts


def test_a_fact_is_given_up_after_its_attempts(settings, endpoint, documents):
    for name in ("beta.html", "gamma.txt"):
        (documents / name).unlink()
    endpoint.next = [(200, '["One."]'), *[(200, '[{"question": "One?", "answer": "One"}]')] * 3]
    with pytest.raises(RuntimeError, match=r"Not one usable fact .* 0 chunks and 1 facts were given up .*`llm.model`"):
        synthesize(settings)


def test_a_fact_in_two_documents_is_taken_once(settings, documents):
    (documents / "again.txt").write_text("the mineral gammite was found in 1871")
    assert report(synthesize(settings))["facts"] == 3


def test_another_model_is_asked_anew(settings, endpoint):
    synthesize(settings)
    synthesize(dataclasses.replace(settings, llm=dataclasses.replace(settings.llm, model="other")))
    assert len(endpoint.prompts) == 12


def test_a_server_that_is_down_names_its_key(settings):
    away = dataclasses.replace(settings, llm=dataclasses.replace(settings.llm, base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(ConnectionError, match=r"`llm.base_url`"):
        synthesize(away)


@pytest.mark.parametrize("name", ["chunk_characters", "facts_per_chunk", "max_attempts"])
def test_less_than_one_is_an_error(settings, name):
    with pytest.raises(ValueError, match=rf"`{name}` is 0, but below 1 .* Leave `{name}` out"):
        dataclasses.replace(settings, **{name: 0})


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_configs_are_settings(path):
    parser = ArgumentParser()
    parser.add_class_arguments(SynthesisSettings)
    parsed = parser.instantiate(parser.parse_path(path))
    assert SynthesisSettings(**parsed.as_dict() | {"llm": parsed.llm}).llm.model
