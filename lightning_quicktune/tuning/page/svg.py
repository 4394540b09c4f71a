"""Figures as inline SVG: small, with text that stays text, in colours that follow the page's theme."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours of the light theme; each becomes the page's variable of that name, with itself as the fallback.
INK, FAINT, OTHER = "#1b1f24", "#d0d7de", "#8c959f"
CHOSEN, RECIPE, DEFAULT, STRONG = "#0b57b0", "#a04f00", "#0f766e", "#7d4fb2"
OFF = "#b3261e"  # beside what was expected
_VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    OTHER: "other",
    CHOSEN: "chosen",
    RECIPE: "recipe",
    DEFAULT: "default",
    STRONG: "strong",
    OFF: "wrong",
}
WIDTH = 5.0  # inches, 360 units of the view box: readable on a telephone
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "page",
    "font.size": 12.0,
    "axes.edgecolor": OTHER,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 11.0,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "xtick.labelsize": 11.0,
    "ytick.color": INK,
    "ytick.labelsize": 11.0,
}
_PROLOGUE = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_ID, _REFERENCE = re.compile(r'\sid="([^"]+)"'), re.compile(r'(url\(|href=")#')
_GEOMETRY = re.compile(r'\s(?:d|x|y|width|height|transform)="[^"]*"')
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_LEFT_TO_THE_PAGE = re.compile(r' font-family: [^;"]*;| transform="rotate\(-0 [^"]*"')


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Args:
        svg: The drawing, safe as it stands.
        caption: What it shows, as a reader sees it.
    """

    svg: Markup
    caption: str


@contextmanager
def settings() -> Iterator[None]:
    """The settings within which a figure is made and drawn."""
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]  # the stubs list each key
        yield


@contextmanager
def quiet_glyphs() -> Iterator[None]:
    """Says nothing of signs that matplotlib's font lacks: an SVG is drawn with the reader's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """An empty figure of one plot, of so many inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def inline(figure: Figure, name: str, says: str) -> Markup:
    """The figure as an element of an HTML page, without fonts, scripts, styles of its own, or fixed size.

    Args:
        figure: What to draw.
        name: Short name, unlike that of any other figure of the page; keeps the ids inside apart.
        says: What somebody reads who can't see it.
    """
    buffer = io.StringIO()
    with quiet_glyphs():
        figure.savefig(buffer, format="svg", transparent=True)
    text = _PROLOGUE.sub("", buffer.getvalue())
    text = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", text, count=2)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    text = _TAG.sub(lambda tag: _plain(tag[0], name, used), text)
    text = re.sub(r">\s+<", "><", text).strip().removeprefix("<svg ")  # matplotlib escapes what is text
    return Markup(f'<svg role="img" aria-label="{escape(says)}" {text}')


def _plain(tag: str, name: str, used: Collection[str]) -> str:
    """A tag with the ids that something refers to, the colours of the page, and no more digits than it takes."""
    tag = _ID.sub(lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", tag)
    tag = _REFERENCE.sub(rf"\1#{name}-", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, f"var(--{variable}, {colour})")
    return _LEFT_TO_THE_PAGE.sub("", _GEOMETRY.sub(_rounded, tag))


def _rounded(attribute: re.Match[str]) -> str:
    """An attribute with numbers of one digit after the point, on one line."""
    numbers = _NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), attribute[0])
    return " " + " ".join(numbers.split()).replace('" ', '"').replace(' "', '"')
