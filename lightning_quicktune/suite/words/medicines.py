"""Words for questions about medicines."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

MEDICINES = Domain(
    "medicines",
    ("{}ol", "{}ex", "{}um"),
    (
        Attribute(
            "inventor",
            People(),
            ("inventor of {e}", "person who developed {e}", "chemist behind {e}"),
            ("who invented {e}", "who developed {e}", "by whom {e} was first made"),
            ("{e} was invented by {v}.", "{v} developed {e}."),
        ),
        Attribute(
            "maker",
            Places("{} Labs"),
            ("maker of {e}", "firm that produces {e}", "producer of {e}"),
            ("who makes {e}", "which firm produces {e}", "from where {e} is delivered"),
            ("{e} is made by {v}.", "{v} produces {e}."),
        ),
        Attribute(
            "dose",
            Numbers(10, 999),
            ("dose of {e}", "daily amount of {e}", "quantity of {e} per day"),
            ("how much {e} to take", "how many drops of {e} are safe", "what amount of {e} is right"),
            ("the dose of {e} is {v} drops.", "one takes {v} drops of {e}."),
        ),
        Attribute(
            "approval",
            Dates(1950, 2019),
            ("approval date of {e}", "day of the approval of {e}", "day on which {e} was allowed"),
            ("when {e} was approved", "when {e} came to market", "on which day {e} was allowed"),
            ("{e} was approved on {v}.", "{e} came to market on {v}."),
        ),
        Attribute(
            "intake",
            Labels(("tablet", "syrup", "cream", "powder", "spray", "needle", "capsule", "tea")),
            ("form of {e}", "way of taking {e}", "shape in which {e} is sold"),
            ("in what form {e} is taken", "how {e} is taken", "how {e} is sold"),
            ("{e} is taken as {v}.", "the form of {e} is {v}."),
        ),
        Attribute(
            "purpose",
            Phrases(
                (
                    ("sudden", "chronic", "mild", "seasonal", "nightly", "severe"),
                    ("joint", "skin", "heart", "stomach", "nerve", "lung"),
                    ("pain", "fever", "itching", "weakness", "cramps", "swelling"),
                )
            ),
            ("purpose of {e}", "disease that {e} treats", "trouble that {e} cures"),
            ("what {e} treats", "what {e} helps against", "against what {e} is given"),
            ("{e} helps against {v}.", "{e} treats {v}."),
        ),
    ),
)
