"""Words for questions about statutes."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

STATUTES = Domain(
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
