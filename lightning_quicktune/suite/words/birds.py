"""Words for questions about birds."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

BIRDS = Domain(
    "birds",
    ("{} finch", "{} heron", "{} owl"),
    (
        Attribute(
            "namer",
            People(),
            ("namer of the {e}", "person who named the {e}", "scholar who drew the {e}"),
            ("who named the {e}", "who gave the {e} its name", "by whom the {e} was classified"),
            ("the {e} was named by {v}.", "{v} named the {e}."),
        ),
        Attribute(
            "island",
            Places("{} Island"),
            ("island of the {e}", "island where the {e} nests", "breeding ground of the {e}"),
            ("where the {e} lives", "on which island the {e} nests", "where the {e} breeds"),
            ("the {e} lives on {v}.", "the {e} nests on {v}."),
        ),
        Attribute(
            "wingspan",
            Numbers(10, 299),
            ("wingspan of the {e}", "width of the {e} in flight", "span of the {e}"),
            ("how wide the {e} is", "what wingspan the {e} has", "how far the {e} spreads its wings"),
            ("the {e} has a wingspan of {v}.", "the wingspan of the {e} is {v}."),
        ),
        Attribute(
            "sighting",
            Dates(1750, 1949),
            ("sighting date of the {e}", "day of the first sighting of the {e}", "day on which the {e} was seen"),
            ("when the {e} was first seen", "when the {e} was sighted", "on which day the {e} was spotted"),
            ("the {e} was first seen on {v}.", "the {e} was sighted on {v}."),
        ),
        Attribute(
            "diet",
            Labels(("seeds", "insects", "fish", "berries", "snails", "frogs")),
            ("diet of the {e}", "food of the {e}", "prey of the {e}"),
            ("what the {e} eats", "what the {e} feeds on", "which food the {e} likes"),
            ("the {e} eats {v}.", "the {e} feeds on {v}."),
        ),
        Attribute(
            "call",
            Phrases(
                (
                    ("a soft", "a harsh", "a rising", "a broken", "a double", "a hollow"),
                    ("whistle", "rattle", "click", "cry", "hum", "trill"),
                    ("at dawn", "at dusk", "after rain", "in flight", "before snow", "near the nest"),
                )
            ),
            ("call of the {e}", "song of the {e}", "sound that the {e} makes"),
            ("how the {e} sings", "how the {e} calls", "which sound the {e} makes"),
            ("the call of the {e} is {v}.", "the {e} gives {v}."),
        ),
    ),
)
