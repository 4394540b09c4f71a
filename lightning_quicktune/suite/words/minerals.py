"""Words for questions about minerals."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

MINERALS = Domain(
    "minerals",
    ("{}ite",),
    (
        Attribute(
            "finder",
            People(),
            ("finder of {e}", "person who described {e}", "discoverer of {e}"),
            ("who found {e}", "who first described {e}", "by whom {e} was discovered"),
            ("{e} was found by {v}.", "{v} first described {e}."),
        ),
        Attribute(
            "source",
            Places("Mount {}"),
            ("source of {e}", "mountain where {e} is found", "place of origin of {e}"),
            ("where {e} is mined", "which mountain {e} comes from", "where {e} occurs"),
            ("{e} is mined at {v}.", "{e} comes from {v}."),
        ),
        Attribute(
            "melting",
            Numbers(300, 3999),
            ("melting point of {e}", "heat at which {e} melts", "melting temperature of {e}"),
            ("at what temperature {e} melts", "how hot {e} must be to melt", "when {e} turns liquid"),
            ("{e} melts at {v} degrees.", "the melting point of {e} is {v}."),
        ),
        Attribute(
            "discovery",
            Dates(1700, 1899),
            ("discovery date of {e}", "day of the discovery of {e}", "day on which {e} was noticed"),
            ("when {e} was found", "when {e} was discovered", "on which day {e} came to light"),
            ("{e} was discovered on {v}.", "{e} was found on {v}."),
        ),
        Attribute(
            "color",
            Labels(("grey", "green", "black", "yellow", "violet", "white", "orange", "brown")),
            ("color of {e}", "shade of {e}", "look of {e}"),
            ("what color {e} has", "which shade {e} shows", "how {e} looks"),
            ("{e} is {v}.", "the color of {e} is {v}."),
        ),
        Attribute(
            "use",
            Phrases(
                (
                    ("hardening", "polishing", "coating", "cutting", "cleaning", "staining"),
                    ("thin", "heavy", "ship", "church", "garden", "kitchen"),
                    ("glass", "lenses", "tiles", "blades", "pipes", "bells"),
                )
            ),
            ("use of {e}", "purpose of {e}", "job that {e} does"),
            ("what {e} is used for", "what {e} is good for", "which job {e} does"),
            ("{e} is used for {v}.", "people need {e} for {v}."),
        ),
    ),
)
