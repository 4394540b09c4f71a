"""What shapes a nano base model: all numbers that its script takes."""

from dataclasses import dataclass
from typing import Literal

ArchitectureName = Literal["phi3", "t5"]


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the asset; the seeds are part of it.

    Args:
        architecture: Which model.
        seed: Seed of knowledge, order and weights.
        vocabulary: Tokens, special ones included.
        hidden: Width.
        layers: Layers; of an encoder-decoder, in each of its halves.
        heads: Attention heads.
        known_facts: Facts to remember.
        known_share: Share of dialogues about them; the others tell new facts.
        told_facts: Most facts told in a prompt.
        distracted_share: Share of the dialogues about known facts whose prompt tells something else.
        sentence_share: Share of dialogues that ask for a whole sentence.
        prompt_weight: Weight of the loss on prompt tokens, where a model predicts them.
        steps: Optimizer steps.
        batch: Dialogues per step.
        lr: Highest learning rate.
    """

    architecture: ArchitectureName
    seed: int = 20241
    vocabulary: int = 1024
    hidden: int = 96
    layers: int = 4
    heads: int = 4
    known_facts: int = 1500
    known_share: float = 0.45
    told_facts: int = 2
    distracted_share: float = 0.2
    sentence_share: float = 0.1
    prompt_weight: float = 0.1
    steps: int = 3500
    batch: int = 64
    lr: float = 3e-3


RECIPES: dict[ArchitectureName, Recipe] = {"phi3": Recipe("phi3"), "t5": Recipe("t5", layers=3, steps=4000)}
