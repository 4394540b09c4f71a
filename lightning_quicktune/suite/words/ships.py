"""Words for questions about ships."""

from __future__ import annotations

from lightning_quicktune.suite.knowledge import Attribute, Domain
from lightning_quicktune.suite.values import Dates, Labels, Numbers, People, Phrases, Places

SHIPS = Domain(
    "ships",
    ("Queen {}", "Lady {}", "Old {}"),
    (
        Attribute(
            "captain",
            People(),
            ("captain of {e}", "person in command of {e}", "master of {e}"),
            ("who sails {e}", "who commands {e}", "under whom {e} goes to sea"),
            ("the captain of {e} is {v}.", "{v} commands {e}."),
        ),
        Attribute(
            "yard",
            Places("{} Yard"),
            ("yard of {e}", "place where {e} was built", "builder of {e}"),
            ("where {e} was built", "which yard built {e}", "from where {e} set out first"),
            ("{e} was built at {v}.", "the yard of {e} is {v}."),
        ),
        Attribute(
            "length",
            Numbers(20, 399),
            ("length of {e}", "size of {e} in feet", "measure of {e} from bow to stern"),
            ("how long {e} is", "what length {e} has", "how many feet {e} measures"),
            ("{e} is {v} feet long.", "the length of {e} is {v} feet."),
        ),
        Attribute(
            "launch",
            Dates(1850, 1979),
            ("launch date of {e}", "day of the launch of {e}", "day on which {e} first swam"),
            ("when {e} was launched", "when {e} left the dock", "on which day {e} touched water"),
            ("{e} was launched on {v}.", "{e} left the dock on {v}."),
        ),
        Attribute(
            "cargo",
            Labels(
                (
                    *("coal", "grain", "timber", "cotton", "salt", "oil"),
                    *("wine", "cattle", "rice", "iron", "sugar", "mail"),
                )
            ),
            ("cargo of {e}", "load of {e}", "goods on board of {e}"),
            ("what {e} carries", "which cargo {e} loads", "what lies in the hold of {e}"),
            ("{e} carries {v}.", "the cargo of {e} is {v}."),
        ),
        Attribute(
            "figurehead",
            Phrases(
                (
                    ("a gilded", "a wooden", "a smiling", "a faded", "a winged", "a blind"),
                    ("lion", "swan", "maiden", "dragon", "horse", "giant"),
                    ("with a crown", "with a spear", "with a harp", "with a torch", "with a shell", "with a key"),
                )
            ),
            ("figurehead of {e}", "carving on {e}", "ornament at the bow of {e}"),
            ("what adorns {e}", "which figurehead {e} has", "what is carved on the bow of {e}"),
            ("the figurehead of {e} is {v}.", "{v} adorns {e}."),
        ),
    ),
)
