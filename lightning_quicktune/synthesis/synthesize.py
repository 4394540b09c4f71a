"""The synthesis: documents in, task folder out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_quicktune.files.whole import write_text
from lightning_quicktune.synthesis.answers import (
    MalformedAnswerError,
    Pair,
    facts_prompt,
    normalized,
    pairs_prompt,
    parse_facts,
    parse_pairs,
)
from lightning_quicktune.synthesis.dataset import split_pairs, write_task
from lightning_quicktune.synthesis.documents import Chunk, chunks, read_documents
from lightning_quicktune.synthesis.journal import Journal
from lightning_quicktune.synthesis.llm import ChatClient, LLMSettings

_logger = logging.getLogger(__name__)
WORK_FOLDER = ".work"  # no part of the task beside it
REPORT_FILE = "synthesis.json"


@dataclass(frozen=True)
class SynthesisSettings:
    """What is made from which documents.

    Args:
        documents: A text, Markdown or HTML file, or a folder of them.
        output: Folder of the task that is made; holds the work in progress too.
        llm: Which LLM writes.
        chunk_characters: Longest part of a document that the LLM reads at once.
        facts_per_chunk: Most facts that are taken from one part.
        max_attempts: Times that the LLM is asked before a chunk or a fact is given up, if its answers can't be used.
        seed: Decides which pairs are held out, and goes to the LLM.
    """

    documents: Path
    output: Path
    llm: LLMSettings
    chunk_characters: int = 4000
    facts_per_chunk: int = 10
    max_attempts: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("chunk_characters", "facts_per_chunk", "max_attempts"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` is {getattr(self, name)}, but below 1 nothing is made. Leave `{name}` out to use the "
                    "default."
                )


def synthesize(settings: SynthesisSettings) -> Path:
    """Makes a question-answer task from documents; the same call goes on after an interruption.

    Args:
        settings: What is made from which documents.

    Returns:
        The task's folder: ``train.jsonl``, ``validation.jsonl``, ``test.jsonl`` and ``synthesis.json``, the report.

    Raises:
        ConnectionError: If the LLM can't be reached; everything until then is kept.
        RuntimeError: If not one fact came out.
    """
    parts = [c for d in read_documents(settings.documents) for c in chunks(d, settings.chunk_characters)]
    work = settings.output / WORK_FOLDER
    facts_stage = _Stage(settings, Journal(work / "facts.jsonl"))
    facts = _extract_facts(parts, settings, facts_stage)
    pairs_stage = _Stage(settings, Journal(work / "pairs.jsonl"))
    pairs_by_fact = _write_pairs(facts, pairs_stage)
    if not pairs_by_fact:
        raise RuntimeError(
            f"Not one usable fact came from {len(parts)} chunks: {facts_stage.given_up} chunks and "
            f"{pairs_stage.given_up} facts were given up because the LLM's answers were not the JSON it was asked for. "
            f"Try a larger `llm.model`, raise `llm.max_tokens`, or look at the documents; then delete {work}."
        )
    splits, n_repeated = split_pairs(pairs_by_fact, settings.seed)
    write_task(settings.output, splits)
    report = {
        "llm": settings.llm.model,
        "seed": settings.seed,
        "chunks": len(parts),
        "chunks_given_up": facts_stage.given_up,
        "facts": len(facts),
        "facts_given_up": pairs_stage.given_up,
        "malformed_answers": facts_stage.malformed + pairs_stage.malformed,
        "repeated_questions_left_out": n_repeated,
        "records": {name: len(pairs) for name, pairs in splits.items()},
    }
    write_text(settings.output / REPORT_FILE, json.dumps(report, indent=1) + "\n")
    _logger.info("Made %s: %s", settings.output, report)
    return settings.output


class _Stage:
    """Asks for one kind of thing, item by item, and remembers every result.

    Args:
        settings: Which LLM, and how often it is asked.
        journal: Where results are kept.
    """

    def __init__(self, settings: SynthesisSettings, journal: Journal) -> None:
        self.settings = settings
        self.client = ChatClient(settings.llm)
        self.journal = journal
        self.malformed = 0
        self.given_up = 0

    def ask(self, prompt: str, parse: Callable[[str], list[Any]]) -> list[Any]:
        """The parsed answer to a prompt, from the journal if it was given before; empty if it was given up."""
        llm = self.settings.llm
        identity = [prompt, llm.model, llm.temperature, llm.max_tokens, self.settings.seed]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        result = self.journal.get(key)
        if result is None:
            result = self._ask_anew(prompt, parse)
            self.journal.add(key, result)
        self.malformed += result["malformed"]
        self.given_up += result["answer"] is None
        return parse(result["answer"]) if result["answer"] is not None else []

    def _ask_anew(self, prompt: str, parse: Callable[[str], list[Any]]) -> dict[str, Any]:
        for malformed in range(self.settings.max_attempts):
            answer = self.client.complete(prompt, self.settings.seed + malformed)
            try:
                parse(answer)
            except MalformedAnswerError as error:
                _logger.info("An answer can't be used (%s): %.200r", error, answer)
                continue
            return {"answer": answer, "malformed": malformed}
        return {"answer": None, "malformed": self.settings.max_attempts}


def _extract_facts(parts: list[Chunk], settings: SynthesisSettings, stage: _Stage) -> list[str]:
    """Facts of all chunks; one that several chunks state is taken once."""
    facts: dict[str, str] = {}
    n_facts = settings.facts_per_chunk
    for part in parts:
        for fact in stage.ask(facts_prompt(part.text, n_facts), lambda answer: parse_facts(answer, n_facts)):
            facts.setdefault(normalized(fact), fact)
    return list(facts.values())


def _write_pairs(facts: list[str], stage: _Stage) -> list[list[Pair]]:
    found = (stage.ask(pairs_prompt(fact), parse_pairs) for fact in facts)
    return [pairs for pairs in found if pairs]
