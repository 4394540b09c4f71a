import json

import pytest

from lightning_quicktune.data.conversation import is_turn_list, read_rounds, read_turns, without_open_answer
from lightning_quicktune.data.turns import BadRecordError, Turn

ASKED, ANSWERED = {"role": "user", "content": "Who rings?"}, {"role": "assistant", "content": "The pilot."}
TURNS = [Turn("user", "Who rings?"), Turn("assistant", "The pilot.")]


@pytest.mark.parametrize(
    "entries",
    [
        [ASKED, ANSWERED],
        [{"from": "human", "value": "Who rings?"}, {"from": "gpt", "value": "The pilot."}],
        [{"role": "User", "content": "Who rings?"}, {"role": "Chatbot", "content": "The pilot."}],
        [{"role": "user", "parts": [{"text": "Who rings?"}]}, {"role": "model", "parts": [{"text": "The pilot."}]}],
        [{"author": "user", "content": "Who rings?"}, {"author": "bot", "content": "The pilot."}],
        [{"role": "prompter", "text": "Who rings?"}, {"role": "assistant", "text": "The pilot."}],
        [{"Role": "USER", "Content": "Who rings?"}, {"Role": "ASSISTANT", "Content": "The pilot."}],
        [{**ASKED, "name": None, "tool_calls": []}, {**ANSWERED, "id": "m2", "refusal": None, "weight": None}],
        [{"role": "system", "content": None}, ASKED, ANSWERED],
        json.dumps([ASKED, ANSWERED]),
        repr([ASKED, ANSWERED]),
    ],
)
def test_turns_are_read_by_their_own_keys(entries):
    assert read_turns(entries, "messages") == TURNS


def test_numbers_and_umlauts_are_texts_of_turns():
    turns = read_turns(
        [{"role": "user", "content": "Wie viele Fässer?"}, {"role": "assistant", "content": 7}], "messages"
    )
    assert [turn.content for turn in turns] == ["Wie viele Fässer?", "7"]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_goes_with_its_turn(key):
    assert read_turns([ASKED, {**ANSWERED, key: "Bells."}], "m")[1] == Turn(
        "assistant", "The pilot.", reasoning="Bells."
    )


def test_an_analysis_joins_the_final_turn():
    analysis = [{"role": "assistant", "channel": "analysis", "content": text} for text in ("Bells.", "Or horns?")]
    final = {**ANSWERED, "channel": "final", "thinking": "Bells!"}
    turn = read_turns([ASKED, *analysis, final], "m")[-1]
    assert turn == Turn("assistant", "The pilot.", reasoning="Bells.\nOr horns?\nBells!")


def test_tools_are_called_and_answer():
    call = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"pier": 2}'}}]
    openai = [
        {"role": "assistant", "content": None, "tool_calls": call},
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ]
    called, answered = read_turns([ASKED, *openai, ANSWERED], "messages")[1:3]
    assert (called.content, json.loads(called.tool_calls)) == ("", call)
    assert answered == Turn("tool", "x", tool_call_id="c1")
    old = [
        {"role": "assistant", "content": "", "function_call": {"name": "look", "arguments": '{"pier": 2}'}},
        {"role": "function", "name": "look", "content": "x"},
    ]
    called, answered = read_turns([ASKED, *old, ANSWERED], "messages")[1:3]
    assert json.loads(called.tool_calls)[0]["function"] == call[0]["function"]
    assert answered == Turn("tool", "x", name="look")
    shared = [
        {"from": "function_call", "value": json.dumps(call[0]["function"])},
        {"from": "observation", "value": "x"},
    ]
    called, answered = read_turns(shared, "conversations")
    assert json.loads(called.tool_calls)[0]["function"] == call[0]["function"]
    assert answered == Turn("tool", "x")
    parts = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"pier": 2}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x"}, {"type": "text", "text": "So?"}],
        },
    ]
    called, answered, asked = read_turns(parts, "messages")
    assert json.loads(called.tool_calls) == call
    assert (answered, asked) == (Turn("tool", "x", tool_call_id="c1"), Turn("user", "So?"))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], r"`m` is \[\], not a list of turns"),
        ("Who?", "`m` is 'Who\\?', not a list of turns"),
        ("[{'role': 'user', 'content': 'a'}\n {'role': 'user', 'content': 'b'}]", "`m` is .*, not a list of turns"),
        (["Who?"], r"turn 1 is 'Who\?', not an object, which doesn't say who speaks: write an object with role and"),
        (
            [ASKED, {"role": "assistant", "content": "<think>Rope.</think>A", "reasoning_content": "Rope."}],
            "turn 2: reasoning is there twice",
        ),
        ([None, ANSWERED], "turn 1 is null, not an object"),
        ([{"role": 2, "content": "A"}], "turn 1 has `role` 2, not one of system, developer, user"),
        ([{"content": "A"}], "turn 1 has `role` null, not one of"),
        ([{"from": "narrator", "value": "A"}], "turn 1 has `from` 'narrator', not one of"),
        ([ASKED, {"role": "assistant"}], "turn 2: no `content`"),
        ([ASKED, {"role": "assistant", "content": None}], "turn 2: `content` is null, not a text"),
        ([ASKED, {"from": "gpt", "value": " "}], "turn 2: `value` is empty"),
        ([ASKED, {"from": "gpt", "value": ""}], "turn 2: `value` is empty"),
        ([{"role": [1], "content": "A"}], r"turn 1 has `role` \[1\], not one of"),
        ([ASKED, {"role": "assistant", "content": "A\ud83d"}], "turn 2: `content` has half a surrogate pair"),
        ([{"role": "user", "content": [{"type": "image"}]}], "turn 1: part 1 of `content` is of type 'image'"),
        ([{**ASKED, "context": "fog"}], "turn 1: `context` would not be read"),
        ([ASKED, {**ANSWERED, "refusal": "No."}], "turn 2: `refusal` would not be read"),
        ([{**ASKED, "thinking": "Hm."}, ANSWERED], "turn 1: `thinking` would not be read"),
        (
            [ASKED, {**ANSWERED, "reasoning": "a", "thinking": "b"}],
            "turn 2: reasoning is there 2 times, with different",
        ),
        (
            [{"role": "user", "content": [{"type": "thinking", "thinking": "a"}]}],
            "turn 1: `content` holds an assistant's",
        ),
        ([ASKED, {**ANSWERED, "channel": "commentary"}], "turn 2: `channel` is 'commentary', which can't be told"),
        ([ASKED, {**ANSWERED, "channel": "analysis"}], "the last turn is an analysis, and no answer follows it"),
        ([{**ANSWERED, "channel": "analysis"}, ASKED], "turn 2 comes between an assistant's analysis and its answer"),
        (
            [
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "name": "look", "input": {}}],
                    "tool_calls": [{"name": "ring"}],
                }
            ],
            "turn 1: `tool_calls` and the content name different calls",
        ),
    ],
)
def test_what_is_wrong_with_turns_is_said(entries, message):
    with pytest.raises(BadRecordError, match=message):
        read_turns(entries, "m")


def test_keys_of_turns_can_be_left_out():
    assert read_turns([{**ASKED, "mood": "calm"}, ANSWERED], "messages", ignore=["mood"]) == TURNS


def test_lists_of_turns_are_told_from_other_values():
    assert all(is_turn_list(value) for value in ([ASKED], ASKED, repr([ASKED]), [{"from": "gpt"}]))
    assert not is_turn_list(repr([ASKED]), in_text=False)
    assert not any(is_turn_list(value) for value in ([], "Who?", "[1]", [1], [ASKED, 1], 3, [{"input": "a"}], {}))


def test_earlier_rounds_are_pairs_or_turns():
    assert read_rounds([["Who rings?", "The pilot."]], "history") == TURNS
    assert read_rounds("[['Who rings?', 'The pilot.']]", "history") == TURNS
    assert read_rounds([ASKED, ANSWERED], "history") == TURNS
    for value in ("User: Who?", [["Who?"]], [["Who?", None]], [3]):
        with pytest.raises(BadRecordError, match=r"round 1 of `history` is .*, not a pair of question and answer"):
            read_rounds(value, "history")


def test_an_open_answer_is_left_out():
    for open_answer in ({"role": "assistant", "content": ""}, {"from": "gpt", "value": None}, {"Role": "Model"}):
        assert without_open_answer([ASKED, open_answer]) == [ASKED]
    for entries in ([ASKED, ANSWERED], [ASKED], [], "x", ["x"], [{"content": ""}]):
        assert without_open_answer(entries) == entries


def test_what_an_api_says_of_how_it_stopped_is_no_part_of_a_turn(said):
    stopped = {"stop_reason": "end_turn", "finish_reason": "stop", "usage": {"service_tier": "standard", "tokens": 7}}
    turns = [{"role": "user", "content": "Who rings?"}, {"role": "assistant", "content": "The pilot.", **stopped}]
    assert said({"messages": turns}) == ["u: Who rings?", "a: The pilot."]
