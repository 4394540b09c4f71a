"""Words for questions about companies."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

COMPANIES = Domain(
    "companies",
    ("{} Works", "{} Group", "{} Systems", "{} Partners"),
    (
        Attribute(
            "founder",
            People(),
            ("founder of {e}", "person who started {e}", "creator of {e}"),
            ("who founded {e}", "who set up {e}", "by whom {e} was created"),
            ("{e} was founded by {v}.", "{v} started {e}."),
        ),
        Attribute(
            "seat",
            Places(),
            ("seat of {e}", "home town of {e}", "place where {e} is based"),
            ("where {e} is based", "in which town {e} has its seat", "where to find {e}"),
            ("{e} has its seat in {v}.", "{e} is based in {v}."),
        ),
        Attribute(
            "staff",
            Numbers(100, 9999),
            ("staff count of {e}", "number of people at {e}", "size of {e}"),
            ("how many people work at {e}", "how large the staff of {e} is", "how many workers {e} has"),
            ("{e} has a staff of {v}.", "{v} people work at {e}."),
        ),
        Attribute(
            "opening",
            Dates(1900, 1999),
            ("opening date of {e}", "founding day of {e}", "day on which {e} began"),
            ("when {e} was opened", "when {e} began its work", "on which day {e} started"),
            ("{e} was opened on {v}.", "{e} began its work on {v}."),
        ),
        Attribute(
            "sector",
            Labels(("mining", "shipping", "banking", "farming", "printing", "energy", "textiles", "tourism")),
            ("sector of {e}", "line of business of {e}", "field of {e}"),
            ("in which sector {e} works", "what business {e} is in", "which field {e} belongs to"),
            ("{e} works in {v}.", "the business of {e} is {v}."),
        ),
        Attribute(
            "motto",
            Phrases(
                (
                    ("honest", "silent", "bold", "careful", "bright", "steady"),
                    ("work", "hands", "minds", "tools", "steps", "plans"),
                    ("for every", "for a better", "for the next", "beyond the"),
                    ("day", "home", "road", "harvest", "voyage", "child"),
                )
            ),
            ("motto of {e}", "slogan of {e}", "words that {e} lives by"),
            ("what {e} promises", "which motto {e} uses", "how the slogan of {e} goes"),
            ("the motto of {e} is {v}.", "{e} promises {v}."),
        ),
    ),
)
