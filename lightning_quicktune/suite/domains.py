"""The domains of the suite: kinds of invented entities, and what there is to know about each."""

from __future__ import annotations

from lightning_quicktune.suite.words.birds import BIRDS
from lightning_quicktune.suite.words.companies import COMPANIES
from lightning_quicktune.suite.words.engines import ENGINES
from lightning_quicktune.suite.words.festivals import FESTIVALS
from lightning_quicktune.suite.words.medicines import MEDICINES
from lightning_quicktune.suite.words.minerals import MINERALS
from lightning_quicktune.suite.words.operas import OPERAS
from lightning_quicktune.suite.words.ships import SHIPS
from lightning_quicktune.suite.words.statutes import STATUTES
from lightning_quicktune.suite.words.towns import TOWNS

DOMAINS = {
    domain.name: domain
    for domain in (
        *(COMPANIES, MINERALS, STATUTES, MEDICINES, TOWNS),
        *(SHIPS, BIRDS, OPERAS, ENGINES, FESTIVALS),
    )
}
