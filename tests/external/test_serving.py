"""Five greedy answers of each export, in the tools that people serve with, are those given here.

Run by ``tools/check_serving``, which installs each tool into an environment of its own and says what came out.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tools" / "serving"
ENVIRONMENTS = Path(os.environ.get("SERVING_ENVIRONMENTS", ROOT / ".venv-serving"))
WORK = Path(os.environ.get("SERVING_WORK", ROOT / "runs" / "serving"))
CONVERT = "ct2-transformers-converter --model merged --output_dir out"
# Tool, base model, export, and what a person types.
CASES = [
    ("transformers4", "smollm2", "merged", "AutoModelForCausalLM.from_pretrained('merged')"),
    ("transformers4", "smollm2", "adapter", "PeftModel.from_pretrained(base, 'adapter')"),
    ("transformers4", "phi3", "merged", "AutoModelForCausalLM.from_pretrained('merged')"),
    ("transformers4", "phi3", "adapter", "PeftModel.from_pretrained(base, 'adapter')"),
    ("llama_cpp", "smollm2", "merged", "convert_hf_to_gguf.py merged --outtype f32"),
    ("llama_cpp", "smollm2", "adapter", "convert_lora_to_gguf.py --base adapter/base adapter"),
    ("llama_cpp", "phi3", "merged", "convert_hf_to_gguf.py merged --outtype f32"),
    ("llama_cpp", "phi3", "adapter", "convert_lora_to_gguf.py --base adapter/base adapter"),
    ("ctranslate2", "smollm2", "merged", CONVERT),
    (
        "onnxruntime_genai",
        "smollm2",
        "merged",
        "python -m onnxruntime_genai.models.builder -i merged -o out -p fp32 -e cpu",
    ),
    ("litgpt", "smollm2", "merged", "litgpt convert_to_litgpt merged --model_name SmolLM2-135M-Instruct"),
]


@pytest.fixture(scope="session")
def prepared(run):
    """The folder of a base model's exports and expected answers, made once."""

    def make(base):
        folder = WORK / base
        if not (folder / "expected.json").is_file():
            if base == "phi3":
                run("transformers4", SCRIPTS / "make_tiny_phi3.py", WORK / "phi3_base")
            source, slices, lr = {"smollm2": ("smollm2", 10, 2e-3), "phi3": (WORK / "phi3_base", 60, 1e-2)}[base]
            run(None, SCRIPTS / "prepare.py", source, folder, slices, lr)
        return folder

    return make


@pytest.fixture(scope="session")
def rows():
    """Lines of the table in ``docs/serving.md``, written at the end."""
    lines = []
    yield lines
    (WORK / "table.json").write_text(json.dumps(lines, indent=1))


def cut(answer, ends):
    at = next((n for n, token in enumerate(answer) if token in ends), len(answer))
    return answer[:at]


@pytest.mark.parametrize(("tool", "base", "kind", "typed"), CASES, ids=lambda value: str(value).split(" ")[0])
def test_five_greedy_answers_are_ours(prepared, run, rows, tool, base, kind, typed):
    folder = prepared(base)
    output = folder / f"answers-{tool}-{kind}.json"
    run(tool, SCRIPTS / f"read_{tool}.py", folder, kind, output)
    ours, theirs = (json.loads(path.read_text()) for path in (folder / "expected.json", output))
    pairs = [
        (cut(mine, ours["ends"]), cut(their, ours["ends"]))
        for mine, their in zip(ours["answers"], theirs["answers"], strict=True)
    ]
    equal = sum(mine == their for mine, their in pairs)
    rows.append([theirs["version"], base, kind, typed, f"{equal} of {len(pairs)}"])
    untrained = sum(
        cut(answer, ours["ends"]) == mine for answer, (mine, _) in zip(ours["untrained"], pairs, strict=True)
    )
    assert untrained == 0  # a reader that leaves the adapter out would be seen
    assert [their for _, their in pairs] == [mine for mine, _ in pairs]
    counts = [len(ids) for ids in ours["prompt_ids"]]
    assert theirs.get("n_prompt_tokens", counts) == counts
    assert theirs.get("prompt_ids", ours["prompt_ids"]) == ours["prompt_ids"]


def test_ctranslate2_refuses_a_phi3(prepared, rows):
    folder = prepared("phi3")
    words = [SCRIPTS / "read_ctranslate2.py", folder, "merged", folder / "never.json"]
    done = subprocess.run(
        [ENVIRONMENTS / "ctranslate2" / "bin" / "python", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    said = done.stderr.strip().splitlines()[-1]
    rows.append(["ctranslate2 4.8.5", "phi3", "merged", CONVERT, f"refused: {said}"])


def test_other_architectures_give_the_same_logits_in_transformers_4(run, tmp_path):
    run(None, SCRIPTS / "make_architectures.py", tmp_path)
    run("transformers4", SCRIPTS / "read_architectures.py", tmp_path, tmp_path / "told.json")
    differences = json.loads((tmp_path / "told.json").read_text())
    assert len(differences) >= 12
    assert {name: value for name, value in differences.items() if not value <= 1e-4} == {}
