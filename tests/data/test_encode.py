import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lightning_quicktune.data.encode import encode, stop_token_ids
from lightning_quicktune.data.template import Conversation, render
from lightning_quicktune.data.turns import Record, Turn


def conversation(*contents, system=None):
    roles = ["user", "assistant"] * len(contents)
    turns = [Turn(role, content) for role, content in zip(roles, contents, strict=False)]
    return Record((Turn("system", system), *turns) if system else tuple(turns), "train.jsonl", 7)


QUESTION = conversation("What is the capital of France?", "Paris")
CHAT = conversation("Hi", "yes", "And now?", "Ünïcode 🙂", system="Be kind.")


def only(record, tokenizer, template):
    (encoded,) = encode(record, tokenizer, template)
    return encoded


def learned(encoded, tokenizer):
    return tokenizer.decode(encoded.input_ids[encoded.target_mask])


@pytest.mark.parametrize("rstrip", [False, True], ids=["plain tokens", "tokens that take white space"])
def test_complaint_never_stops_generating_the_last_target_is_the_end_of_turn_token(tokenizer, make_tokenizer, rstrip):
    tokenizer = make_tokenizer(tokenizer.chat_template, rstrip=rstrip)
    encoded = only(QUESTION, tokenizer, "chat")
    assert learned(encoded, tokenizer) == "Paris<|end|>"
    assert tokenizer.convert_ids_to_tokens(int(encoded.input_ids[-1])) == "<|endoftext|>"
    assert encoded.n_targets == encoded.target_mask.sum() == len(tokenizer("Paris")["input_ids"]) + 1
    assert encoded.answer == "Paris"
    # the same ids as the tokenizer's own call, in training and in generation
    messages = [{"role": turn.role, "content": turn.content} for turn in QUESTION.turns]
    assert encoded.input_ids.tolist() == tokenizer.apply_chat_template(messages)["input_ids"]
    prompt = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True)["input_ids"]
    assert encoded.prompt_ids.tolist() == prompt
    assert encoded.prompt_text == "<|user|>\nWhat is the capital of France?<|end|>\n<|assistant|>\n"
    assert not encoded.target_mask[: encoded.prompt_length].any()


def test_complaint_never_stops_generating_every_assistant_turn_is_learned_with_its_end(tokenizer):
    encoded = only(CHAT, tokenizer, "chat")
    assert learned(encoded, tokenizer) == "yes<|end|>Ünïcode 🙂<|end|>"
    assert encoded.answer == "Ünïcode 🙂"
    assert encoded.prompt_text == render(Conversation(CHAT.turns[:-1]), tokenizer, "chat", generation=True)
    assert encoded.prompt_ids.tolist() == tokenizer(encoded.prompt_text)["input_ids"]
    assert encoded.prompt_text.endswith("And now?<|end|>\n<|assistant|>\n")


def test_complaint_templates_differ_white_space_at_the_start_of_an_answer_keeps_the_prompt(tokenizer):
    record = conversation("Q", "\nParis")
    whole = tokenizer(render(Conversation(record.turns), tokenizer, "chat"))["input_ids"]
    encoded = only(record, tokenizer, "chat")
    prompt = tokenizer(encoded.prompt_text)["input_ids"]
    assert whole[: len(prompt)] != prompt, "the line breaks of prompt and answer should have been one token"
    assert encoded.prompt_ids.tolist() == prompt
    assert learned(encoded, tokenizer) == "\nParis<|end|>"
    assert tokenizer.decode(encoded.input_ids) == tokenizer.decode(whole)


def test_an_answer_that_holds_special_tokens_is_learned_whole(tokenizer):
    encoded = only(conversation("Q", "a<|end|>\nb"), tokenizer, "chat")
    assert learned(encoded, tokenizer) == "a<|end|>\nb<|end|>"


def test_a_template_that_trims_is_fine(tokenizer, make_tokenizer):
    tokenizer = make_tokenizer(tokenizer.chat_template.replace("message['content']", "message['content'] | trim"))
    assert learned(only(conversation(" Q ", " a b\n"), tokenizer, "chat"), tokenizer) == "a b<|end|>"


def test_plain_is_question_line_break_answer_and_end(make_tokenizer):
    tokenizer = make_tokenizer(None)
    encoded = only(QUESTION, tokenizer, "plain")
    assert tokenizer.decode(encoded.input_ids) == "What is the capital of France?\nParis<|endoftext|>"
    assert learned(encoded, tokenizer) == "Paris<|endoftext|>"
    assert encoded.prompt_text == render(Conversation(QUESTION.turns[:1]), tokenizer, "plain", generation=True)
    assert learned(only(CHAT, tokenizer, "plain"), tokenizer) == "yes<|endoftext|>Ünïcode 🙂<|endoftext|>"


def test_plain_begins_with_the_token_that_the_tokenizer_begins_with():
    from tokenizers.processors import TemplateProcessing

    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "<s>": 1, "</s>": 2, "q": 3, "a": 4}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    encoded = only(conversation("q", "a"), tokenizer, "plain")
    assert encoded.input_ids.tolist() == [1, 3, 4, 2]
    np.testing.assert_array_equal(encoded.target_mask, [False, False, True, True])


def test_complaint_never_stops_generating_both_end_tokens_stop_it(tokenizer):
    ends = tokenizer.convert_tokens_to_ids(["<|end|>", "<|endoftext|>"])
    assert stop_token_ids(tokenizer, "chat") == tuple(ends)
    assert stop_token_ids(tokenizer, "plain") == (ends[1],)


CONVERSATIONS = [QUESTION, CHAT, conversation("Q", " \n a"), conversation("Q", "a<|end|>\nb"), conversation("é", "🙂")]


@pytest.mark.parametrize("template", ["chat", "plain"])
@pytest.mark.parametrize("record", CONVERSATIONS)
def test_complaint_templates_differ_the_training_prompt_is_that_of_generation(tokenizer, template, record):
    encoded = only(record, tokenizer, template)
    prompt = render(Conversation(record.turns[:-1]), tokenizer, template, generation=True)
    assert encoded.prompt_text == prompt
    assert encoded.prompt_ids.tolist() == tokenizer(prompt)["input_ids"]


@pytest.mark.parametrize("template", ["chat", "plain"])
@pytest.mark.parametrize("record", CONVERSATIONS)
def test_complaint_all_masked_every_record_has_its_whole_answer_and_an_end_to_learn(tokenizer, template, record):
    encoded = only(record, tokenizer, template)
    end = "<|end|>" if template == "chat" else "<|endoftext|>"
    assert learned(encoded, tokenizer).endswith(record.answer + end)
    assert encoded.n_targets >= 2
    rendered = render(Conversation(record.turns), tokenizer, template)
    assert tokenizer.decode(encoded.input_ids) == rendered, "a template is never cut"


def test_plain_leaves_white_space_to_a_tokenizer_like_t5s(t5_tokenizer):
    record = conversation("What is the capital?", "Paris")
    encoded = only(record, t5_tokenizer, "plain")
    assert t5_tokenizer.convert_ids_to_tokens(encoded.input_ids.tolist())[-2:] == ["▁Paris", "</s>"]
    assert t5_tokenizer.convert_ids_to_tokens(encoded.input_ids[encoded.target_mask].tolist()) == ["▁Paris", "</s>"]
    assert encoded.prompt_ids.tolist() == t5_tokenizer("What is the capital?\n", add_special_tokens=False)["input_ids"]


def test_an_encoder_reads_no_chat(tokenizer):
    with pytest.raises(ValueError, match=r"`data\.init_args\.template` is chat, but .*`tiny` has an encoder.*: plain`"):
        encode(QUESTION, tokenizer, "chat", "encoder_decoder")


def test_a_missing_chat_template_is_an_error(make_tokenizer):
    with pytest.raises(ValueError, match=r"`tiny` has no chat template.*`data\.init_args\.template: plain`"):
        only(QUESTION, make_tokenizer(None), "chat")


def test_a_rejected_role_names_the_roles(make_tokenizer):
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokenizer = make_tokenizer(template)
    message = (
        r"rejects its turns, whose roles are system, user, assistant: System role not "
        r"supported\. .*Move a system text into the first question.*`data\.init_args\.template: plain`"
    )
    with pytest.raises(ValueError, match=message):
        only(CHAT, tokenizer, "chat")
    assert learned(only(QUESTION, tokenizer, "chat"), tokenizer) == "Paris<|end|>"


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ loop.revindex }}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}",
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content | upper }}<|end|>{% endfor %}",
    ],
    ids=["prompt rewritten", "answer rewritten"],
)
def test_complaint_templates_differ_one_that_rewrites_turns_is_an_error(make_tokenizer, template):
    tokenizer = make_tokenizer(template + "{% if add_generation_prompt %}<|assistant|>{% endif %}")
    message = r"writes (an answer|turn 1, .*), .*differently.*`data\.init_args\.template: plain`"
    with pytest.raises(ValueError, match=message):
        only(QUESTION, tokenizer, "chat")


def test_complaint_never_stops_generating_a_turn_without_an_end_is_an_error(make_tokenizer):
    template = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n###{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    message = r"no end-of-turn token follows the answer: the chat template of `tiny` has '###' there.*does not stop"
    with pytest.raises(ValueError, match=message):
        only(QUESTION, make_tokenizer(template), "chat")


def test_plain_needs_an_end_token(make_tokenizer):
    tokenizer = make_tokenizer(None)
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match=r"`tiny` has no end-of-sequence token.*`data\.init_args\.template: chat`"):
        only(QUESTION, tokenizer, "plain")


def test_a_token_over_the_border_that_cannot_be_taken_apart_is_an_error():
    vocabulary = {"<unk>": 0, "▁q": 1, "\n": 2, "\n\n": 3, "a": 4, "▁": 5, "q": 6}
    backend = Tokenizer(models.BPE(vocabulary, [("▁", "q"), ("\n", "\n")], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    backend.add_special_tokens([AddedToken("</s>", normalized=False)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", name_or_path="meta")
    assert only(conversation("q", "a"), tokenizer, "plain").n_targets == 2
    message = r"the prompt is no prefix .*`meta` joins .*Remove the white space at the start"
    with pytest.raises(ValueError, match=message):
        only(conversation("q", "\na"), tokenizer, "plain")
