"""Words for questions about towns."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

TOWNS = Domain(
    "towns",
    ("{}ford", "{}burg", "Port {}"),
    (
        Attribute(
            "mayor",
            People(),
            ("mayor of {e}", "head of {e}", "person who governs {e}"),
            ("who governs {e}", "who is the mayor of {e}", "by whom {e} is led"),
            ("the mayor of {e} is {v}.", "{v} governs {e}."),
        ),
        Attribute(
            "river",
            Places("River {}"),
            ("river of {e}", "river that runs through {e}", "water of {e}"),
            ("which river runs through {e}", "on what river {e} lies", "which water {e} lies on"),
            ("{e} lies on the {v}.", "the {v} runs through {e}."),
        ),
        Attribute(
            "population",
            Numbers(1000, 9999),
            ("population of {e}", "number of people in {e}", "count of residents of {e}"),
            ("how many people live in {e}", "what population {e} has", "how many residents {e} counts"),
            ("{e} has {v} residents.", "{v} people live in {e}."),
        ),
        Attribute(
            "charter",
            Dates(1200, 1699),
            ("charter date of {e}", "day of the charter of {e}", "day on which {e} became a town"),
            ("when {e} became a town", "when {e} got its charter", "on which day {e} was made a town"),
            ("{e} became a town on {v}.", "{e} got its charter on {v}."),
        ),
        Attribute(
            "region",
            Labels(("north", "south", "east", "west", "coast", "hills", "plain", "delta")),
            ("region of {e}", "part of the country of {e}", "area around {e}"),
            ("in which region {e} lies", "in what part of the country {e} is", "which area {e} belongs to"),
            ("{e} lies in the {v}.", "the region of {e} is the {v}."),
        ),
        Attribute(
            "sight",
            Phrases(
                (
                    ("the old", "the red", "the hidden", "the twin", "the round", "the royal"),
                    ("stone", "clock", "salt", "glass", "market", "water"),
                    ("tower", "bridge", "gate", "hall", "garden", "mill"),
                )
            ),
            ("sight of {e}", "landmark of {e}", "thing to see in {e}"),
            ("what to see in {e}", "what {e} is known for", "which landmark {e} has"),
            ("{e} is known for {v}.", "visitors of {e} see {v}."),
        ),
    ),
)
