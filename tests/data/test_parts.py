import pytest

from lightning_quicktune.data.parts import read_content, result_text
from lightning_quicktune.data.turns import BadRecordError, Turn


@pytest.mark.parametrize(
    "value",
    [
        "Tide\nEbb",
        [{"type": "text", "text": "Tide"}, {"type": "text", "text": "Ebb", "cache_control": {"type": "ephemeral"}}],
        [{"text": "Tide"}, {"text": "Ebb"}],
        ["Tide", "Ebb"],
        {"parts": [{"text": "Tide"}, {"text": "Ebb"}]},
        {"content_type": "text", "parts": ["Tide", "Ebb"]},
        [{"type": "input_text", "text": "Tide"}, {"type": "output_text", "text": "Ebb", "annotations": []}],
        [{"type": "text", "text": "Tide", "image_url": None}, None, {"type": "text", "text": "Ebb"}],
        [{"type": "text", "text": "Tide\nEbb"}, {"type": "text", "text": ""}],
    ],
)
def test_parts_that_are_all_text_are_lines_of_one(value):
    assert read_content(value, "content").text == "Tide\nEbb"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"type": "image_url", "image_url": {"url": "a.png"}},
            "part 2 of `content` is of type 'image_url', and only text",
        ),
        ({"type": "image"}, "part 2 of `content` is of type 'image', and only text can be read"),
        ({"inlineData": {"data": "aGk="}}, "part 2 of `content` holds `inlineData`, and only text"),
        ({"text": "Ebb", "image_url": "a.png"}, "part 2 of `content` holds `image_url`, and only text"),
        ({"type": "text"}, "part 2 of `content` holds no `text`, though its type is 'text'"),
        (7, "part 2 of `content` is 7, not a text"),
    ],
)
def test_other_parts_are_refused_by_name(part, message):
    with pytest.raises(BadRecordError, match=message):
        read_content([{"type": "text", "text": "Tide"}, part], "content")


def test_thoughts_calls_and_results_are_told_from_the_text():
    anthropic = read_content(
        [
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "text", "text": "Ebb"},
            {"type": "tool_use", "id": "c1", "name": "weigh", "input": {}},
        ],
        "content",
    )
    assert (anthropic.text, anthropic.reasoning, len(anthropic.calls)) == ("Ebb", ["Hm."], 1)
    gemini = read_content([{"text": "Hm.", "thought": True}, {"functionCall": {"name": "weigh"}}], "parts")
    assert (gemini.text, gemini.reasoning, gemini.calls) == ("", ["Hm."], [{"name": "weigh"}])


@pytest.mark.parametrize(
    ("part", "turn"),
    [
        ({"type": "tool_result", "tool_use_id": "c1", "content": "4 kg"}, Turn("tool", "4 kg", tool_call_id="c1")),
        (
            {"functionResponse": {"name": "weigh", "response": {"kg": 4}}},
            Turn("tool", '{"kg": 4}', name="weigh"),
        ),
        (
            {"toolResult": {"toolUseId": "c1", "content": [{"json": {"kg": 4}}]}},
            Turn("tool", '{"kg": 4}', tool_call_id="c1"),
        ),
    ],
)
def test_answers_of_tools_in_parts_are_turns_of_their_own(part, turn):
    assert read_content([part], "content").results == [turn]


def test_an_empty_answer_of_a_tool_is_said():
    with pytest.raises(BadRecordError, match="part 1 of `content` is a tool's answer without content"):
        read_content([{"type": "tool_result", "tool_use_id": "c1"}], "content")


def test_answers_of_tools_are_texts_or_json():
    assert result_text([{"type": "text", "text": "4 kg"}], "content") == "4 kg"
    assert result_text([1, 2], "content") == "[1, 2]"
