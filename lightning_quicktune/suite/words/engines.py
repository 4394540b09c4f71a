"""Words for questions about engines."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

ENGINES = Domain(
    "engines",
    ("{} Engine", "{} Press", "{} Pump"),
    (
        Attribute(
            "engineer",
            People(),
            ("engineer of the {e}", "person who designed the {e}", "mind behind the {e}"),
            ("who designed the {e}", "who drew the plans of the {e}", "by whom the {e} was conceived"),
            ("the {e} was designed by {v}.", "{v} designed the {e}."),
        ),
        Attribute(
            "factory",
            Places("{} Factory"),
            ("factory of the {e}", "plant that builds the {e}", "works where the {e} is assembled"),
            ("where the {e} is built", "which factory builds the {e}", "where the {e} is put together"),
            ("the {e} is built at {v}.", "{v} builds the {e}."),
        ),
        Attribute(
            "power",
            Numbers(10, 4999),
            ("power of the {e}", "strength of the {e}", "horsepower of the {e}"),
            ("how strong the {e} is", "how much power the {e} has", "how many horses equal the {e}"),
            ("the {e} has a power of {v}.", "the power of the {e} is {v}."),
        ),
        Attribute(
            "patent",
            Dates(1800, 1939),
            ("patent date of the {e}", "day of the patent of the {e}", "day on which the {e} was registered"),
            ("when the {e} was patented", "when the {e} got its patent", "on which day the {e} was registered"),
            ("the {e} was patented on {v}.", "the {e} got its patent on {v}."),
        ),
        Attribute(
            "fuel",
            Labels(("steam", "diesel", "wind")),
            ("fuel of the {e}", "drive of the {e}", "source of power of the {e}"),
            ("what drives the {e}", "what the {e} runs on", "which fuel the {e} burns"),
            ("the {e} runs on {v}.", "{v} drives the {e}."),
        ),
        Attribute(
            "fault",
            Phrases(
                (
                    ("a cracked", "a loose", "a rusty", "a bent", "a leaking", "a frozen"),
                    ("valve", "belt", "wheel", "gauge", "chain", "piston"),
                    ("in the boiler", "under the frame", "behind the tank", "near the shaft", "at the outlet"),
                )
            ),
            ("fault of the {e}", "usual defect of the {e}", "weak spot of the {e}"),
            ("what breaks in the {e}", "which fault the {e} has", "why the {e} stops"),
            ("the fault of the {e} is {v}.", "{v} stops the {e}."),
        ),
    ),
)
