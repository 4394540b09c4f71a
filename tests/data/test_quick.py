import pytest

from lightning_quicktune.data.quick import quick_plan
from lightning_quicktune.data.turns import Turn

PLAIN = {"question": "Who rings?", "answer": "The pilot."}
CHAT = [{"role": "user", "content": "Who rings?"}, {"role": "assistant", "content": "The pilot."}]


def quick(raw, columns=(), ignore=()):
    plan = quick_plan(tuple(raw), columns, ignore)
    return plan and plan.turns(raw)


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN,
        {**PLAIN, "id": 3, "context": None, "system": ""},
        {"instruction": "Who rings?", "input": "", "output": "The pilot."},
        {"messages": CHAT, "tools": None},
        {
            "id": "c1",
            "conversations": [{"from": "human", "value": "Who rings?"}, {"from": "gpt", "value": "The pilot."}],
        },
    ],
)
def test_plain_records_are_read_in_short(raw, parse):
    assert quick(raw) == (Turn("user", "Who rings?"), Turn("assistant", "The pilot.")) == parse(raw).record.turns


@pytest.mark.parametrize(
    "raw",
    [
        {**PLAIN, "context": "Fog."},
        {**PLAIN, "answer": 7},
        {**PLAIN, "answer": " "},
        {**PLAIN, "answer": "['a']"},
        {**PLAIN, "answer": "\u00fc\ud800"},
        {**PLAIN, "annotation_id": 7},
        {**PLAIN, "_task_hash": 7},
        {**PLAIN, "answer.responses": ["x"]},
        {"instruction": "Who?", "input": 7, "output": "x"},
        {"messages": CHAT, "system": "Be brief."},
        {"messages": [*CHAT, CHAT[0]]},
        {"messages": [CHAT[1], *CHAT]},
        {"messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, *CHAT]},
        {"messages": [CHAT[0], {**CHAT[1], "weight": 0}]},
        {"messages": [CHAT[0], {"role": "assistant", "content": "\u00fc\ud800"}]},
        {"messages": []},
        {"rope": "x"},
    ],
)
def test_all_others_are_looked_at_one_by_one(raw):
    assert quick(raw) is None


def test_columns_and_ignored_keys_have_plans_too():
    raw = {"Frage": "Who rings?", "Antwort": "The pilot.", "hint": "x"}
    columns = (("question", "Frage"), ("answer", "Antwort"))
    assert quick(raw, columns) is None
    assert quick(raw, columns, ("hint",)) == (Turn("user", "Who rings?"), Turn("assistant", "The pilot."))
    assert quick_plan(tuple(raw), columns, ("hint",)).ignored == {"hint"}
