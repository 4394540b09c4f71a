import pytest

from lightning_quicktune.data.turns import BadRecordError

ASKED = {"role": "user", "content": "Who rings?"}
GOOD, POOR = {"role": "assistant", "content": "The pilot."}, {"role": "assistant", "content": "Nobody."}
PAIRS = [
    {"prompt": "Who rings?", "chosen": "The pilot.", "rejected": "Nobody.", "score_chosen": 5, "label": True},
    {"prompt": [ASKED], "chosen": [GOOD], "rejected": [POOR]},
    {"chosen": [ASKED, GOOD], "rejected": [ASKED, POOR]},
    {"prompt": "Who rings?", "chosen": [ASKED, GOOD], "rejected": [ASKED, POOR], "messages": [ASKED, GOOD]},
    {"messages": [ASKED], "chosen": "The pilot.", "rejected": "Nobody."},
    {
        "conversations": [{"from": "human", "value": "Who rings?"}],
        "chosen": {"from": "gpt", "value": "The pilot."},
        "rejected": {"from": "gpt", "value": "Nobody."},
    },
    {"instruction": "Who rings?", "input": "", "chosen": "The pilot.", "rejected": "Nobody."},
    {"prompt": "Who rings?", "chosen_response": "The pilot.", "rejected_response": "Nobody."},
    {"input": {"messages": [ASKED], "tools": []}, "preferred_output": [GOOD], "non_preferred_output": [POOR]},
    {"prompt": "Who rings?", "response": "The pilot.", "chosen": "The pilot.", "rejected": "Nobody."},
    {"messages": [ASKED, GOOD], "chosen": "The pilot.", "rejected": "Nobody."},
]


@pytest.mark.parametrize("raw", PAIRS)
def test_preference_pairs_are_refused_as_such_or_the_chosen_answer_is_read(raw, parse, said):
    with pytest.raises(
        BadRecordError, match=r"make it a preference pair, .*`data.init_args.reading.preference: chosen`"
    ):
        parse(raw)
    assert said(raw, preference="chosen") == ["u: Who rings?", "a: The pilot."]


def test_system_and_tools_beside_a_pair_are_read(parse):
    tools = [{"name": "ring"}]
    raw = {"input": {"messages": [ASKED], "tools": tools}, "preferred_output": [GOOD], "non_preferred_output": [POOR]}
    assert '"ring"' in parse(raw, preference="chosen").record.tools
    raw = {"system": "Be brief.", "prompt": "Who rings?", "chosen": "The pilot.", "rejected": "Nobody."}
    assert parse(raw, preference="chosen").record.turns[0].content == "Be brief."


@pytest.mark.parametrize("preference", ["error", "chosen"])
def test_a_rejected_answer_without_a_chosen_one_is_refused_with_what_makes_it_a_pair(preference, parse, said):
    raw = {"prompt": "Who rings?", "best": "The pilot.", "rejected": "Nobody."}
    with pytest.raises(
        BadRecordError, match=r"`rejected` is there, but no `chosen`: .*: \{chosen: THEIRS\}`, or leave"
    ):
        parse(raw, preference=preference)
    assert said(raw, preference="chosen", columns={"chosen": "best"}) == ["u: Who rings?", "a: The pilot."]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"prompt": "Who?", "chosen": "A", "rejected": "A"},
            "`chosen` and `rejected` are equal, so neither is preferred",
        ),
        (
            {"prompt": "Human: Who?", "chosen": [ASKED, GOOD], "rejected": [ASKED, POOR]},
            "`chosen` begins with a turn of the user, but the question stands beside it",
        ),
        (
            {"chosen": "Human: Who? Assistant: Anna.", "rejected": "x"},
            "no question stands beside it: write the question",
        ),
        ({"prompt": "Who?", "response": "B", "chosen": "A", "rejected": "C"}, "an answer, 'B', stands beside `chosen`"),
        ({"messages": [ASKED, GOOD], "chosen": "A", "rejected": "C"}, "'The pilot.', stands beside `chosen`, and both"),
        ({"prompt": "Who?", "chosen": 3, "rejected": {"a": "b"}, "hint": "x"}, "`hint` would not be read"),
        (
            {"input": {"messages": [ASKED], "note": "x"}, "preferred_output": [GOOD], "non_preferred_output": [POOR]},
            "`input`: `note` would not be read",
        ),
    ],
)
def test_what_is_wrong_with_a_pair_is_said(raw, message, parse):
    with pytest.raises(BadRecordError, match=message):
        parse(raw, preference="chosen")
