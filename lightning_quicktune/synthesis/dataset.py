"""The three files of a task, made of the pairs of all facts."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lightning_quicktune.files.whole import write_text
from lightning_quicktune.synthesis.answers import TEST_PER_FACT, VALIDATION_PER_FACT, Pair, normalized

Splits = dict[str, list[Pair]]


def split_pairs(pairs_by_fact: Sequence[Sequence[Pair]], seed: int) -> tuple[Splits, int]:
    """Deals the pairs of each fact to test, validation and training.

    Every fact is in every split, in other words each time. A question that another fact was given too is kept once,
    test before validation before training, so that no split holds a question of another one.

    Args:
        pairs_by_fact: Pairs of each fact.
        seed: Decides which pairs are held out, and the order of the records.

    Returns:
        Pairs by split, and the number of those left out as repeated.
    """
    dealt: Splits = {"test": [], "validation": [], "train": []}
    for index, pairs in enumerate(pairs_by_fact):
        shuffled = random.Random(f"{seed}-{index}").sample(pairs, len(pairs))
        dealt["test"] += shuffled[:TEST_PER_FACT]
        dealt["validation"] += shuffled[TEST_PER_FACT : TEST_PER_FACT + VALIDATION_PER_FACT]
        dealt["train"] += shuffled[TEST_PER_FACT + VALIDATION_PER_FACT :]
    seen: set[str] = set()
    splits: Splits = {}
    for name, pairs in dealt.items():
        splits[name] = []
        for pair in pairs:
            if normalized(pair.question) not in seen:
                seen.add(normalized(pair.question))
                splits[name].append(pair)
        random.Random(f"{seed}-{name}").shuffle(splits[name])
    return splits, sum(map(len, dealt.values())) - len(seen)


def write_task(folder: Path, splits: Splits) -> None:
    """Writes one JSONL file of question-answer records per split, each all or nothing."""
    for name, pairs in splits.items():
        lines = [json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs]
        write_text(folder / f"{name}.jsonl", "".join(lines))
