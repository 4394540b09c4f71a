"""Cohorts on Llama, GPT-2 and T5 miniatures, and with scores that generate answers or choose among labels."""

import copy
from dataclasses import replace

import pytest
import torch
import transformers as hf

from lightning_quicktune.finetune.cohort import bank, member
from lightning_quicktune.space.search_space import SearchSpace
from lightning_quicktune.trials.checkpoints import LAST
from lightning_quicktune.trials.cohort_runner import can_join, run_cohort
from lightning_quicktune.trials.runner import run_trial
from lightning_quicktune.trials.task_setup import set_up_task
from lightning_quicktune.types import Configuration

SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
BUILDERS = {
    "llama": lambda ids: hf.LlamaForCausalLM(hf.LlamaConfig(**SHAPE, num_key_value_heads=2, **ids)),
    "gpt2": lambda ids: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2, attn_pdrop=0.0, **ids)),
    "t5": lambda ids: hf.T5ForConditionalGeneration(
        hf.T5Config(**T5, **ids, decoder_start_token_id=ids["pad_token_id"])
    ),
}
RATE = {"type": "float", "bounds": [1.0e-4, 1.0e-1], "log": True, "default": 1.0e-2}
SPACE = SearchSpace.from_dict({"lr": {"key": "model.init_args.optimizer.init_args.lr", "domain": RATE}})
LORA = [
    {"rank": 4, "dropout": 0.1},
    {"rank": 8, "variant": "rslora", "targets": "mlp", "dropout": 0.2},
    {"rank": 4, "variant": "dora", "targets": "attention"},
    {"rank": 16, "variant": "dora", "dropout": 0.1},
    {"rank": 2, "initialization": "orthogonal"},
]


def build(name, folder, tokenizer, **changes):
    ids = {k: getattr(tokenizer, k) for k in ("pad_token_id", "eos_token_id", "bos_token_id")}
    torch.manual_seed(1)
    model = BUILDERS[name]({"vocab_size": len(tokenizer), **ids})
    for key, value in changes.items():
        setattr(model.config, key, value)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def make_setup(fit_config, tiny_phi3, colour_task, tmp_path):
    """A task set up for a miniature in float64, or for the tiny Phi-3."""

    def make(name, score="answer_likelihood", dtype="float64", **changes):
        fit = copy.deepcopy(fit_config)
        tokenizer = hf.AutoTokenizer.from_pretrained(tiny_phi3)
        model = fit["model"]["init_args"]
        if name != "phi3":
            model["base_model"]["name"] = build(name, tmp_path / name, tokenizer, **changes)
        model["base_model"]["dtype"] = dtype
        model["score"]["name"] = score
        if name in ("gpt2", "t5"):
            fit["data"]["init_args"]["template"] = "plain"
        if name == "t5":
            fit["model"]["class_path"] = "lightning_quicktune.finetune.finetuner.Seq2SeqFinetuner"
        return set_up_task(str(colour_task), fit, 4, tmp_path / f"{name}-{score}")

    return make


@pytest.fixture
def make_plans(make_plan, tmp_path):
    def make(folder, setup, settings=LORA, neftune_alpha=5.0):
        plans = []
        for n, lora in enumerate(settings):
            plan = make_plan(f"{folder}/{n}", test_each_slice=True)
            fit = copy.deepcopy(dict(setup.fit))
            fit["model"]["init_args"] |= {"lora": lora, "neftune_alpha": neftune_alpha * (n % 2)}
            fit["data"]["init_args"]["batch_size"] = (2, 4, 8)[n % 3]
            configuration = Configuration({"lr": 0.01})
            plans.append(replace(plan, task=setup.info, fit=fit, configuration=configuration, space=SPACE))
        return plans

    return make


@pytest.fixture(params=["by rank", "padded"])
def either_way(request, monkeypatch):
    for module in (bank, member):
        monkeypatch.setattr(module, "goes_by_rank", lambda device: request.param == "by rank")


@pytest.fixture
def whole_precision(monkeypatch):
    """Lets normalizations keep float64, which Transformers rounds to float32 inside."""

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    monkeypatch.setattr(hf.models.llama.modeling_llama.LlamaRMSNorm, "forward", forward)
    monkeypatch.setattr(hf.models.t5.modeling_t5.T5LayerNorm, "forward", forward)


def apart(plan, other) -> float:
    ours, theirs = (torch.load(p.folder / LAST, weights_only=True)["state_dict"] for p in (plan, other))
    assert list(ours) == list(theirs)
    flat = [torch.cat([w[name].flatten() for name in theirs]).double() for w in (ours, theirs)]
    return float((flat[0] - flat[1]).norm() / flat[1].norm())


def compare(make_plans, setup, tolerance, **arguments):
    ours, theirs = make_plans("cohort", setup, **arguments), make_plans("alone", setup, **arguments)
    assert [can_join(plan) for plan in ours] == [None] * len(ours)
    for plan, other, trial in zip(ours, theirs, run_cohort(ours, [2] * len(ours)), strict=True):
        reference = run_trial(other, 2)
        assert (trial.status, trial.failure) == ("paused", None) == (reference.status, reference.failure)
        for mine, alone in zip(trial.curve.slices, reference.curve.slices, strict=True):
            assert mine.cohort_size == len(ours)
            assert mine.metrics == pytest.approx(alone.metrics, abs=1e-4)
            assert mine.test_metrics == pytest.approx(alone.test_metrics, abs=1e-4)
        assert apart(plan, other) < tolerance


@pytest.mark.parametrize("name", BUILDERS)
def test_other_architectures_in_float64_have_the_weights_that_trials_alone_have(
    make_setup, make_plans, whole_precision, either_way, name
):
    compare(make_plans, make_setup(name), 1e-8)


@pytest.mark.parametrize("score", ["exact_match", "label_accuracy"])
@pytest.mark.parametrize("name", ["phi3", "t5"])
def test_answers_and_labels_of_all_members_are_those_of_trials_alone(make_setup, make_plans, name, score):
    compare(make_plans, make_setup(name, score, dtype="float32"), 1e-2)


def test_a_base_model_with_dropout_of_its_own_is_trained_alone(make_setup, make_plans, caplog):
    setup = make_setup("gpt2", dtype="float32", resid_pdrop=0.1)
    plans = make_plans("cohort", setup, settings=LORA[:2])
    assert "has dropout of its own" in can_join(plans[0])
    trials = run_cohort(plans, [1, 1])
    assert [t.status for t in trials] == ["paused", "paused"]
    assert {s.cohort_size for t in trials for s in t.curve.slices} == {1}
    assert caplog.text.count("can't share a pass and are trained alone: `gpt2` has dropout") == 1
