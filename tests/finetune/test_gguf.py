"""Files as llama.cpp writes them become folders that mean the same, or are refused; models are random and tiny."""

import math

import gguf
import numpy as np
import pytest
import torch
import transformers as hf

from lightning_quicktune.finetune.base_model import BaseModelSettings, end_tokens, load_base_model, load_tokenizer
from lightning_quicktune.finetune.source import resolve_base_model

LONG = torch.arange(3, 303).remainder(90)[None]
SIZES = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512}
SHAPE = SIZES | HEADS | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False}
SHORT = {"rope_theta": 500000.0, "original_max_position_embeddings": 64}
LLAMA3 = SHORT | {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
PARTIAL = {"rope_type": "default", "rope_theta": 20000.0, "partial_rotary_factor": 0.5}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTNING_QUICKTUNE_CACHE", str(tmp_path / "cache"))


def keys_of(config, architecture):
    """What llama.cpp's converter writes of any model, as (name, method of the writer, value)."""
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    keys = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": getattr(config, "num_key_value_heads", config.num_attention_heads),
        "feed_forward_length": getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
    }
    if architecture in ("gpt2", "starcoder2", "stablelm"):
        keys["attention.layer_norm_epsilon"] = 1e-5
    else:
        keys["attention.layer_norm_rms_epsilon"] = config.rms_norm_eps
    if architecture != "gpt2":
        rope = config.rope_parameters.get("full_attention", config.rope_parameters)
        keys["rope.freq_base"] = rope["rope_theta"]
        keys["rope.dimension_count"] = int(head * rope.get("partial_rotary_factor", 1.0))
    if architecture in ("qwen3", "gemma2", "gemma3"):
        keys |= {"attention.key_length": head, "attention.value_length": head}
        del keys["rope.dimension_count"]
    return keys


def turned(weight, heads):
    """Rows of queries and keys in the order of llama.cpp's rotary embedding."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def tensors_of(model, architecture):
    names = gguf.get_tensor_name_map(
        next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == architecture), model.config.num_hidden_layers
    )
    found = {}
    for name, weight in model.named_parameters():
        value = weight.detach().numpy()
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            value = turned(value, model.config.num_attention_heads)
        if architecture in ("gemma2", "gemma3") and "norm" in name:
            value = value + 1
        if architecture == "gpt2" and name.endswith("weight") and any(m in name for m in ("c_attn", "c_fc", "c_proj")):
            value = value.T
        found[names.get_name(name, try_suffixes=(".weight", ".bias"))] = np.ascontiguousarray(value)
    return found


def bpe_keys(pre="gpt-2"):
    vocabulary = ["<pad>", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz0123456789.,?!", "\u0120", "\u010a", "ab"]
    vocabulary += [f"<{n}>" for n in range(96 - len(vocabulary))]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": vocabulary,
        "tokenizer.ggml.token_type": [3] * 3 + [1] * 93,
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


def piece_keys(**changes):
    """A vocabulary of single characters and a few marks, as SentencePiece has it."""
    tokens = ["<unk>", "<s>", "</s>", "<|end|>", "<|user|>", "\u2581", *"abcdefghijklmnopqrstuvwxyz", "\n", "\u2581a"]
    tokens += [f"<0x{n:02X}>" for n in range(96 - len(tokens))]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-float(n) for n in range(96)],
        "tokenizer.ggml.token_type": [2, 3, 3, 3, 3] + [6 if token.startswith("<0x") else 1 for token in tokens[5:]],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        **changes,
    }


def write_gguf(path, architecture, keys, tensors, kind=None):
    """Writes a file; matrices in a type of quantised tensors if one is given."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in keys.items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        add.get(type(value), writer.add_array)(key, value)
    for name, value in tensors.items():
        if kind is not None and value.ndim > 1:
            writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, value.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_model(kind, config):
    torch.manual_seed(0)
    model = kind(config).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 or "bias" in name:
            parameter.data.normal_(std=0.2)
    return model


@pytest.fixture
def file_of(tmp_path):
    """Writes a model as a GGUF file: ``(model, architecture, further keys, further tensors, tokenizer keys)``."""

    def make(model, architecture, keys=None, tensors=None, tokens=None, without=()):
        own = keys_of(model.config, architecture) | (keys or {})
        every = {f"{architecture}.{key}": value for key, value in own.items() if key not in without}
        every |= bpe_keys() if tokens is None else tokens
        weights = tensors_of(model, architecture) | (tensors or {})
        return write_gguf(tmp_path / f"tiny-{architecture}.gguf", architecture, every, weights)

    return make


def check_same(model, path):
    loaded = load_base_model(BaseModelSettings(str(path)))
    with torch.no_grad():
        wanted, found = model(input_ids=LONG).logits, loaded.model(input_ids=LONG).logits
    assert wanted.std() > 0.1
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    return loaded


def llama(rope=None, kind="Llama", **changes):
    rope = rope or {"rope_type": "default", "rope_theta": 10000.0}
    config = getattr(hf, f"{kind}Config")(**{**SHAPE, **changes}, rope_parameters=rope)
    return random_model(getattr(hf, f"{kind}ForCausalLM"), config)


def factors_of(model):
    """Frequency factors as llama.cpp's converter writes them."""
    rotary = model.model.rotary_emb
    plain = 1 / (model.config.rope_parameters["rope_theta"] ** (torch.arange(0, 16, 2) / 16))
    return (plain / rotary.inv_freq).numpy()


def longrope(**changes):
    generator = np.random.default_rng(0)
    n = 8 if "partial_rotary_factor" not in changes else int(8 * changes["partial_rotary_factor"])
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [float(np.float32(v)) for v in generator.uniform(1, 1.5, n)],
        "long_factor": [float(np.float32(v)) for v in generator.uniform(2, 9, n)],
        "original_max_position_embeddings": 64,
        **changes,
    }
    config = hf.Phi3Config(**SHAPE, rope_parameters=rope, original_max_position_embeddings=64)
    return random_model(hf.Phi3ForCausalLM, config)


def longrope_file(model, file_of):
    rope = model.config.rope_parameters
    keys = {
        "rope.scaling.original_context_length": 64,
        "rope.scaling.attn_factor": math.sqrt(1 + math.log(512 / 64) / math.log(64)),
        "attention.sliding_window": 0,
    }
    tensors = {f"rope_factors_{length}.weight": np.asarray(rope[f"{length}_factor"]) for length in ("long", "short")}
    return file_of(model, "phi3", keys, tensors)


def test_factors_of_llama_3_are_set_as_its_configuration_has_them(file_of):
    model = llama(LLAMA3)
    loaded = check_same(model, file_of(model, "llama", tensors={"rope_freqs.weight": factors_of(model)}))
    assert loaded.model.config.rope_parameters == LLAMA3
    assert loaded.info.quantization == "none"


def test_a_files_hash_is_that_of_the_model_it_was_made_from_but_for_its_meaning(file_of):
    model, other = llama(LLAMA3), llama(LLAMA3 | {"factor": 8.0})
    hashes = []
    for each in (model, other):
        path = file_of(each, "llama", tensors={"rope_freqs.weight": factors_of(each)})
        path = path.rename(path.with_name(f"{each.config.rope_parameters['factor']:.0f}.gguf"))
        hashes.append(load_base_model(BaseModelSettings(str(path))).info.weight_hash)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("length", [40, 300])
def test_long_and_short_factors_of_phi3_are_set(file_of, length):
    model = longrope()
    path = longrope_file(model, file_of)
    loaded = load_base_model(BaseModelSettings(str(path)))
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.model(input_ids=LONG[:, :length]).logits,
            model(input_ids=LONG[:, :length]).logits,
            rtol=1e-4,
            atol=1e-4,
        )


def test_partial_rotary_embeddings_of_phi4_mini_are_set(file_of):
    model = longrope(partial_rotary_factor=0.5)
    loaded = check_same(model, longrope_file(model, file_of))
    assert loaded.model.config.rope_parameters["partial_rotary_factor"] == 0.5


def test_the_window_of_phi3_is_set(file_of):
    model = random_model(hf.Phi3ForCausalLM, hf.Phi3Config(**SHAPE, sliding_window=20))
    loaded = check_same(model, file_of(model, "phi3", {"attention.sliding_window": 20}))
    assert loaded.model.config.sliding_window == 20


def test_a_llama_with_a_window_is_a_mistral(file_of):
    model = llama(kind="Mistral", sliding_window=20)
    loaded = check_same(model, file_of(model, "llama", {"attention.sliding_window": 20}))
    assert loaded.model.config.model_type == "mistral"


@pytest.mark.parametrize("kind", ["yarn", "linear"])
def test_positions_that_are_stretched_are_set(file_of, kind):
    rope = YARN if kind == "yarn" else {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
    model = llama(rope, kind="Qwen2")
    keys = {"rope.scaling.type": kind, "rope.scaling.factor": 4.0}
    keys |= {"rope.scaling.original_context_length": 64, "rope.scaling.finetuned": True} if kind == "yarn" else {}
    check_same(model, file_of(model, "qwen2", keys))


def test_an_answer_ends_where_the_file_says_and_not_where_another_llama_ends(file_of):
    tokens = bpe_keys() | {"tokenizer.ggml.bos_token_id": 5, "tokenizer.ggml.eos_token_id": 7}
    settings = BaseModelSettings(str(file_of(llama(), "llama", tokens=tokens)))
    assert end_tokens(load_base_model(settings).model, load_tokenizer(settings)) == [7]


def test_biases_of_a_llamas_attention_are_read(file_of):
    model = llama(attention_bias=True, mlp_bias=True)
    check_same(model, file_of(model, "llama"))


def test_a_qwen3_with_any_width_of_heads_is_read(file_of):
    model = llama(kind="Qwen3", head_dim=24)
    check_same(model, file_of(model, "qwen3"))


def test_rope_base_and_window_of_starcoder2_are_set(file_of):
    model = llama({"rope_type": "default", "rope_theta": 123456.0}, kind="Starcoder2", sliding_window=20)
    check_same(model, file_of(model, "starcoder2", {"attention.sliding_window": 20}))


def test_stablelm_is_rotary_in_a_part_of_each_head(file_of):
    model = llama(PARTIAL, kind="StableLm")
    check_same(model, file_of(model, "stablelm", {"use_parallel_residual": False}))


@pytest.mark.parametrize("kind", ["Gemma2", "Gemma3Text"])
def test_gemmas_scale_window_and_caps(file_of, kind):
    """The scalar of 27 B follows from the number of its layers, here read off the width of a head."""
    rope = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}}
    rope["sliding_attention"] = {"rope_type": "default", "rope_theta": 10000.0}
    own = {"rope_parameters": rope} if kind == "Gemma3Text" else {}
    caps = {"attn_logit_softcapping": 3.0, "final_logit_softcapping": 7.0} if kind == "Gemma2" else {}
    shape = SHAPE | {"hidden_size": 96, "head_dim": 128, "tie_word_embeddings": True}
    config = getattr(hf, f"{kind}Config")(**shape, sliding_window=20, query_pre_attn_scalar=48, **own, **caps)
    config._attn_implementation = "eager"
    model = random_model(getattr(hf, kind.replace("Text", "") + "ForCausalLM"), config)
    keys = caps | {"attention.sliding_window": 20}
    if kind == "Gemma3Text":
        keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    path = file_of(model, kind.lower().replace("text", ""), keys)
    loaded = load_base_model(BaseModelSettings(str(path), attention="eager"))
    with torch.no_grad():
        torch.testing.assert_close(
            loaded.model(input_ids=LONG).logits, model(input_ids=LONG).logits, rtol=1e-3, atol=1e-3
        )
    assert loaded.model.config.query_pre_attn_scalar == 48


def test_a_gpt2_of_any_length_is_read(file_of):
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512}
    config = hf.GPT2Config(vocab_size=96, bos_token_id=1, eos_token_id=2, **shape)
    model = random_model(hf.GPT2LMHeadModel, config)
    check_same(model, file_of(model, "gpt2", without=["attention.head_count_kv"]))


@pytest.mark.parametrize(
    ("architecture", "keys", "reason"),
    [
        ("llama", {"attention.clamp_kqv": 8.0}, r"sets `llama.attention.clamp_kqv` \(8.0\), which .* doesn't know"),
        ("llama", {"expert_count": 8}, r"`llama.expert_count` \(8\)"),
        ("llama", {"rope.scaling.type": "longrope"}, r"scaling.type` is longrope, with the factor None"),
        ("llama", {"rope.dimension_count": 8}, r"`llama.rope.dimension_count` is 8, a part of each head of 16"),
        ("llama", {"attention.key_length": 16, "attention.value_length": 8}, r"value_length` is 8, and keys have 16"),
        ("llama", {"rope.scaling.type": "strange", "rope.scaling.factor": 2.0}, r"scaling.type` is strange"),
        ("llama", {"rope.freq_base_swa": 5.0}, r"freq_base_swa` can't be set"),
        ("qwen2", {"attention.sliding_window": 20}, r"`qwen2.attention.sliding_window` is 20"),
        ("qwen2", {"attention.scale": 0.1}, r"`qwen2.attention.scale` is 0.1"),
    ],
)
def test_what_can_not_be_set_is_refused_with_its_key(file_of, architecture, keys, reason):
    model = llama(kind={"llama": "Llama", "qwen2": "Qwen2"}[architecture])
    with pytest.raises(ValueError, match=rf"can't be taken .* because .*{reason}.*`model.init_args.base_model.name`"):
        resolve_base_model(str(file_of(model, architecture, keys)))


def test_weights_without_a_place_and_weights_that_are_missing_are_refused(file_of):
    model = llama()
    with pytest.raises(ValueError, match=r"holds blk.0.attn_sinks.weight, for which there is no place"):
        resolve_base_model(str(file_of(model, "llama", tensors={"blk.0.attn_sinks.weight": np.ones(2)})))
    with pytest.raises(ValueError, match=r"lacks blk.0.attn_k.bias"):
        resolve_base_model(str(file_of(model, "llama", tensors={"blk.0.attn_q.bias": np.ones(32)})))


@pytest.mark.parametrize("factors", [np.linspace(3, 5, 8), np.ones(8) * 2], ids=["slope", "flat"])
def test_rotary_factors_that_are_no_llama_3s_are_refused(file_of, factors):
    with pytest.raises(ValueError, match=r"rotary factors \(`rope_freqs`\) aren't those of any Llama 3"):
        resolve_base_model(str(file_of(llama(), "llama", tensors={"rope_freqs.weight": factors})))


@pytest.mark.parametrize("architecture", ["t5", "bert", "mamba"])
def test_architectures_that_are_not_known_to_be_right_are_refused_in_one_sentence(tmp_path, architecture):
    path = write_gguf(tmp_path / "odd.gguf", architecture, bpe_keys(), {"token_embd.weight": np.ones((96, 4))})
    with pytest.raises(ValueError, match=rf"because its architecture is {architecture}, and .* llama, phi3"):
        resolve_base_model(str(path))


def test_a_file_that_is_cut_short_is_refused(file_of):
    path = file_of(llama(), "llama")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"can't be read as a GGUF file: .*cut short"):
        resolve_base_model(str(path))


@pytest.mark.parametrize("prefix", [True, False])
def test_the_space_before_a_text_is_put_there_if_the_file_says_so(file_of, prefix):
    path = file_of(llama(), "llama", tokens=piece_keys(**{"tokenizer.ggml.add_space_prefix": prefix}))
    tokenizer = load_tokenizer(BaseModelSettings(str(path)))
    ids = tokenizer("b c", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == [*(["\u2581"] if prefix else []), "b", "\u2581", "c"]
    assert tokenizer.decode(ids) == "b c"
    assert prefix or tokenizer.decode(tokenizer(" b", add_special_tokens=False).input_ids) == " b"
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>")


def test_turn_marks_of_phi3_swallow_the_space_that_follows(file_of):
    model = random_model(hf.Phi3ForCausalLM, hf.Phi3Config(**SHAPE))
    tokenizer = load_tokenizer(BaseModelSettings(str(file_of(model, "phi3", tokens=piece_keys()))))
    ids = tokenizer("<|user|>\n b<|end|>\nc", add_special_tokens=False).input_ids
    assert "\n" not in tokenizer.convert_ids_to_tokens(ids)
    kept = tokenizer("<s>\nb", add_special_tokens=False).input_ids
    assert "\n" in tokenizer.convert_ids_to_tokens(kept)


@pytest.mark.parametrize(
    ("pre", "apart"), [("smollm", ["a", "1", "2"]), ("falcon", ["a", "12"]), ("gpt-2", ["a", "12"])]
)
def test_text_is_cut_as_the_file_says(file_of, pre, apart):
    tokenizer = load_tokenizer(BaseModelSettings(str(file_of(llama(), "llama", tokens=bpe_keys(pre)))))
    cut = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("a12")
    assert [text for text, _ in cut] == apart


def test_an_unknown_way_to_cut_text_is_refused(file_of):
    with pytest.raises(ValueError, match=r"`tokenizer.ggml.pre` is strange, a way to cut text that can't be set"):
        resolve_base_model(str(file_of(llama(), "llama", tokens=bpe_keys("strange"))))


def test_the_rounding_of_a_file_is_in_the_record(file_of, tmp_path):
    reader = gguf.GGUFReader(file_of(llama(), "llama"))
    keys = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    del keys["general.architecture"]
    weights, kind = {tensor.name: tensor.data for tensor in reader.tensors}, gguf.GGMLQuantizationType.Q8_0
    write_gguf(tmp_path / "rounded.gguf", "llama", keys | {"general.file_type": 7}, weights, kind)
    loaded = load_base_model(BaseModelSettings(str(tmp_path / "rounded.gguf")))
    assert loaded.info.quantization == "q8_0, dequantized"
