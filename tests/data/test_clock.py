from datetime import datetime

import pytest

from lightning_quicktune.data.clock import TODAY, chat_template
from lightning_quicktune.data.template import Conversation, render
from lightning_quicktune.data.turns import Turn

DATED = (
    "\n{{%- if strftime_now is defined %}}{{%- set today = strftime_now({format!r}) %}}{{%- endif %}}"
    "Today is {{{{ today }}}}.{{% for m in messages %}}<|{{{{ m.role }}}}|>{{{{ m.content }}}}<|end|>{{% endfor %}}"
)
FORMATS = ["%Y-%m-%d", "%d %b %Y", "%-d %B %Y", "%A, %H:%M:%S", "100%% of %y", "no directive"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_template_that_asks_for_the_date_always_writes_the_same(make_tokenizer, form):
    text = render(Conversation((Turn("user", "Hi"),)), make_tokenizer(DATED.format(format=form)), "chat")
    assert text == f"Today is {TODAY.strftime(form)}.<|user|>Hi<|end|>"
    assert datetime.now() > TODAY


def test_a_date_may_be_asked_for_within_a_loop_or_a_macro(make_tokenizer):
    template = (
        "{% macro when() %}{{ strftime_now('%Y') }}{% endmacro %}"
        "{% for m in messages %}{{ when() }} {{ strftime_now('%m') }}{% endfor %}"
    )
    assert render(Conversation((Turn("user", "Hi"),)), make_tokenizer(template), "chat") == "2025 01"


def test_a_template_without_a_date_is_the_tokenizers_own(tokenizer):
    assert chat_template(tokenizer) == tokenizer.chat_template
