import json

import pytest

from lightning_quicktune.data.tool_calls import calls_text, tools_text, without_nulls
from lightning_quicktune.data.turns import BadRecordError

WEIGH = {"type": "function", "function": {"name": "weigh", "arguments": '{"crate": 4}'}}


@pytest.mark.parametrize(
    "value",
    [
        [WEIGH],
        json.dumps([WEIGH]),
        {"name": "weigh", "arguments": {"crate": 4}},
        '{"name": "weigh", "arguments": {"crate": 4}}',
        [{"name": "weigh", "args": {"crate": 4}}],
        [{"type": "tool_use", "name": "weigh", "input": {"crate": 4}}],
        [{"id": None, "type": "function", "function": {"name": "weigh", "arguments": {"crate": 4, "unit": None}}}],
    ],
)
def test_calls_of_all_vendors_become_openais(value):
    assert json.loads(calls_text(value, "tool_calls")) == [WEIGH]


def test_ids_of_calls_are_kept():
    for key in ("id", "call_id", "toolUseId"):
        assert json.loads(calls_text([{key: "c1", "name": "weigh"}], "k")) == [
            {"id": "c1", "type": "function", "function": {"name": "weigh", "arguments": "{}"}}
        ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "`k` is '{', which isn't JSON"),
        ("7", "`k` is 7, not a list of objects"),
        ([], r"`k` is \[\], not a list of objects"),
        ([{"arguments": "{}"}], "call 1 of `k` is .*, without the `name` of a tool"),
        ([WEIGH, {"name": "weigh", "arguments": "{"}], "call 2 of `k` has the arguments '{', not an object"),
        ([{"name": "weigh", "arguments": [4]}], r"call 1 of `k` has the arguments \[4\], not an object"),
        ([{"name": "weigh", "arguments": {"crate": float("nan")}}], "can't be written as JSON"),
        ([{"name": "weigh\ud800"}], "can't be written as JSON"),
    ],
)
def test_what_is_wrong_with_calls_is_said(value, message):
    with pytest.raises(BadRecordError, match=message):
        calls_text(value, "k")


def test_tools_of_all_vendors_become_openais():
    schema = {"type": "object", "properties": {"crate": {"type": "integer"}}, "required": []}
    tool = {"type": "function", "function": {"name": "weigh", "description": "Weighs.", "parameters": schema}}
    bare = {"name": "weigh", "description": "Weighs."}
    for value in ([tool], json.dumps([tool]), [{**bare, "parameters": schema}], [{**bare, "input_schema": schema}]):
        assert json.loads(tools_text(value, "tools")) == [tool]
    declared = [{"functionDeclarations": [{**bare, "parameters": schema}, {"name": "lift"}]}]
    assert json.loads(tools_text(declared, "tools"))[0] == tool
    assert len(json.loads(tools_text(declared, "tools"))) == 2
    with pytest.raises(BadRecordError, match=r"tool 1 of `tools` is .*, without a `name`"):
        tools_text([{"function": {}}], "tools")


def test_nulls_that_columnar_files_fill_in_go_and_empty_objects_stay():
    assert without_nulls({"a": None, "b": {}, "c": {"d": None}, "e": [{"f": 1, "g": None}]}) == {
        "b": {},
        "e": [{"f": 1}],
    }
