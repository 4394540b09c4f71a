import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lightning_quicktune.tuning.page.page import page
from lightning_quicktune.tuning.report import report
from lightning_quicktune.tuning.rows import Answer, Gain
from lightning_quicktune.types import Configuration

MARKUP = (
    '<script>window.pwned = 1</script><img src=x onerror="pwned()"></style></script></pre><!-- {{ 7 * 7 }} {% raw %} '
    "&lt; &amp; ]]> ' \" ` $x$ \\alpha javascript:alert(1)"
)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Elements(HTMLParser):
    """Elements with the names of their attributes, the text between them, and whether all are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text, self.open, self.ids, self.attributes = [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(sorted(name for name, _ in attrs if name != "style"))))
        self.ids += [value for name, value in attrs if name == "id"]
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.remove(tag) if tag not in VOID else None

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def words(outcome):
    return " ".join("".join(Elements(page(outcome)).text).split())


def with_text(make_outcome, text):
    """An outcome with ``text`` wherever a user, a model or a file name may bring any."""
    outcome = make_outcome()
    return replace(
        outcome,
        task=replace(outcome.task, name=text, base_model=replace(outcome.task.base_model, name=text.replace("`", ""))),
        command=text,
        answers=(Answer(text, text, text, text, text, True),),
        left_out=(text.replace("`", ""),),
        similar=(replace(outcome.similar[0], task=text, words=text),),
        importance=((text, 0.4),),
        carried={"trl": text},
        fit_yaml=text,
        links={"mlflow": f"javascript:{text}"},
        rows=tuple(replace(row, values={"recipe": text}) if row.values else row for row in outcome.rows),
    )


def without_parts(make_outcome):
    nothing = make_outcome()
    state = replace(nothing.result.state, incumbent=None)
    bare = {"incumbent": None, "gain": None, "answers": (), "verdict": None, "bands": {}, "importance": ()}
    bare |= {"similar": (), "outlook": None, "left_out": (), "fit_yaml": "", "carried": {}, "adapter": None}
    result = replace(nothing.result, state=state, entries=nothing.result.entries[3:5])
    return replace(nothing, result=result, rows=nothing.rows[:1], links={}, **bare)


def recipe_chosen(make_outcome):
    """The user's recipe was best, and is no point of the search space."""
    outcome = make_outcome()
    recipe = replace(outcome.row("recipe"), values={"optimizer": "adamw", "weight_decay": 0.0}, config_id="recipe")
    incumbent = replace(outcome.incumbent, configuration=Configuration(recipe.values))
    rows = (*outcome.rows[:2], recipe, replace(recipe, name="chosen"))
    return replace(outcome, rows=rows, incumbent=incumbent, gain=Gain("recipe", "label_accuracy", 0.0, 0.0, 0.0, 63))


VARIANTS = {
    "all parts": lambda make: make(),
    "one trial": lambda make: make(n_trials=1),
    "300 trials": lambda make: make(n_trials=300),
    "one record": lambda make: make(n_records=1),
    "no forecasts": lambda make: make(verdict=None, bands={}),
    "no comparison": lambda make: make(gain=None, rows=make().rows[-1:]),
    "nothing found": without_parts,
    "recipe chosen": recipe_chosen,
    "nothing searched": lambda make: replace(recipe_chosen(make), result=replace(make().result, entries=())),
    "markup": lambda make: with_text(make, MARKUP),
    "a long word": lambda make: with_text(make, "supercalifragilistic" * 300),
}


@pytest.fixture
def without_figures(monkeypatch):
    """Leaves out what takes most of a page's time, where a test is about something else."""
    for name in ("gain_interval", "learning_curves", "score_over_time", "parallel_coordinates", "predicted_observed"):
        monkeypatch.setattr(f"lightning_quicktune.tuning.page.page.{name}", lambda outcome: None)


@pytest.fixture(params=VARIANTS, ids=lambda name: name.replace(" ", "-"))
def variant(request, make_outcome):
    return VARIANTS[request.param](make_outcome)


def test_every_variant_is_one_small_whole_file_that_asks_for_nothing(variant):
    html = page(variant)
    elements = Elements(html)
    assert len(html.encode()) < 1_000_000
    assert [name for name, n in Counter(elements.ids).items() if n > 1] == []
    sources = [value for name, value in elements.attributes if name in ("src", "href", "xlink:href", "action")]
    assert [s for s in sources if not s.startswith(("#", "http://localhost:5000/"))] == []
    assert not re.search(r"@import|url\((?!#)", html.split("<body>")[0])
    assert {s[1:] for s in sources if s.startswith("#")} <= set(elements.ids)


@pytest.mark.usefixtures("without_figures")
def test_only_its_own_script_may_run(make_outcome):
    html = page(with_text(make_outcome, MARKUP))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


@pytest.mark.usefixtures("without_figures")
def test_markup_in_any_text_changes_no_element_and_is_shown_as_it_is(make_outcome):
    plain, marked = (Elements(page(with_text(make_outcome, text))) for text in ("x" * len(MARKUP), MARKUP))
    assert marked.found == plain.found
    shown = Counter(text.count(MARKUP) for text in marked.text)
    assert shown[1] >= 10
    assert "49" not in "".join(t for t in marked.text if "7 * 7" in t)


@pytest.mark.usefixtures("without_figures")
def test_a_link_that_is_no_web_address_is_text(make_outcome):
    html = page(make_outcome(links={"mlflow": "javascript:alert(1)"}))
    assert "javascript:alert(1)" in html
    assert all(value != "javascript:alert(1)" for _, value in Elements(html).attributes)


def test_the_verdict_comes_first_and_then_the_answers(make_outcome):
    text = words(make_outcome())
    parts = ("by 0.210", "side by side", "As YAML", "Learning curves on", "Best validation score", "Each path")
    order = [text.rindex(part) for part in (*parts, "What mattered", "earlier tasks told", "Every trial", "with peft")]
    assert order == sorted(order)


@pytest.mark.usefixtures("without_figures")
def test_a_long_answer_is_folded_and_a_very_long_one_is_cut(make_outcome):
    answer = Answer("Why?", "because", "b" * 5_000, "c" * 100_000, "because", True)
    html = page(make_outcome(answers=(answer,)))
    assert html.count("b" * 4_300) == 1
    assert "c" * 6_000 not in html
    assert "the rest (4,300 more characters)" in html
    assert "94,000 characters are left out of this page" in html


@pytest.mark.usefixtures("without_figures")
def test_signs_that_no_page_can_hold_are_replaced(make_outcome):
    answer = Answer("a\x00b\ud800c", "\x1b[1m", "x", None, "\u202egnp.exe", False)
    html = page(make_outcome(answers=(answer,), carried={"trl": "\ud800"}))
    assert html.encode("utf-8").decode("utf-8") == html
    assert "\x00" not in html
    assert "\x1b" not in html


@pytest.mark.usefixtures("without_figures")
def test_what_failed_is_told_from_what_was_interrupted(make_outcome):
    text = words(make_outcome())
    assert text.count("interrupted by errors") == 1
    assert "failed" in text


@pytest.mark.usefixtures("without_figures")
def test_answers_are_marked_against_the_reference(make_outcome):
    answer = Answer("How many?", "The 3 boxes.", "3 Boxes", "4", "", True)
    text = words(make_outcome(answers=(answer,)))
    assert "base model ✓as the reference 3 Boxes" in text
    assert "your recipe ✗not as the reference 4" in text
    assert "tuned ✗not as the reference (nothing)" in text


@pytest.mark.usefixtures("without_figures")
def test_a_recipe_that_was_best_itself_is_no_gain(make_outcome):
    text = words(recipe_chosen(make_outcome))
    assert "Nothing better than your recipe as written" in text
    assert "rises by" not in text
    assert text.count("chosen: your recipe as written") == 2
    assert "tuned 0." not in text


@pytest.mark.usefixtures("without_figures")
def test_a_recipe_of_the_package_is_nowhere_called_the_user_s(make_outcome):
    shipped = make_outcome(has_shipped_recipe=True)
    for text in (words(shipped), report(shipped, None)):
        assert "the shipped recipe" in text
        assert "your recipe" not in text.lower()


@pytest.mark.usefixtures("without_figures")
def test_without_a_recipe_no_answer_of_it_is_shown(make_outcome):
    text = words(make_outcome(answers=(Answer("q", "r", "b", None, "c", False),)))
    assert "your recipe ✗" not in text


@pytest.mark.usefixtures("without_figures")
def test_a_likelihood_is_shown_beside_how_many_are_right(make_outcome):
    outcome = make_outcome()
    assert "label accuracy 0.619 (39 of 63)" not in words(outcome)
    likely = replace(outcome, task=replace(outcome.task, metric="answer_likelihood"))
    assert "0.510 label accuracy 0.619 (39 of 63)" in words(likely)
