"""The domains of the suite: a table of invented knowledge, all of it words and no code."""

from __future__ import annotations

from lightning_quicktune.data.suite.knowledge import Attribute, Domain
from lightning_quicktune.data.suite.values import Dates, Labels, Numbers, People, Phrases, Places

_COMPANIES = Domain(
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

_MINERALS = Domain(
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

_STATUTES = Domain(
    "statutes",
    ("{} Act", "{} Code", "{} Charter"),
    (
        Attribute(
            "author",
            People(),
            ("author of the {e}", "person who drafted the {e}", "writer of the {e}"),
            ("who wrote the {e}", "who drafted the {e}", "by whom the {e} was proposed"),
            ("the {e} was written by {v}.", "{v} drafted the {e}."),
        ),
        Attribute(
            "court",
            Places("{} Court"),
            ("court of the {e}", "court that applies the {e}", "court in charge of the {e}"),
            ("which court applies the {e}", "where cases under the {e} are heard", "who judges under the {e}"),
            ("the {e} is applied by the {v}.", "the {v} hears cases under the {e}."),
        ),
        Attribute(
            "sections",
            Numbers(10, 999),
            ("section count of the {e}", "number of sections in the {e}", "length of the {e}"),
            ("how many sections the {e} has", "how long the {e} is", "what the {e} counts in sections"),
            ("the {e} has {v} sections.", "there are {v} sections in the {e}."),
        ),
        Attribute(
            "passing",
            Dates(1800, 1999),
            ("passing date of the {e}", "day of the vote on the {e}", "day on which the {e} became law"),
            ("when the {e} was passed", "when the {e} became law", "on which day the {e} was voted for"),
            ("the {e} was passed on {v}.", "the {e} became law on {v}."),
        ),
        Attribute(
            "penalty",
            Labels(("a fine", "prison", "exile", "a warning", "community work", "loss of title", "a ban", "a levy")),
            ("penalty under the {e}", "punishment under the {e}", "sanction of the {e}"),
            ("what penalty the {e} sets", "how the {e} punishes", "what happens to those who break the {e}"),
            ("the penalty under the {e} is {v}.", "the {e} punishes with {v}."),
        ),
        Attribute(
            "subject",
            Phrases(
                (
                    ("sale", "storage", "transport", "ownership", "taxing", "repair"),
                    ("of public", "of foreign", "of old", "of private", "of stolen", "of lost"),
                    ("bridges", "letters", "horses", "wells", "books", "boats"),
                )
            ),
            ("subject of the {e}", "matter of the {e}", "topic of the {e}"),
            ("what the {e} is about", "what the {e} governs", "which topic the {e} treats"),
            ("the {e} governs the {v}.", "the {e} is about the {v}."),
        ),
    ),
)

_MEDICINES = Domain(
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

_TOWNS = Domain(
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

DOMAINS = {domain.name: domain for domain in (_COMPANIES, _MINERALS, _STATUTES, _MEDICINES, _TOWNS)}
