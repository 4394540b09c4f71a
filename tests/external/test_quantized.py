"""Base models whose weights bitsandbytes holds in 4 and 8 bits: widths, records, training on a CPU, and afterwards."""

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("default")]

SCRIPT = Path(__file__).parents[2] / "tools" / "serving" / "train_quantized.py"
ROUNDINGS = {
    "nf4": "bitsandbytes nf4",
    "fp4": "bitsandbytes fp4, scales quantized too",
    "int8": "bitsandbytes 8-bit",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("quantized")
    run(None, SCRIPT, folder, folder / "told.json", packages="bitsandbytes")
    return json.loads((folder / "told.json").read_text())


@pytest.mark.parametrize("kind", ROUNDINGS)
def test_the_record_says_the_rounding_and_counts_every_weight(told, kind):
    assert told[kind]["quantization"] == ROUNDINGS[kind]
    assert told[kind]["n_parameters"] == told["n_parameters"]


@pytest.mark.parametrize("kind", ROUNDINGS)
def test_a_rank_is_compared_with_the_real_widths(told, kind):
    assert "rank is 129, but" in told[kind]["too large"]
    assert "128 x 128, so no update of it has a rank above 128" in told[kind]["too large"]
    assert "takes a part out of the base weights, but those of" in told[kind]["pissa"]


@pytest.mark.parametrize("kind", ROUNDINGS)
@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_adapters_learn_in_full_precision_and_leave_the_base_model_as_it_was(told, kind, variant):
    found = told[kind][variant]
    if (kind, variant) == ("int8", "dora"):
        assert "`model.init_args.lora.variant` is dora, but the weights" in found
    else:
        assert found["losses"][-1] < 0.8 * found["losses"][0]
        assert found["formats"] == ["torch.float32"]
        assert found["restored"]
    assert told[kind]["as before"]
