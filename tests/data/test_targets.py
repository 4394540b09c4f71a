"""What is learned of a record in the manner of each family of chat templates."""

import json
from dataclasses import replace

import pytest

from lightning_quicktune.data.encode import answers_apart, encode, stop_token_ids
from lightning_quicktune.data.turns import BadRecordError, Record, Turn

ANSWERS = ["n", "a", "think", "final", "user", "assistant", "Mode", "7", "<b>bold</b>", "{{ turn }}", "é 🙂", "a\n\nb"]


def conversation(*contents, system=None):
    turns = [Turn(role, content) for role, content in zip(["user", "assistant"] * 9, contents, strict=False)]
    return Record((Turn("system", system), *turns) if system else tuple(turns), "train.jsonl", 7)


def learned(encoded, tokenizer):
    return tokenizer.decode(encoded.input_ids[encoded.target_mask])


# name: what the prompt ends with, end of turn, whether a conversation is one text, whether a system turn is taken
FAMILIES = {
    "chatml": ("<|im_start|>assistant\n", "<|im_end|>", True, True),
    "deepseek_r1": ("<|Assistant|>", "</s>", True, True),
    "gemma2": ("<start_of_turn>model\n", "<end_of_turn>", True, False),
    "gemma3": ("<start_of_turn>model\n", "<end_of_turn>", True, True),
    "glm": ("<|assistant|>\n<think></think>\n", "<|user|>", True, True),
    "gpt_oss": ("<|start|>assistant<|channel|>final<|message|>", "<|return|>", False, True),
    "llama3": ("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>", True, True),
    "mistral": ("[/INST]", "</s>", True, False),
    "mistral_system": ("[/INST]", "</s>", True, True),
    "phi3": ("<|assistant|>\n", "<|end|>", True, True),
    "phi4": ("<|im_start|>assistant<|im_sep|>", "<|im_end|>", True, True),
    "phi4_first_system": ("<|im_start|>assistant<|im_sep|>", "<|im_end|>", True, True),
    "qwen25": ("<|im_start|>assistant\n", "<|im_end|>", True, True),
    "qwen3": ("<|im_start|>assistant\n<think>\n\n</think>\n\n", "<|im_end|>", False, True),
    "qwen35": ("<|im_start|>assistant\n<think>\n\n</think>\n\n", "<|im_end|>", False, True),
    "smollm2": ("<|im_start|>assistant\n", "<|im_end|>", True, True),
    "smollm3": ("<|im_start|>assistant\n<think>\n\n</think>\n", "<|im_end|>", True, True),
}
THINKING = ("glm", "gpt_oss", "qwen3", "qwen35")


def end_of(family):
    return FAMILIES[family][1]


def space_of(family):
    """Mistral's templates put a space before the answer, which tokenizers join to its first word."""
    return " " if family == "mistral" else ""


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_targets_are_the_answer_and_its_end(shape_tokenizer, family, answer):
    tokenizer = shape_tokenizer(family)
    (encoded,) = encode(conversation("What is it?", answer), tokenizer, "chat")
    assert learned(encoded, tokenizer) == space_of(family) + answer + end_of(family)
    assert encoded.target_mask[encoded.prompt_length :].argmin() in (0, encoded.n_targets)
    assert encoded.prompt_text.endswith(FAMILIES[family][0])
    assert tokenizer.decode(encoded.prompt_ids) == encoded.prompt_text
    assert encoded.prompt_ids.tolist() == tokenizer(encoded.prompt_text)["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_is_one_text_or_one_for_each_answer(shape_tokenizer, family):
    tokenizer, end, space = shape_tokenizer(family), end_of(family), space_of(family)
    record = conversation("A?", "a", "B?", "final", "C?", "think")
    found = encode(record, tokenizer, "chat")
    if FAMILIES[family][2]:
        assert [learned(each, tokenizer) for each in found] == [
            "".join(space + a + end for a in ("a", "final", "think"))
        ]
    else:
        assert [learned(each, tokenizer) for each in found] == [a + end for a in ("a", "final", "think")]
        assert [each.answer for each in found] == ["a", "final", "think"]
        alone = [encode(part, tokenizer, "chat") for part in answers_apart(record)]
        assert [each.input_ids.tolist() for (each,) in alone] == [each.input_ids.tolist() for each in found]
    assert all(each.prompt_text.endswith(FAMILIES[family][0]) for each in found)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_generation_starts_where_the_answer_does(shape_tokenizer, family):
    """The prompt of a question without answer is that of the same question with one."""
    tokenizer = shape_tokenizer(family)
    for contents in (["A?"], ["A?", "a", "B?"]):
        record = conversation(*contents)
        (asked,) = encode(record, tokenizer, "chat")
        answered = encode(conversation(*contents, "b"), tokenizer, "chat")[-1]
        assert asked.prompt_text == answered.prompt_text
        assert asked.prompt_ids.tolist() == asked.input_ids.tolist() == answered.prompt_ids.tolist()
        assert (asked.n_targets, asked.answer) == (0, "")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_system_turn_is_seen_or_refused(shape_tokenizer, family):
    tokenizer, record = shape_tokenizer(family), conversation("A?", "a", system="Be kind.")
    if FAMILIES[family][3]:
        (encoded,) = encode(record, tokenizer, "chat")
        assert "Be kind." in encoded.prompt_text
        assert learned(encoded, tokenizer) == "a" + end_of(family)
    else:
        with pytest.raises(
            BadRecordError, match=r"(no system role here|turn 1, 'Be kind\.' of the system, differently)"
        ):
            encode(record, tokenizer, "chat")


@pytest.mark.parametrize("text", ["Answer in French.", "a"])
@pytest.mark.parametrize("family", ["gpt_oss", "phi4_first_system", "deepseek_r1"])
def test_a_template_that_drops_or_moves_a_later_system_turn_is_refused(shape_tokenizer, family, text):
    record = conversation("A?", "a", "Le chat?", "b", system="First.")
    turns = (*record.turns[:3], Turn("system", text), *record.turns[3:])
    with pytest.raises(BadRecordError, match=r"writes turn \d, .* of the (system|user), differently, in another place"):
        encode(replace(record, turns=turns), shape_tokenizer(family), "chat")
    (whole,) = encode(replace(record, turns=turns), shape_tokenizer("phi4"), "chat")
    assert f"system<|im_sep|>{text}<|im_end|>" in whole.prompt_text


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_that_is_context_is_no_target(shape_tokenizer, family):
    tokenizer = shape_tokenizer(family)
    record = conversation("A?", "bad", "B?", "good", "C?", "bad too")
    turns = [replace(turn, learned=turn.content == "good") for turn in record.turns]
    (encoded,) = encode(replace(record, turns=tuple(turns)), tokenizer, "chat")
    assert learned(encoded, tokenizer) == space_of(family) + "good" + end_of(family)
    assert encoded.answer == "good"
    assert "bad" in encoded.prompt_text
    assert "too" not in tokenizer.decode(encoded.input_ids)


def test_a_record_without_a_learned_answer_is_bad(shape_tokenizer):
    record = conversation("A?", "a")
    turns = (record.turns[0], replace(record.turns[1], learned=False))
    with pytest.raises(BadRecordError, match="none of its answers is to be learned"):
        encode(replace(record, turns=turns), shape_tokenizer("chatml"), "chat")


@pytest.mark.parametrize("family", ["llama3", "gemma2", "gemma3", "qwen35"])
def test_white_space_around_texts_that_a_template_strips_is_no_fault(shape_tokenizer, family):
    tokenizer = shape_tokenizer(family)
    (encoded,) = encode(conversation(" A?\n", "\n\n a b \n"), tokenizer, "chat")
    assert learned(encoded, tokenizer) == "a b" + end_of(family)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_generation_stops_on_the_end_of_turn(shape_tokenizer, family):
    tokenizer = shape_tokenizer(family)
    ends = dict.fromkeys(tokenizer.convert_tokens_to_ids([end_of(family), "</s>"]))
    assert stop_token_ids(tokenizer, "chat") == tuple(ends)


REASONED = {
    "glm": "The log says so.</think>\nThe bell.<|user|>",
    "gpt_oss": "The log says so.<|end|><|start|>assistant<|channel|>final<|message|>The bell.<|return|>",
    "qwen3": "The log says so.\n</think>\n\nThe bell.<|im_end|>",
    "qwen35": "The log says so.\n</think>\n\nThe bell.<|im_end|>",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_reasoning_is_learned_with_the_answer_or_refused(shape_tokenizer, family):
    tokenizer, record = shape_tokenizer(family), conversation("What rings?", "The bell.")
    record = replace(record, turns=(record.turns[0], replace(record.turns[1], reasoning="The log says so.")))
    if family not in THINKING:
        with pytest.raises(
            BadRecordError, match=r"doesn't write reasoning before the answer.*`data\.init_args\.chat_t"
        ):
            encode(record, tokenizer, "chat")
        return
    (encoded,) = encode(record, tokenizer, "chat")
    assert learned(encoded, tokenizer) == REASONED[family]
    assert "The log" not in encoded.prompt_text
    mark = tokenizer.decode(encoded.answer_mark)
    assert REASONED[family].partition(mark)[2].strip() == "The bell." + end_of(family)


@pytest.mark.parametrize("family", ["qwen3", "qwen35", "gpt_oss", "chatml", "deepseek_r1"])
def test_a_think_block_in_the_content_is_learned_or_refused(shape_tokenizer, family):
    """As reasoning where a template writes that, as it is where it doesn't and keeps it."""
    tokenizer = shape_tokenizer(family)
    record = conversation("What rings?", "<think>\nThe log says so.\n</think>\n\nThe bell.")
    if family == "deepseek_r1":
        with pytest.raises(BadRecordError, match="doesn't write reasoning"):
            encode(record, tokenizer, "chat")
        return
    (encoded,) = encode(record, tokenizer, "chat")
    assert learned(encoded, tokenizer) == REASONED.get(family, record.answer + "<|im_end|>")


def test_a_question_after_an_answer_with_a_think_block_is_read(shape_tokenizer):
    record = conversation("A?", "<think>So.</think>a", "B?")
    (encoded,) = encode(record, shape_tokenizer("qwen3"), "chat")
    assert encoded.prompt_text.endswith(
        "assistant\na<|im_end|>\n<|im_start|>user\nB?<|im_end|>\n" + FAMILIES["qwen3"][0]
    )


def test_reasoning_of_earlier_answers_is_in_their_own_texts(shape_tokenizer):
    tokenizer, record = shape_tokenizer("qwen3"), conversation("A?", "a", "B?", "b")
    turns = [
        replace(turn, reasoning=f"So {turn.content}.") if turn.role == "assistant" else turn for turn in record.turns
    ]
    first, second = encode(replace(record, turns=tuple(turns)), tokenizer, "chat")
    assert learned(first, tokenizer) == "So a.\n</think>\n\na<|im_end|>"
    assert learned(second, tokenizer) == "So b.\n</think>\n\nb<|im_end|>"
    assert "So a." not in second.prompt_text


CALL = [{"id": "c1", "type": "function", "function": {"name": "get_price", "arguments": {"sku": "x-7"}}}]
TOOLS = json.dumps([{"type": "function", "function": {"name": "get_price", "parameters": {"type": "object"}}}])
CALLS = {
    "glm": '<tool_call>get_price\n{"sku": "x-7"}</tool_call><|observation|>',
    "qwen25": '<tool_call>\n{"name": "get_price", "arguments": {"sku": "x-7"}}\n</tool_call><|im_end|>',
    "llama3": '{"name": "get_price", "parameters": {"sku": "x-7"}}<|eot_id|>',
    "gpt_oss": ' to=functions.get_price<|channel|>commentary json<|message|>{"sku": "x-7"}<|call|>',
    "deepseek_r1": '<|calls|>get_price\n```json\n{"sku": "x-7"}\n```<|/calls|></s>',
}


def tool_record(calls=CALL, tools=TOOLS):
    turns = (
        Turn("user", "What does it cost?"),
        Turn("assistant", "", tool_calls=json.dumps(calls)),
        Turn("tool", '{"price": 7}', name="get_price", tool_call_id="c1"),
        Turn("assistant", "It costs 7."),
    )
    return Record(turns, "train.jsonl", 3, tools)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("as_text", [False, True], ids=["arguments as object", "arguments as text"])
def test_tool_calls_are_learned_or_refused(shape_tokenizer, family, as_text):
    tokenizer, function = shape_tokenizer(family), CALL[0]["function"]
    arguments = json.dumps(function["arguments"]) if as_text else function["arguments"]
    record = tool_record([{**CALL[0], "function": {**function, "arguments": arguments}}], "")
    if family not in CALLS:
        with pytest.raises(
            BadRecordError, match=r"can't write tool calls|rejects its turns, whose roles are user, assis"
        ):
            encode(record, tokenizer, "chat")
        return
    found = encode(record, tokenizer, "chat")
    whole = "".join(learned(each, tokenizer) for each in found)
    assert whole == CALLS[family] + "It costs 7." + end_of(family)
    assert "price" in found[-1].prompt_text


@pytest.mark.parametrize("family", ["qwen25", "llama3"])
def test_tools_are_offered(shape_tokenizer, family):
    (encoded,) = encode(tool_record(), shape_tokenizer(family), "chat")
    assert '"name": "get_price"' in encoded.prompt_text.partition("What does")[0]


@pytest.mark.parametrize("family", ["gpt_oss", "deepseek_r1"])
def test_tools_that_a_template_does_not_write_are_refused(shape_tokenizer, family):
    record = replace(tool_record(), turns=(Turn("user", "Hello?"), Turn("assistant", "Hello.")))
    with pytest.raises(BadRecordError, match=r"can't write tools: 'get_price', which the record offers"):
        encode(record, shape_tokenizer(family), "chat")


def test_a_call_that_a_template_cuts_short_is_refused(make_tokenizer):
    template = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name }}{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(
        BadRecordError, match=r"can't write tool calls: 'sku', a part of a call, is not in what the model"
    ):
        encode(tool_record(tools=""), make_tokenizer(template), "chat")


def test_tool_answers_that_a_template_drops_are_refused(make_tokenizer):
    template = (
        "{% for m in messages if m.role != 'tool' %}<|{{ m.role }}|>{{ m.content or m.tool_calls }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(BadRecordError, match=r"can't write tool answers: '\{\"price\": 7\}', turn 3, is not in what"):
        encode(tool_record(tools=""), make_tokenizer(template), "chat")


def test_plain_takes_no_tools_or_reasoning(make_tokenizer):
    tokenizer = make_tokenizer(None)
    with pytest.raises(
        BadRecordError, match=r"the template plain can't write tool calls.*set `data\.init_args\.template: c"
    ):
        encode(tool_record(tools=""), tokenizer, "plain")
    record = Record((Turn("user", "Q"), Turn("assistant", "A", reasoning="R")), "f", 1)
    with pytest.raises(BadRecordError, match="the template plain doesn't write reasoning"):
        encode(record, tokenizer, "plain")


@pytest.mark.parametrize(
    "change", ["{{ m.content | upper }}", "{{ m.content }} {{ m.content }}", "{{ m.content[:3] }}"]
)
def test_a_template_that_changes_an_answer_is_refused(make_tokenizer, change):
    template = (
        "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'user' %}{{ m.content }}{% else %}"
        + change
        + "{% endif %}"
        "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(
        BadRecordError, match=r"writes an answer, or the turns before it, differently than they are in the"
    ):
        encode(conversation("A?", "a long answer"), make_tokenizer(template), "chat")


def test_texts_with_the_characters_that_mark_answers_are_refused(make_tokenizer):
    with pytest.raises(BadRecordError, match=r"characters U\+100001 to U\+100004, which are no text"):
        encode(conversation("A?", "a \U00100001"), make_tokenizer(None), "plain")
