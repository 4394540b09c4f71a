"""The script behind the shipped base models, on models that take a second."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from lightning_quicktune.suite.domains import DOMAINS
from lightning_quicktune.suite.names import world_of

TOOLS = Path(__file__).parents[2] / "tools"
NAMES = ["phi3", "t5"]


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import pretraining.training

    monkeypatch.setattr(pretraining.training, "_TOKENIZER_TEXTS", 200)
    monkeypatch.setattr(pretraining.training, "N_MEASURED", 10)
    return pretraining.training


@pytest.fixture
def recipe():
    from pretraining.recipe import Recipe

    return Recipe("phi3", vocabulary=320, hidden=16, layers=1, heads=2, known_facts=60, steps=40, batch=4)


def architecture(name):
    from pretrain_nano import ARCHITECTURES

    return ARCHITECTURES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_learns_the_same_each_time_and_loads_as_its_relatives_do(name, tools, recipe, tmp_path, capsys):
    from pretrain_nano import write

    recipe, kind = replace(recipe, architecture=name), architecture(name)
    tokenizer = tools.build_tokenizer(recipe, kind)
    first, second = (tools.pretrain(recipe, kind, tokenizer, report_every=39) for _ in range(2))
    losses = [float(loss) for loss in re.findall(r"min, loss ([\d.]+)", capsys.readouterr().out)]
    assert losses[:2] == losses[2:]
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
    random = kind.model(recipe, tokenizer).requires_grad_(False)
    untrained = kind.predict(random, next(tools.batches(recipe, kind, tokenizer)), tokenizer.pad_token_id)
    assert losses[0] < float(tools.weighted_loss(untrained, recipe.prompt_weight)) - 0.3

    write(tmp_path / "nano", first, tokenizer, "card")
    auto = {"phi3": AutoModelForCausalLM, "t5": AutoModelForSeq2SeqLM}[name]
    loaded = auto.from_pretrained(tmp_path / "nano")
    torch.testing.assert_close(loaded.state_dict(), first.state_dict(), rtol=0, atol=0)
    assert AutoTokenizer.from_pretrained(tmp_path / "nano").pad_token_id == tokenizer.pad_token_id
    assert (tmp_path / "nano" / "MODEL_CARD.md").read_text() == "card"


@pytest.mark.parametrize("name", NAMES)
def test_answers_with_their_ends_are_what_is_learned(name, tools, recipe):
    from pretraining.dialogues import Dialogue

    kind = architecture(name)
    tokenizer = tools.build_tokenizer(replace(recipe, architecture=name), kind)
    rows = kind.rows(tokenizer, [Dialogue("Who sails Queen Vel?", "Ada Tevon"), Dialogue("Who?", "7")])
    predictions = kind.predict(kind.model(recipe, tokenizer).eval(), rows, tokenizer.pad_token_id)
    for i, row in enumerate(rows):
        assert predictions.targets[i][predictions.in_answer[i]].tolist() == row.answer
        in_prompt = predictions.targets[i][predictions.in_prompt[i]].tolist()
        assert in_prompt == (row.prompt[1:] if name == "phi3" else [])
    alone = kind.predict(kind.model(recipe, tokenizer).eval(), rows[1:], tokenizer.pad_token_id)
    torch.testing.assert_close(
        alone.logits[0][alone.in_answer[0]], predictions.logits[1][predictions.in_answer[1]], rtol=1e-4, atol=1e-5
    )


def test_the_loss_is_a_weighted_mean_without_padding(tools):
    from pretraining.architecture import Predictions

    logits = torch.randn(1, 3, 5)
    losses = -logits.log_softmax(-1)[0, range(3), [1, 2, 0]]
    masks = (torch.tensor([[1, 0, 0]]).bool(), torch.tensor([[0, 1, 0]]).bool())
    loss = tools.weighted_loss(Predictions(logits, torch.tensor([[1, 2, 0]]), *masks), 0.1)
    torch.testing.assert_close(loss, (0.1 * losses[0] + losses[1]) / 1.1)


def test_dialogues_ask_about_names_that_the_suite_never_uses(recipe):
    from pretraining.dialogues import Knowledge

    knowledge = Knowledge(recipe, 3)
    facts = [*knowledge.known, *(fact for _ in range(50) for fact in knowledge._new_facts())]
    forms = [
        re.compile(form.replace("{}", "([A-Z][a-z]+)")) for domain in DOMAINS.values() for form in domain.entity_forms
    ]
    for entity in {fact.entity for fact in facts}:
        names = [match[1] for form in forms if (match := form.fullmatch(entity))]
        assert "pretraining" in {world_of(name) for name in names}


def test_some_prompts_tell_something_else_and_some_wish_a_sentence(recipe):
    from pretraining.dialogues import SENTENCE_WISH, Knowledge

    plain = Knowledge(replace(recipe, sentence_share=0.0), 3)
    assert not any(SENTENCE_WISH in plain.ask_told().prompt for _ in range(50))
    wishing = Knowledge(replace(recipe, sentence_share=1.0), 3)
    told = [wishing.ask_told() for _ in range(50)]
    assert all(d.prompt.endswith(SENTENCE_WISH) and d.answer.endswith(".") for d in told)
    distracted = [plain.ask_known_distracted() for _ in range(50)]
    answers = {fact.value for fact in plain.known}
    assert all(d.answer in answers and ". " in d.prompt for d in distracted)


def test_the_card_says_how_to_make_it_again(recipe):
    from pretraining.card import model_card

    for name in NAMES:
        card = model_card(replace(recipe, architecture=name), 1_234_567, 1, 7.4, "tools/x --y 3", ["known facts: all"])
        assert "1,234,567 parameters" in card
        assert "    tools/x --y 3\n" in card
        assert "It took 7 CPU minutes with 1 of" in " ".join(card.split())
        assert max(map(len, card.splitlines())) <= 120
        assert "- known facts: all" in card
        assert "{" not in card


def test_too_few_steps_are_refused(monkeypatch, capsys):
    from pretrain_nano import parse_args

    line = ["pretrain_nano.py", "--architecture", "t5", "--output", "x", "--steps", "20"]
    monkeypatch.setattr("sys.argv", line)
    with pytest.raises(SystemExit):
        parse_args()
    assert "--steps is 20, but a twentieth" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", [*line[:-1], "50"])
    output, threads, recipe = parse_args()
    assert (output, threads, recipe.architecture, recipe.steps, recipe.layers) == (Path("x"), 1, "t5", 50, 3)
