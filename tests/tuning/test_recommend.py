import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lightning_quicktune.cli.main import main
from lightning_quicktune.cli.parsing import parse_settings
from lightning_quicktune.compose import build, read_yaml, to_yaml
from lightning_quicktune.metadataset.examples import Examples
from lightning_quicktune.metadataset.layout import Layout
from lightning_quicktune.search.pool import candidate_pool
from lightning_quicktune.space.border import at_border
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.surrogate.artifact import read_cost, read_performance, save_surrogate
from lightning_quicktune.surrogate.card import SurrogateCard
from lightning_quicktune.surrogate.cost_model import CostModel
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.surrogate.performance_model import PerformanceModel
from lightning_quicktune.surrogate.scale import to_score
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.tuning import recommend as recommend_module
from lightning_quicktune.tuning.experience import Experience
from lightning_quicktune.tuning.recommend import rank, recommend
from lightning_quicktune.tuning.settings import RecommendSettings
from lightning_quicktune.types import BaseModelInfo, TaskInfo

N_SUPPORT = 40


@pytest.fixture
def make_surrogates(tmp_path):
    """Surrogates without training, whose support points say that a high learning rate is good."""

    def make(space):
        layout = Layout(n_configuration=len(space.encoded_names), meta_features=(), max_fidelity=3)
        card = SurrogateCard("performance", space, layout, "answer_likelihood", ("tiny-phi3",), 8, 4)
        encoded = space.encode(space.sample(N_SUPPORT, seed=9))
        inputs = np.zeros((N_SUPPORT, layout.width))
        inputs[:, : layout.n_configuration] = encoded
        inputs[:, -1] = 1.0
        latent = 3.0 * encoded[:, space.encoded_names.index("lr")]
        performance = PerformanceModel(card, N_SUPPORT)
        performance.temperature.fill_(1.5)
        performance.set_support(Examples(inputs, latent, np.full(N_SUPPORT, np.nan)))
        save_surrogate(performance, tmp_path / "performance")
        save_surrogate(CostModel(replace(card, kind="cost")), tmp_path / "cost")
        return {"performance": str(tmp_path / "performance"), "cost": str(tmp_path / "cost")}

    return make


@pytest.fixture
def surrogates(make_surrogates, small_space):
    return make_surrogates(small_space)


@pytest.fixture
def settings(tmp_path, fit_config, colour_task, surrogates):
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))

    def make(**changes) -> RecommendSettings:
        plain = {
            "task": str(colour_task),
            "recipe": "recipe.yaml",
            "output": str(tmp_path / "out"),
            "surrogates": surrogates,
            "k": 3,
            "pool_size": 12,
            "seed": 4,
        }
        (tmp_path / "recommend.yaml").write_text(yaml.safe_dump({**plain, **changes}))
        return parse_settings("recommend", RecommendSettings, ["--config", str(tmp_path / "recommend.yaml")])

    return make


def test_columns_reach_the_reader(settings):
    with pytest.raises(ValueError, match=r"no `Frage`, which `data.init_args.reading.columns` names as `question`"):
        recommend(settings(columns="question=Frage"))


def test_the_best_predicted_come_first(settings, small_space, surrogates, fit_config, colour_task, tmp_path):
    found = recommend(settings())
    task = set_up_task(str(colour_task), fit_config, 3, tmp_path / "again").info
    pool = candidate_pool(small_space, 11, 4)
    model = read_performance(surrogates["performance"])
    mean, std = model.predict(task, pool, [()] * 12, [3] * 12)
    expected = [pool[i] for i in np.argsort(-mean, kind="stable")]
    assert [r.configuration for r in found.recommendations] == expected[:3]
    assert found.default.rank == expected.index(small_space.default) + 1
    place, last = int(np.argmax(mean)), found.recommendations[0].curve[-1]
    reach = 1.6448536269514722 * 1.5 * std[place]  # as wide as `predict` writes it
    scores = to_score(np.array([mean[place], mean[place] - reach, mean[place] + reach]), task.zero_shot_score)
    np.testing.assert_allclose([last.score, last.lower, last.upper], scores)
    assert [each.fidelity for each in found.recommendations[0].curve] == [1, 2, 3]


def test_each_yaml_is_what_fit_takes(settings, small_space, tmp_path):
    found = recommend(settings())
    names = sorted(path.name for path in (tmp_path / "out").glob("*.yaml"))
    assert names == [f"{r.rank:02d}-{r.configuration.id}.yaml" for r in found.recommendations]
    fit = read_yaml(tmp_path / "out" / names[0])
    values = found.recommendations[0].configuration.values
    assert fit["model"]["init_args"]["optimizer"]["init_args"]["lr"] == values["lr"]
    assert (fit["seed_everything"], fit["trainer"]["max_epochs"]) == (4, 3)
    assert build(fit).model.lora.rank == values["lora_rank"]


def test_the_cost_is_that_of_a_full_training_on_this_device(settings, tmp_path, monkeypatch):
    """An untrained cost surrogate of zero weights says one reference step per record."""
    monkeypatch.setattr("lightning_quicktune.tuning.recommend.time_reference_step", lambda fit: 0.5)
    model = read_cost(tmp_path / "cost")
    for parameter in model.parameters():
        parameter.data.zero_()
    save_surrogate(model, tmp_path / "cost")
    found = recommend(settings(k=1))
    assert found.recommendations[0].cost_s == pytest.approx(3 * 16 * 0.5)


def test_the_table_says_what_is_expected(settings, tmp_path):
    found = recommend(settings())
    text = (tmp_path / "out" / "recommendations.md").read_text()
    assert text == found.table
    assert "The best 3 of 12 candidates by predicted answer_likelihood" in text
    for each in found.recommendations:
        assert f"| {each.configuration.id} | {each.curve[-1].score:.3f} |" in text
    assert f"{found.default.rank} (default)" in text
    assert f"fit --config {tmp_path / 'out' / found.recommendations[0].file}`" in text
    record = json.loads((tmp_path / "out" / "recommendations.json").read_text())
    assert [r["config_id"] for r in record["recommendations"]] == [r.configuration.id for r in found.recommendations]


def test_the_table_says_where_the_best_is_at_the_border(settings, tmp_path):
    """Of the twelve candidates some have the largest of two ranks, which is the default."""
    found = recommend(settings())
    border = [b.words for b in at_border(found_space(settings), found.recommendations[0].configuration)]
    assert any("lora_rank" in words for words in border)
    for words in border:
        assert f"- {words}" in found.table


def found_space(settings):
    return SearchSpace.from_dict(json.loads((Path(settings().surrogates.cost) / "surrogate.json").read_text())["space"])


@pytest.mark.usefixtures("two_threads")
def test_it_predicts_on_one_thread_and_times_the_device_on_its_own(settings, monkeypatch):
    threads, predict, step = {}, PerformanceModel.predict, recommend_module.time_reference_step

    def noted(name, call):
        return lambda *a: threads.update({name: torch.get_num_threads()}) or call(*a)

    monkeypatch.setattr(PerformanceModel, "predict", noted("predict", predict))
    monkeypatch.setattr(recommend_module, "time_reference_step", noted("step", step))
    recommend(settings(k=1))
    assert threads == {"predict": 1, "step": 2}


def test_what_lies_beyond_all_scores_is_shown_as_the_last_one_and_ranked_as_it_is(small_space):
    class Curves(CurveModel):
        def __init__(self):
            pass

        def predict(self, task, pool):
            mean = np.array([[0.5, 1.1], [0.6, 1.2], [-0.1, 0.9]])
            return mean, np.full((3, 2), 0.1)

        def predict_cost(self, task, pool, reference_step_s):
            return np.ones(3)

    base = BaseModelInfo("tiny-phi3", 1000, "ab")
    task = TaskInfo("new", base, "answer_likelihood", 2, 16, 0.2)
    ranked = rank(small_space.sample(3, seed=0), task, Experience(curves=Curves), 1.0)
    assert [[s.score for s in r.curve] for r in ranked] == [[0.6, 1.0], [0.5, 1.0], [0.0, 0.9]]
    assert all(0 <= s.lower <= s.score <= s.upper <= 1 for r in ranked for s in r.curve)


def test_yamls_of_an_earlier_call_go(settings, tmp_path):
    recommend(settings())
    (tmp_path / "out" / "mine.yaml").write_text("kept: true\n")
    recommend(settings(k=1))
    assert len(list((tmp_path / "out").glob("0*.yaml"))) == 1
    assert (tmp_path / "out" / "mine.yaml").is_file()


def test_the_command_prints_the_table_and_fit_takes_the_yaml(settings, tmp_path, monkeypatch, capsys):
    settings()
    assert main(["recommend", "--config", str(tmp_path / "recommend.yaml")]) == 0
    assert "# What to try first on colours" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["lightning-quicktune"])  # Lightning warns of other words
    (first,) = (tmp_path / "out").glob("01-*.yaml")
    quiet = ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--trainer.fast_dev_run", "1"]
    assert main(["fit", "--config", str(first), *quiet]) == 0


def test_another_base_model_needs_a_word(settings, tmp_path, surrogates):
    for source in surrogates.values():
        path = f"{source}/surrogate.json"
        with open(path) as file:
            record = json.load(file)
        with open(path, "w") as file:
            json.dump({**record, "base_models": ["phi3"]}, file)
    with pytest.raises(ValueError, match=r"base model phi3, but tiny-phi3 .* `allow_other_base_model: true`"):
        recommend(settings())
    assert len(recommend(settings(allow_other_base_model=True)).recommendations) == 3


def test_another_space_is_refused(settings, small_space, tmp_path):
    space = small_space.to_dict()
    del space["schedule"]
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    with pytest.raises(ValueError, match=r"another search space .*`schedule` is only in the first"):
        recommend(settings(space="space.yaml"))


def test_a_space_that_sets_unknown_keys_is_refused(settings, make_surrogates, small_space, tmp_path):
    declared = small_space.to_dict()
    declared["lora_rank"]["key"] = "model.init_args.lora.rnak"
    make_surrogates(SearchSpace.from_dict(declared))
    with pytest.raises(ValueError, match=r"search space doesn't fit the recipe: .*rnak.*Use a `recipe`"):
        recommend(settings())
    assert not list((tmp_path / "out").glob("*.yaml"))


@pytest.mark.parametrize("k", [0, 13])
def test_k_must_fit_the_pool(settings, k):
    with pytest.raises(ValueError, match=rf"`k` is {k} and `pool_size` 12, but .* Lower `k`, or raise `pool_size`"):
        settings(k=k)


def test_by_the_prior_over_curves(fit_config, colour_task, tmp_path):
    """The shipped one, which knows another base model."""
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    task, recipe = str(colour_task), str(tmp_path / "recipe.yaml")
    words = ["--task", task, "--recipe", recipe, "--output", str(tmp_path / "out"), "--allow_other_base_model", "true"]
    found = recommend(parse_settings("recommend", RecommendSettings, [*words, "--pool_size", "12", "--k", "3"]))
    scores = [each.curve[-1].score for each in found.recommendations]
    assert scores == sorted(scores, reverse=True)
    for each in found.recommendations:
        assert [s.fidelity for s in each.curve] == [1, 2, 3, 4, 5, 6]
        assert all(0 <= s.lower < s.score < s.upper <= 1 for s in each.curve)
        assert each.cost_s > 0
    curves = ["--surrogates.curves", "nano", "--k", "1", "--pool_size", "4"]
    alone = recommend(parse_settings("recommend", RecommendSettings, [*words, *curves]))
    assert alone.recommendations[0].cost_s > 0


def test_one_of_two_surrogates_is_not_enough(settings, surrogates):
    with pytest.raises(ValueError, match=r"only one of `performance` and `cost`.*Set `surrogates.curves`"):
        recommend(settings(surrogates={"performance": surrogates["performance"]}))


def test_help_names_the_options(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["recommend", "--help=all"])
    assert stopped.value.code == 0
    assert "--pool_size" in capsys.readouterr().out


def test_the_shipped_config_parses(request):
    path = request.config.rootpath / "configs" / "recommend" / "suite_nano.yaml"
    assert parse_settings("recommend", RecommendSettings, ["--config", str(path)]).k >= 1
