import json
import re

import pytest

from lightning_quicktune.compose import to_yaml
from lightning_quicktune.finetune.finetuner import CausalLMFinetuner
from lightning_quicktune.metadataset.folder import load, save
from lightning_quicktune.surrogate.artifact import read_curves, save_surrogate
from lightning_quicktune.surrogate.curves.model import CurveModel
from lightning_quicktune.tuning.experience import _folder, load_experience
from lightning_quicktune.tuning.settings import SurrogateSources
from lightning_quicktune.tuning.tune import tune


def with_checkpoints(tmp_path, folder="search"):
    return {path.parent.name.split("-")[0] for path in tmp_path.glob(f"{folder}/trials/*/*.ckpt")}


def best_scores(tmp_path):
    records = [json.loads(path.read_text()) for path in tmp_path.glob("search/trials/*/trial.json")]
    return {r["config_id"]: max((s["score"] for s in r["curve"]), default=0.0) for r in records}


def failed_ones(tmp_path):
    records = [json.loads(path.read_text()) for path in tmp_path.glob("search/trials/*/trial.json")]
    return {record["config_id"] for record in records if record["status"] == "failed"}


def test_the_best_trials_keep_their_checkpoints(settings, tmp_path):
    tune(settings(keep_checkpoints=2, compare=["default"]))
    scores = best_scores(tmp_path)
    assert len(scores) > 2
    assert with_checkpoints(tmp_path) == set(sorted(scores, key=scores.get)[-2:])


def test_all_are_kept_where_there_are_few(settings, tmp_path):
    tune(settings(compare=["default"]))
    assert with_checkpoints(tmp_path) == set(best_scores(tmp_path))


def test_a_failed_trial_loses_its_checkpoint_at_once(settings, tmp_path, monkeypatch):
    """Every trial runs out of memory in its second slice; that of the incumbent is still to be exported."""
    step, left = CausalLMFinetuner.training_step, []

    def exhausted(self, *arguments):
        left.append(len(with_checkpoints(tmp_path) & failed_ones(tmp_path)))
        if self.trainer.current_epoch > 0:
            raise MemoryError
        return step(self, *arguments)

    monkeypatch.setattr(CausalLMFinetuner, "training_step", exhausted)
    tuned = tune(settings(budget={"slices": 8}, pool_size=8, compare=[], keep_checkpoints=50))
    incumbent = json.loads((tmp_path / "search" / "incumbent.json").read_text())["config_id"]
    failed = failed_ones(tmp_path)
    assert len(failed) > 1
    assert max(left) <= 1
    assert with_checkpoints(tmp_path) == set(best_scores(tmp_path)) - failed | {incumbent}
    assert tuned.adapter.is_dir()


def test_a_dropped_trial_is_trained_again_from_its_seed_and_that_is_a_cost(
    settings, tmp_path, observed, small_space, capsys
):
    changes = {"compare": [], "pool_size": 2}
    tune(settings(**changes, budget={"slices": 2}, keep_checkpoints=0))
    assert with_checkpoints(tmp_path) == {small_space.default.id}  # which may yet be compared
    capsys.readouterr()
    tuned = tune(settings(**changes, budget={"slices": 6}))
    repeated = [entry for entry in observed() if entry["repeated"]]
    assert repeated
    reached = {entry["config_id"]: len(entry["curve"]) for entry in observed()}
    assert sum(reached.values()) + sum(entry["repeated"] for entry in observed()) == 6
    assert "of these slices trained again: their checkpoint had been dropped" in capsys.readouterr().err
    assert re.search(
        r"began again at slice 0 \(\d trained once more\), trained to slice",
        tuned.report.with_suffix(".md").read_text(),
    )
    tune(settings(**changes, budget={"slices": 6}, output=str(tmp_path / "whole")))
    whole = {entry["config_id"]: [s["score"] for s in entry["curve"]] for entry in observed("whole")}
    for entry in repeated:
        assert [s["score"] for s in entry["curve"]][: len(whole[entry["config_id"]])] == whole[entry["config_id"]]


def test_a_negative_number_of_checkpoints_is_refused_when_parsing(settings):
    with pytest.raises(ValueError, match=r"`keep_checkpoints` is -1, but it counts trials. Set it to 0 to keep none"):
        settings(keep_checkpoints=-1)


def test_a_surrogate_that_was_trained_anew_in_its_place_is_noticed(settings, tmp_path):
    curves = read_curves(_folder("nano", "curves"))
    save_surrogate(curves, tmp_path / "curves")
    changes = {"searcher": None, "surrogates": {"curves": str(tmp_path / "curves")}, "space": None}
    changes |= {"max_fidelity": None, "allow_other_base_model": True, "compare": []}
    tune(settings(**changes, budget={"slices": 1}))
    save_surrogate(curves, tmp_path / "curves")
    tune(settings(**changes, budget={"slices": 2}))
    save_surrogate(CurveModel(curves.card, curves.prior, curves.cost_level + 0.01), tmp_path / "curves")
    with pytest.raises(ValueError, match=r"content of `surrogates.curves` was '\w+' and is now '\w+'.*another output"):
        tune(settings(**changes, budget={"slices": 3}))


def test_experience_that_was_collected_anew_has_another_digest(tmp_path):
    table = load("nano")
    save(table, tmp_path)
    sources = SurrogateSources(cost="nano")
    first = load_experience(sources, str(tmp_path)).digests()
    assert first == load_experience(sources, "nano").digests()
    assert first.keys() == {"surrogates.cost", "experience"}
    table.trials.loc[3, "score"] += 1e-6
    save(table, tmp_path)
    assert load_experience(sources, str(tmp_path)).digests()["experience"] != first["experience"]


def test_other_data_under_the_same_name_is_noticed(settings, tmp_path, write_colours):
    task = write_colours(tmp_path / "mine")
    tune(settings(task=str(task), budget={"slices": 1}, compare=[]))
    lines = (task / "train.jsonl").read_text().splitlines()
    (task / "train.jsonl").write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(ValueError, match=r"the records have changed"):
        tune(settings(task=str(task), budget={"slices": 2}, compare=[]))
    for path in (tmp_path / "search" / "task").glob("*.json"):
        path.unlink()
    with pytest.raises(ValueError, match=r"content of the data was '\w+' and is now '\w+'"):
        tune(settings(task=str(task), budget={"slices": 2}, compare=[]))


def test_a_search_of_an_earlier_version_goes_on(settings, tmp_path, observed):
    """Its journal has no digests."""
    tune(settings(budget={"slices": 1}, compare=[]))
    path = tmp_path / "search" / "observations.jsonl"
    header, *lines = path.read_text().splitlines()
    header = json.loads(header)
    header["identity"] = {k: v for k, v in header["identity"].items() if not k.startswith("content of")}
    entries = [{k: v for k, v in json.loads(line).items() if k != "repeated"} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *entries)))
    tune(settings(budget={"slices": 2}, compare=[]))
    assert len(observed()) == 2


def test_the_test_table_has_the_score_that_was_tuned(settings, fit_config, tmp_path):
    make = settings(budget={"slices": 1})
    fit_config["model"]["init_args"]["score"] = {"name": "label_accuracy", "max_new_tokens": 4}
    (tmp_path / "recipe.yaml").write_text(to_yaml(fit_config))
    report = tune(make).report.with_suffix(".md").read_text()
    assert re.search(r"^\| .*\| label_accuracy \|", report, re.MULTILINE)
    row = next(line for line in report.splitlines() if line.startswith("| tuned"))
    tested = json.loads((tmp_path / "search" / "test" / "chosen.json").read_text())["row"]["per_record"]
    right = sum(tested["label_accuracy"])
    assert f"{right:.0f} of 7" in row
