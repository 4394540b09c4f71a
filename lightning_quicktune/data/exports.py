"""Exports of annotation tools: which key of them holds the answer, and what their states mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lightning_quicktune.data.fields import Fields, canonical
from lightning_quicktune.data.names import ANSWERS, LISTS, PARTS
from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.values import decoded, is_absent, shown
from lightning_quicktune.data.wanted import UnwantedRecordError, unwanted

Rebuild = Callable[[Mapping[str, Any]], Fields]
_PRODIGY = ("_input_hash", "_task_hash", "_view_id", "_annotator_id", "_session_id")
_PRODIGY_STATES = ("accept", "reject", "ignore")
_PRODIGY_ASIDE = ("config", "html", "style")
_TASK_KEYS = frozenset({"data", "annotations", "predictions", "drafts", "file_upload", "comment_authors", "updated_by"})
_RECORD_KEYS = frozenset({"fields", "responses", "suggestions", "status"})
_ASIDE = re.compile(r"[._](suggestion|responses)([._]|$)")
_TEXT_RESULTS = {"textarea": "text", "choices": "choices"}


def unpacked(raw: Mapping[str, Any], fields: Fields, rebuild: Rebuild) -> Fields:
    """The record that an annotation tool's export holds; any other record as it is.

    Args:
        raw: The record as it was read.
        fields: The same, by key.
        rebuild: Makes fields of an object that was found inside.

    Raises:
        UnwantedRecordError: If nobody submitted an answer, or it was rejected.
        BadRecordError: If several answers were submitted.
    """
    if any(name in raw for name in _PRODIGY) or _is_state(raw, fields):
        return _prodigy(raw, fields)
    if isinstance(raw.get("data"), dict) and isinstance(raw.get("annotations"), list):
        answers = _label_studio(raw)
        return _with_answer(rebuild({**_rest(raw, _TASK_KEYS), **raw["data"], **answers}), answers)
    if "annotation_id" in fields.empty:
        key = fields.typed["annotation_id"]
        means = "a draft that nobody submitted in Label Studio"
        ignored = f"if it means something else: `data.init_args.reading.ignore: [{key}]`"
        raise unwanted(key, fields.empty["annotation_id"], f"{means} ({ignored})")
    if isinstance(raw.get("fields"), dict) and isinstance(raw.get("responses"), (dict, list, type(None))):
        answers = _argilla_responses(raw)
        return _with_answer(rebuild({**_rest(raw, _RECORD_KEYS), **raw["fields"], **answers}), answers)
    if any(map(_ASIDE.search, fields.typed)) or any(map(_is_responses, fields.values.values())):
        return _argilla_columns(fields)
    return fields


def _with_answer(fields: Fields, annotated: Collection[str]) -> Fields:
    """Takes the one thing that was annotated for the answer, whatever its name, where nothing else is one."""
    names = [name for name, typed in fields.typed.items() if typed in annotated and name in fields]
    if len(names) == 1 and names[0] not in PARTS and fields.first(ANSWERS) is None:
        fields.rename(names[0], "response")
    return fields


def _rest(raw: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """What stands beside the keys that a tool writes."""
    return {key: value for key, value in raw.items() if key not in known}


def _is_state(raw: Mapping[str, Any], fields: Fields) -> bool:
    """Whether ``answer`` is a state of Prodigy's although its own keys were left out: the answer has another key."""
    if raw.get("answer") not in _PRODIGY_STATES:
        return False
    return "_timestamp" in raw or fields.first([name for name in (*ANSWERS, *LISTS) if name != "answer"]) is not None


def _prodigy(raw: Mapping[str, Any], fields: Fields) -> Fields:
    """Prodigy's ``answer`` is what the annotator did; what was written or chosen has a key of its own."""
    state = raw.get("answer")
    if state in ("reject", "ignore"):
        raise unwanted("answer", state, "what the annotator did in Prodigy")
    if state != "accept" and not is_absent(state):
        raise BadRecordError(f"`answer` is {shown(state)}, not one of Prodigy's accept, reject and ignore")
    for name in _PRODIGY_ASIDE:
        fields.drop(name)
    for name in ("answer", "answer (not mapped)"):
        if fields.values.get(name) == state:
            fields.drop(name)
    if "accept" in raw and "options" in fields:
        fields.put("response", _accepted(raw["accept"], fields.values["options"]))
        fields.drop("accept")
    elif (written := _written(raw, fields)) is not None:
        fields.rename(written, "response")
    return fields


def _written(raw: Mapping[str, Any], fields: Fields) -> str | None:
    """The key of what the annotator wrote, which `field_id` names, unless it is one of an answer anyway."""
    given = raw.get("field_id") or "user_input"
    name = canonical(given) if isinstance(given, str) else ""
    return name if name in fields and name not in ANSWERS else None


def _accepted(accepted: Any, options: Any) -> Any:
    """The text of the one option that was chosen."""
    if not isinstance(accepted, list) or len(accepted) != 1 or not isinstance(options, list):
        raise BadRecordError(f"`accept` is {shown(accepted)}, but one option must be chosen to be the answer")
    texts = [entry.get("text") for entry in options if isinstance(entry, dict) and entry.get("id") == accepted[0]]
    if len(texts) != 1 or is_absent(texts[0]):
        raise BadRecordError(f"`accept` is {shown(accepted)}, which names no option with a text")
    return texts[0]


def _label_studio(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The one answer to each question of a task: predictions and drafts are none."""
    done = [entry for entry in _objects(raw["annotations"], "annotations") if not entry.get("was_cancelled")]
    if not done:
        cancelled = "was skipped" if raw["annotations"] else "has no annotation"
        raise UnwantedRecordError(f"marked as unwanted: the task {cancelled} in Label Studio")
    answers = [_results(_objects(entry.get("result"), "result")) for entry in done]
    return _agreed(answers, "annotations")


def _objects(value: Any, key: str) -> list[Mapping[str, Any]]:
    """A list of objects, empty where it is absent."""
    if is_absent(value):
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise BadRecordError(f"`{key}` is {shown(value)}, not a list of objects")
    return value


def _results(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for result in results:
        kind, name = result.get("type"), str(result.get("from_name"))
        key, value = _TEXT_RESULTS.get(str(kind)), result.get("value")
        if key is None:
            raise BadRecordError(f"`annotations` hold a result of type {kind!r} (`{name}`), and only texts can be read")
        texts = value.get(key) if isinstance(value, dict) else value
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or len(texts) != 1 or name in found:
            raise BadRecordError(f"`{name}` is {shown(texts)}: one text can be the answer, not several")
        found[name] = texts[0]
    return found


def _agreed(answers: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """What several people answered, where they agree."""
    if any(answer != answers[0] for answer in answers[1:]):
        raise BadRecordError(f"`{key}` hold {len(answers)} answers that differ: keep the one that is meant")
    return dict(answers[0])


def _argilla_responses(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Argilla's record with its fields and responses in objects of their own."""
    responses = raw.get("responses") or {}
    if isinstance(responses, list):  # by user
        by_name: dict[str, list[Any]] = {}
        for response in _objects(responses, "responses"):
            for name, value in _values(response).items():
                given = value.get("value") if isinstance(value, dict) else value
                by_name.setdefault(name, []).append({"value": given, "status": response.get("status")})
        responses = by_name
    answers = {name: _submitted(name, given, raw.get("status")) for name, given in responses.items()}
    return _answered(answers, responses)


def _values(response: Mapping[str, Any]) -> Mapping[str, Any]:
    values = response.get("values") or {}
    if not isinstance(values, dict):
        raise BadRecordError(f"`values` of a response is {shown(values)}, not an object")
    return values


def _argilla_columns(fields: Fields) -> Fields:
    """Argilla's record with its responses in columns."""
    names = [name.removesuffix(".responses") for name in fields.typed if name.endswith(".responses")]
    old = [name.removesuffix("_suggestion") for name in fields.typed if name.endswith("_suggestion")]
    old += [name for name, value in fields.values.items() if _is_responses(value)]
    given: dict[str, list[Any]] = {}
    for name in names:
        values, states = _listed(fields.take(f"{name}.responses")), _listed(fields.take(f"{name}.responses.status"))
        states = states or [None] * len(values)
        if len(states) != len(values):
            raise BadRecordError(f"`{name}.responses` has {len(values)} values, but {len(states)} states")
        given[name] = [{"value": value, "status": state} for value, state in zip(values, states, strict=True)]
    given |= {name: _listed(fields.take(name)) for name in old if name in fields or name in fields.empty}
    status = fields.values.get("status")
    fields.drop("status")
    for name in fields.values.keys() - fields.read:
        if _ASIDE.search(name):
            fields.drop(name)
    answers = _answered({name: _submitted(name, each, status) for name, each in given.items()}, given)
    for name, value in answers.items():
        fields.put(name, value)
    return _with_answer(fields, answers)


def _is_responses(value: Any) -> bool:
    """Whether a value is Argilla's list of what users answered."""
    return isinstance(value, list) and all(isinstance(v, dict) and {"value", "status"} <= v.keys() for v in value)


def _listed(value: Any) -> list[Any]:
    value = decoded(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else value
    return value if isinstance(value, list) else [] if is_absent(value) else [value]


def _submitted(name: str, given: Any, status: Any) -> list[Any]:
    """Submitted values; where a response doesn't say, the record must be completed, and have one alone."""
    entries = [entry if isinstance(entry, dict) else {"value": entry} for entry in _listed(given)]
    values = []
    for entry in entries:
        state = entry.get("status")
        if state is None and str(status).lower() not in ("completed", "validated", "submitted"):
            raise UnwantedRecordError(
                f"marked as unwanted: `{name}` has a response, but Argilla's record is {shown(status)}, not completed"
            )
        if state is None or str(state).lower().endswith("submitted"):
            values.append(entry.get("value"))
    return [value for value in values if not is_absent(value)]


def _answered(answers: Mapping[str, Sequence[Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The one answer to each question; suggestions of models are none."""
    if not any(answers.values()):
        what = "were discarded or drafts" if any(map(_listed, given.values())) else "are none"
        raise UnwantedRecordError(f"marked as unwanted: the responses in Argilla {what}")
    for name, values in answers.items():
        if len({repr(value) for value in values}) > 1:
            raise BadRecordError(f"`{name}` has {len(values)} responses that differ: keep the one that is meant")
    return {name: values[0] for name, values in answers.items() if values}
