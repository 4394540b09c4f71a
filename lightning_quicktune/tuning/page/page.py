"""The page of a search: one HTML file that needs no network, made of an ``Outcome`` and nothing else."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lightning_quicktune.surrogate.intervals import COVERAGE
from lightning_quicktune.tuning.outcome import Outcome
from lightning_quicktune.tuning.page.answers import cards
from lightning_quicktune.tuning.page.comparison_rows import comparison
from lightning_quicktune.tuning.page.forecast_figures import gain_interval, predicted_observed
from lightning_quicktune.tuning.page.parallel import parallel_coordinates
from lightning_quicktune.tuning.page.search_figures import learning_curves, score_over_time
from lightning_quicktune.tuning.page.trials import chosen_settings, differences, trial_rows
from lightning_quicktune.tuning.page.use import next_steps, recipes
from lightning_quicktune.tuning.tried import runner_up
from lightning_quicktune.tuning.verdict_words import judgement, recipe_name, spaced
from lightning_quicktune.tuning.words import describe

_PLACE = "assets/page"


def page(outcome: Outcome) -> str:
    """The whole page; whatever text the records have, it shows as text.

    Args:
        outcome: What the search did and found.

    Returns:
        HTML that can be written as UTF-8.
    """
    environment = Environment(
        loader=PackageLoader("lightning_quicktune", _PLACE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"describe": describe, "spaced": spaced, "ticked": _ticked}
    style, script = _asset("page.css"), _asset("page.js")
    second = runner_up(outcome)
    html = environment.get_template("page.html").render(
        outcome=outcome,
        task=outcome.task,
        chosen=outcome.incumbent,
        judgement=judgement(outcome),
        comparison=comparison(outcome),
        cards=cards(outcome.answers, recipe_name(outcome)),
        chosen_settings=chosen_settings(outcome),
        recipes=recipes(outcome),
        next_steps=next_steps(outcome),
        pictures={
            "gain": gain_interval(outcome),
            "curves": learning_curves(outcome),
            "time": score_over_time(outcome),
            "parallel": parallel_coordinates(outcome),
            "forecasts": predicted_observed(outcome),
        },
        trials=trial_rows(outcome),
        second=second,
        second_differs=differences(second.configuration, outcome.incumbent.configuration)
        if second is not None and outcome.incumbent is not None
        else [],
        made=_when(outcome.created),
        coverage=COVERAGE,
        style=Markup(style),
        script=Markup(script),
        script_hash=_hash(script),
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def _when(created: str) -> str:
    """A time for people, such as ``27 November 2026, 23:40 UTC``."""
    time = datetime.fromisoformat(created)
    return f"{time.day} {time:%B %Y, %H:%M %Z}".strip()


def _ticked(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(p) if place % 2 else escape(p) for place, p in parts)


def _asset(name: str) -> str:
    return (files("lightning_quicktune") / _PLACE / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """The hash by which a browser knows the page's own script, and runs no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
