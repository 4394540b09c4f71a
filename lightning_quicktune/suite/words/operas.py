"""Words for questions about operas."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

OPERAS = Domain(
    "operas",
    ("Song of {}", "Night in {}", "Return to {}"),
    (
        Attribute(
            "composer",
            People(),
            ("composer of {e}", "person who composed {e}", "musician behind {e}"),
            ("who composed {e}", "who wrote the music of {e}", "by whom {e} was set to music"),
            ("{e} was composed by {v}.", "{v} wrote the music of {e}."),
        ),
        Attribute(
            "theatre",
            Places("{} Theatre"),
            ("theatre of {e}", "theatre that first gave {e}", "first stage of {e}"),
            ("where {e} was first given", "which theatre first gave {e}", "on which stage {e} began"),
            ("{e} was first given at {v}.", "the theatre of {e} is {v}."),
        ),
        Attribute(
            "duration",
            Numbers(45, 320),
            ("duration of {e}", "playing time of {e}", "running time of {e} in minutes"),
            ("how long {e} lasts", "how many minutes {e} takes", "how much time {e} needs"),
            ("{e} lasts {v} minutes.", "the duration of {e} is {v} minutes."),
        ),
        Attribute(
            "premiere",
            Dates(1720, 1929),
            ("premiere of {e}", "date of the first night of {e}", "day on which {e} was first heard"),
            ("when {e} was first heard", "when {e} had its premiere", "on which day {e} was first sung"),
            ("{e} was first heard on {v}.", "{e} had its premiere on {v}."),
        ),
        Attribute(
            "lead",
            Labels(("soprano", "tenor", "bass", "alto")),
            ("leading voice of {e}", "main part of {e}", "voice of the hero of {e}"),
            ("which voice leads {e}", "who sings the main part of {e}", "what voice the hero of {e} has"),
            ("the {v} leads {e}.", "the leading voice of {e} is {v}."),
        ),
        Attribute(
            "plot",
            Phrases(
                (
                    ("a jealous", "a lost", "a proud", "a cursed", "a poor", "a young"),
                    ("sailor", "widow", "prince", "painter", "shepherd", "judge"),
                    ("seeks revenge", "finds a ring", "loses a bet", "meets a ghost", "steals a horse", "saves a king"),
                )
            ),
            ("plot of {e}", "story of {e}", "tale that {e} tells"),
            ("what happens in {e}", "what {e} is about", "which tale {e} tells"),
            ("in {e} {v}.", "the plot of {e} is that {v}."),
        ),
    ),
)
