import re

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from lightning_quicktune.cli.main import main
from lightning_quicktune.evaluation.evaluate import evaluate
from lightning_quicktune.evaluation.overview import evaluate_variants
from lightning_quicktune.evaluation.settings import Claim, Variant
from lightning_quicktune.metadataset.folder import load


@pytest.fixture
def two(settings):
    def make(**changes):
        variants = [Variant("whole"), Variant("named", held_out=["t1", "t2"], train_share=0.5)]
        claims = [Claim("Halving beats the default.", "successive_halving", "default")]
        return settings(variants=variants, claims=claims, **changes)

    return make


def test_variants_are_evaluated_as_if_each_were_alone_and_laid_side_by_side(two, settings, tracking, tmp_path):
    found = evaluate_variants(two())
    alone = evaluate(settings(held_out=["t1", "t2"], train_share=0.5, output=str(tmp_path / "alone")))
    summary, same = found.variants["named"].summaries["known"][0], alone.summaries["known"][0]
    assert summary.regret.tolist() == same.regret.tolist()
    assert (tmp_path / "evaluation" / "named" / "report" / "report.md").is_file()
    text = found.report.read_text()
    assert "| method | whole, 0.5 | whole, 2 | whole, 4 | named, 0.5 | named, 2 | named, 4 |" in text
    assert f"| {summary.regret[1, 2]:.3f} [" in text
    assert "- named: " in text
    assert ", 50% of the datasets learned from; 2 tasks of 2 clusters replayed, 0 left out; 2 tasks held out;" in text
    rows = pd.read_parquet(found.report.parent / "results.parquet")
    assert rows.groupby("variant")["task"].nunique().to_dict() == {"named": 2, "whole": 5}
    run = MlflowClient(tracking.uri).get_run(found.run_id)
    assert run.data.metrics["named/known/random/regret_4"] == pytest.approx(float(summary.regret[1, 2]))


def test_a_claim_holds_is_open_or_is_contradicted_by_its_interval(two):
    found = evaluate_variants(two())
    (row,) = re.findall(r"^\| Halving beats the default\. \| (.*) \|$", found.report.read_text(), re.MULTILINE)
    cells = row.split(" | ")
    assert len(cells) == 6
    pairs = [p for each in found.variants.values() for p in each.comparisons if p.against == "default"]
    for cell, pair in zip(cells, pairs, strict=True):
        word = "holds" if pair.lower > 0 else "contradicted" if pair.upper < 0 else "open"
        assert cell == f"{pair.gain:+.3f} [{pair.lower:+.3f}, {pair.upper:+.3f}] {word}"


def test_experience_of_another_table_is_told(settings, source):
    found = evaluate_variants(settings(variants=[Variant("other", learn_from=[source])], methods=["portfolio"]))
    assert f"- other: {source}, learned from {source}; " in found.report.read_text()
    (each,) = found.variants.values()
    assert f"methods learn from {source} without the datasets of the replayed fold." in each.report.read_text()


def test_a_stand_in_for_a_recipe_is_told(settings, monkeypatch, source):
    space = load(source).space
    (wanted,) = space.sample(1, seed=99)
    for name in ("replay.strong", "evaluation.evaluate"):
        monkeypatch.setattr(f"lightning_quicktune.{name}.strong_configuration", lambda _: wanted)
    text = evaluate(settings(methods=["strong", "random"], n_seeds=1)).report.read_text()
    assert "- strong: the recipe itself was not recorded on 5 of 5 tasks, where the nearest" in text


def test_the_command_prints_the_overview(source, tracking, tmp_path, capsys):
    words = ["--meta_dataset", source, "--output", str(tmp_path / "out"), "--methods", "[random]", "--n_folds", "2"]
    words += ["--budgets", "[1, 2]", "--n_seeds", "1", "--variants", "[{name: a}, {name: b, folds: dataset}]"]
    assert main(["evaluate", *words, "--tracking", f"{{experiment: printed, uri: '{tracking.uri}'}}"]) == 0
    assert "| method | a, 1 | a, 2 | b, 1 | b, 2 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": [Variant("a"), Variant("a")]}, r"`variants` has the names \['a', 'a'\], .*Name each once"),
        ({"claims": [Claim("", "random", "default")]}, r"`claims` are borne out or not by `variants`, of which"),
        (
            {"variants": [Variant("a")], "claims": [Claim("", "randon", "default")]},
            r"`claims.method` is 'randon', but it must be one of successive_halving, random",
        ),
        (
            {"variants": [Variant("a")], "claims": [Claim("", "random", "random")]},
            r"`claims.against` is 'random', but it must be one of successive_halving, default",
        ),
    ],
)
def test_settings_that_make_no_sense(settings, changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_the_name_of_a_variant_is_that_of_a_folder():
    with pytest.raises(ValueError, match=r"`variants` has the name '../a', but it is the name of a folder"):
        Variant("../a")
