import pytest

from lightning_quicktune.data.chat_template_file import read_chat_template, with_chat_template
from lightning_quicktune.data.datamodule import TaskData

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|end|>"
    "{% endgeneration %}{% else %}{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write(folder, text):
    (folder / "other.jinja").write_text(text)
    return str(folder / "other.jinja")


def make(path, tokenizer, **settings):
    data = TaskData(str(path), **settings)
    data.attach_tokenizer(tokenizer)
    data.setup("fit")
    return data


def test_a_template_from_a_file_writes_the_records(write_task, tokenizer, tmp_path):
    path = write_task(train=["yes"])
    own, other = make(path, tokenizer), make(path, tokenizer, chat_template=write(tmp_path, TEMPLATE))
    assert own.tokens("train")[0].prompt_text == "<|user|>\ntrain 0?<|end|>\n<|assistant|>\n"
    assert other.tokens("train")[0].prompt_text == "<|user|>train 0?<|end|><|assistant|>"
    assert other.describe()["content_digest"] != own.describe()["content_digest"]
    assert other.tokenizer.chat_template == TEMPLATE
    assert tokenizer.chat_template != TEMPLATE


def test_the_digest_follows_the_text_of_the_file(write_task, tokenizer, tmp_path):
    path = write_task(train=["yes"])
    before = make(path, tokenizer, chat_template=write(tmp_path, TEMPLATE)).describe()
    after = make(path, tokenizer, chat_template=write(tmp_path, TEMPLATE.replace("|>{%", "|>\n{%"))).describe()
    assert after["content_digest"] != before["content_digest"]


def test_a_model_without_a_template_can_be_given_one(write_task, make_tokenizer, tmp_path):
    path = write_task(train=["yes"])
    with pytest.raises(ValueError, match=r"has no chat template.*name a template as `data\.init_args\.chat_template`"):
        make(path, make_tokenizer(None))
    assert make(path, make_tokenizer(None), chat_template=write(tmp_path, TEMPLATE)).tokens("train")


def test_the_same_tokenizer_is_given_back_for_the_same_text(tokenizer):
    assert with_chat_template(tokenizer, None) is tokenizer
    assert with_chat_template(tokenizer, tokenizer.chat_template) is tokenizer
    assert with_chat_template(tokenizer, TEMPLATE) is with_chat_template(tokenizer, TEMPLATE) is not tokenizer


def test_a_missing_file_is_an_error():
    with pytest.raises(
        FileNotFoundError, match=r"no file `gone\.jinja` in /.*`data\.init_args\.chat_template` names it"
    ):
        read_chat_template("gone.jinja", "chat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{% for m in messages %}", r"can't be used as a chat template: Unexpected end of template"),
        (b"{{ messages \xff }}", r"can't be used as a chat template: .*utf-8.*in UTF-8"),
        (b"<|user|>", r"is no chat template: it doesn't mention `messages`"),
    ],
)
def test_a_file_that_holds_no_template_is_an_error(tmp_path, text, message):
    (tmp_path / "x.jinja").write_bytes(text)
    with pytest.raises(ValueError, match=rf"{message}.*`data\.init_args\.chat_template`"):
        read_chat_template(str(tmp_path / "x.jinja"), "chat")


def test_a_template_that_would_not_be_used_is_an_error(tmp_path):
    with pytest.raises(
        ValueError, match=r"but `data\.init_args\.template` is plain, which doesn't use it\. Remove one"
    ):
        TaskData("anywhere", template="plain", chat_template=write(tmp_path, TEMPLATE))
