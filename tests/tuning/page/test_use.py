import ast
import shlex
from dataclasses import replace

from lightning_quicktune.tuning.page.use import next_steps, recipes

WITH_SPACE = "/my runs/shop's/result/adapter"


def test_python_on_the_page_parses_and_names_the_folder(make_outcome):
    for recipe, kind in (("class_path: CausalLMFinetuner", "CausalLM"), ("class_path: Seq2SeqFinetuner", "Seq2SeqLM")):
        loading = next_steps(make_outcome(adapter=WITH_SPACE, fit_yaml=recipe))[1]
        tree = ast.parse(loading.text)
        assert {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} == {WITH_SPACE}
        assert f"AutoPeftModelFor{kind}" in [alias.name for alias in tree.body[0].names]


def test_commands_on_the_page_keep_folders_with_spaces_whole(make_outcome):
    outcome = make_outcome(adapter=WITH_SPACE)
    asking, *_, again = next_steps(outcome)
    assert shlex.split(asking.text) == ["lightning-quicktune", "chat", "/my runs/shop's"]
    assert shlex.split(recipes(outcome)[0].text)[-1] == "/my runs/shop's/result/fit.yaml"
    assert again.text == outcome.command


def test_other_trainers_are_for_the_screen_and_say_how_to_get_the_records(make_outcome):
    command, recipe, *others = recipes(make_outcome())
    assert [each.is_foreign for each in (command, recipe, *others)] == [False, False, True, True, True]
    assert [each.title for each in others] == [
        "As a script for TRL",
        "As Axolotl settings",
        "As LLaMA-Factory settings",
    ]
    assert "export --fit runs/shop/result/fit.yaml --as axolotl --output axolotl" in others[1].about


def test_without_an_adapter_only_the_search_can_be_started(make_outcome):
    nothing = replace(make_outcome(), adapter=None)
    assert recipes(nothing) == []
    assert [step.title for step in next_steps(nothing)] == ["Go on, or start this search again"]
