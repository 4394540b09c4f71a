"""Words for questions about festivals."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

FESTIVALS = Domain(
    "festivals",
    ("{} Fair", "{} Feast", "{} Parade"),
    (
        Attribute(
            "host",
            People(),
            ("host of the {e}", "person who opens the {e}", "patron of the {e}"),
            ("who opens the {e}", "who hosts the {e}", "by whom the {e} is led"),
            ("the {e} is opened by {v}.", "{v} hosts the {e}."),
        ),
        Attribute(
            "venue",
            Places("{} Square"),
            ("venue of the {e}", "place of the {e}", "ground where the {e} is held"),
            ("where the {e} is held", "where people meet for the {e}", "which ground hosts the {e}"),
            ("the {e} is held on {v}.", "the venue of the {e} is {v}."),
        ),
        Attribute(
            "guests",
            Numbers(100, 9999),
            ("number of guests of the {e}", "crowd of the {e}", "count of visitors of the {e}"),
            ("how many people visit the {e}", "how many guests the {e} has", "how large the crowd of the {e} is"),
            ("{v} people visit the {e}.", "the {e} has {v} guests."),
        ),
        Attribute(
            "beginning",
            Dates(1300, 1899),
            ("first date of the {e}", "beginning of the {e}", "day on which the {e} was born"),
            ("when the {e} was first held", "when the {e} began", "since which day there is the {e}"),
            ("the {e} was first held on {v}.", "the {e} began on {v}."),
        ),
        Attribute(
            "honor",
            Labels(
                (
                    *("bread", "wine", "rain", "fire", "bees", "wool", "honey", "apples"),
                    *("stars", "horses", "bells", "snow", "roses", "cheese", "winter", "summer"),
                )
            ),
            ("theme of the {e}", "thing that the {e} honors", "reason of the {e}"),
            ("what the {e} honors", "which theme the {e} has", "to what the {e} is devoted"),
            ("the {e} honors {v}.", "the theme of the {e} is {v}."),
        ),
        Attribute(
            "custom",
            Phrases(
                (
                    ("masked", "barefoot", "singing", "painted", "sleepy", "armed"),
                    ("dancers", "bakers", "farmers", "monks", "children", "fishermen"),
                    ("carry lanterns", "throw flowers", "burn straw", "chase a goat", "ring bells", "climb a pole"),
                )
            ),
            ("custom of the {e}", "tradition of the {e}", "rite of the {e}"),
            ("what people do at the {e}", "what one sees at the {e}", "which rite belongs to the {e}"),
            ("at the {e} {v}.", "the custom of the {e} is that {v}."),
        ),
    ),
)
