"""Marks that say whether an answer is wanted: labels, weights, masks, and states of a review."""

from __future__ import annotations

import re

from lightning_quicktune.data.fields import Fields, is_harmless
from lightning_quicktune.data.names import ANSWERS, LABELS, OPTIONS
from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.values import as_text, boolean, flag, number, shown, texts_in

_IF_TRUE: tuple[str, ...] = (
    *("kto_tag", "accepted", "approved", "submitted", "validated", "wanted", "desirable", "is_good", "is_valid"),
    *(
        "is_correct",
        "correct",
        "keep",
        "thumbs_up",
        "accept",
        "approve",
        "acceptable",
        "valid",
        "good",
        "safe",
        "include",
    ),
    *("included", "chosen", "selected", "preferred", "is_accepted", "is_approved", "is_acceptable", "is_wanted"),
    *("is_desirable", "is_chosen", "is_selected", "is_preferred", "is_safe"),
)
_IF_FALSE: tuple[str, ...] = (
    *("deleted", "discarded", "rejected", "was_cancelled", "cancelled", "skipped", "undesirable", "flagged"),
    *("is_deleted", "is_discarded", "is_rejected", "is_bad", "thumbs_down", "exclude", "excluded", "ignore", "ignored"),
    *("skip", "discard", "delete", "reject", "removed", "invalid", "unwanted", "is_excluded", "is_ignored"),
    *("is_skipped", "is_removed", "is_invalid", "is_unwanted"),
)
_LEARNED_IF_TRUE: tuple[str, ...] = (
    *(
        "label",
        "train",
        "training",
        "train_on_turn",
        "trainable",
        "do_train",
        "learn",
        "loss",
        "loss_mask",
        "is_target",
    ),
    *("compute_loss", "calculate_loss", "learnable", "learned", "trained", "is_trainable"),
)
_LEARNED_IF_FALSE: tuple[str, ...] = (
    "masked",
    "mask",
    "is_masked",
    "ignore_loss",
    "skip_loss",
    "no_loss",
    "context_only",
)
_WEIGHTS: tuple[str, ...] = (
    *("weight", "loss_weight", "sample_weight", "example_weight", "instance_weight", "training_weight", "loss_scale"),
    *("turn_weight", "message_weight"),
)
_ABOUT_LEARNING = re.compile(
    r"(^|_)(masks?|masked|loss|losses|train|trained|training|trainable|learn|learned|learnable|weights?)(_|$)"
)
_WANTED = (
    "accept accepted approve approved submitted complete completed validated valid done finished reviewed ok good "
    "published final"
)
_WANTED_STATES = frozenset(_WANTED.split())
_UNWANTED = (
    "reject rejected discard discarded draft pending ignore ignored skip skipped cancelled canceled deleted invalid "
    "declined flagged default"
)
_UNWANTED_STATES = frozenset(_UNWANTED.split())
STATES = ("status", "state", "review_status", "annotation_status", "decision", "verdict")


class UnwantedRecordError(BadRecordError):
    """A record that says itself that its answer isn't to be learned."""


def unwanted(key: str, value: object, means: str) -> UnwantedRecordError:
    """The error of a record that is marked by one of its keys."""
    return UnwantedRecordError(f"marked as unwanted: `{key}` is {shown(value)}, {means}")


def check_wanted(fields: Fields, label_is_mark: bool) -> None:
    """Reads the marks of a whole record.

    Args:
        fields: The record.
        label_is_mark: Whether its answer stands elsewhere, so that a boolean `label` is a mark of it.

    Raises:
        UnwantedRecordError: If its answer isn't wanted.
        BadRecordError: If a mark can't be understood.
    """
    for names, bad in ((_IF_TRUE, False), (_LEARNED_IF_TRUE, False), (_IF_FALSE, True), (_LEARNED_IF_FALSE, True)):
        for name in names:
            if (mark := _mark(fields, name)) is None or (name == "label" and not label_is_mark):
                continue
            if mark is bad:
                raise _unwanted_by(fields, name, "so its answer isn't one to learn")
            fields.drop(name)
    _check_mask(fields)
    _check_parts(fields)
    _check_weight(fields)
    _check_states(fields)
    if label_is_mark:
        _check_number_label(fields)
    _check_unknown(fields)


def _mark(fields: Fields, name: str) -> bool | None:
    """What a mark says; a `label` of 0 or 1 may be a class, and `correct` the position of an option."""
    value = fields.values.get(name)
    if name in LABELS and fields.first(OPTIONS) is not None:
        is_position = fields.first([key for key in ANSWERS if key != name]) is None
    else:
        is_position = False
    return boolean(value) if name == "label" or is_position else flag(value)


def is_learned(fields: Fields) -> bool:
    """Whether the assistant's turn with these keys is a target; its marks count as read.

    Raises:
        BadRecordError: If only a part of it would be one, or it has a weight that can't be kept.
    """
    learned = True
    for names, bad in ((_IF_TRUE, False), (_IF_FALSE, True)):
        for name in names:
            if (mark := _mark(fields, name)) is bad:
                raise _unwanted_by(fields, name, "so its answer isn't one to learn")
            if mark is not None:
                fields.drop(name)
    for names, wanted in ((_LEARNED_IF_TRUE, True), (_LEARNED_IF_FALSE, False)):
        for name in names:
            if (mark := _mark(fields, name)) is not None:
                fields.drop(name)
                learned = learned and mark is wanted
    _check_parts(fields)
    learned = learned and _weight(fields) > 0
    _check_unknown(fields)
    return learned


def _unwanted_by(fields: Fields, name: str, means: str) -> UnwantedRecordError:
    """The error of a mark that a person may know to mean something else."""
    key = fields.typed[name]
    return unwanted(
        key, fields.values[name], f"{means} (if it means something else: `data.init_args.reading.ignore: [{key}]`)"
    )


def _check_parts(fields: Fields) -> None:
    """Refuses masks and weights of characters, tokens or turns."""
    for name, value in fields.values.items():
        is_list = isinstance(value, list) and _ABOUT_LEARNING.search(name) is not None and not texts_in(value)
        if is_list or name in ("train_detail", "training_detail"):
            raise BadRecordError(
                f"`{fields.typed[name]}` marks parts of an answer, but a turn is learned whole or not at all: leave it "
                f"out by `data.init_args.reading.ignore: [{fields.typed[name]}]` to learn it whole"
            )


def _weight(fields: Fields) -> float:
    """The weight of a record or turn: 1, or 0 and below; others can't be kept."""
    weight = 1.0
    for name in _WEIGHTS:
        value = fields.values.get(name)
        if value is None:
            continue
        found = number(value)
        if found is None or (found > 0 and found != 1):
            raise BadRecordError(
                f"`{fields.typed[name]}` is {shown(value)}, but only 1 (learned) and 0 (not learned) can be kept: "
                f"round it, or set `data.init_args.reading.ignore: [{fields.typed[name]}]` to learn all alike"
            )
        fields.drop(name)
        weight = min(weight, found)
    return weight


def _check_weight(fields: Fields) -> None:
    given = {name: fields.values[name] for name in _WEIGHTS if name in fields}
    if _weight(fields) <= 0:
        name, value = next((name, value) for name, value in given.items() if (number(value) or 0) <= 0)
        means = "which asks to unlearn it" if (number(value) or 0) < 0 else "so nothing of it is to be learned"
        raise UnwantedRecordError(f"marked as unwanted: `{fields.typed[name]}` is {shown(value)}, {means}")


def _check_mask(fields: Fields) -> None:
    """NeMo's `mask` names the side that isn't learned."""
    value = fields.values.get("mask")
    if value is None:
        return
    if not isinstance(value, str) or value.strip().lower() not in ("user", "human"):
        raise BadRecordError(f"`mask` is {shown(value)}, but only the assistant's turns can be learned, not others")
    fields.drop("mask")


def _check_states(fields: Fields) -> None:
    for name in STATES:
        value = fields.values.get(name)
        state = value.strip().lower() if isinstance(value, str) else None
        if state in _UNWANTED_STATES:
            raise _unwanted_by(fields, name, "the state of a review that didn't accept it")
        if state in _WANTED_STATES:
            fields.drop(name)


def _check_number_label(fields: Fields) -> None:
    """A `label` of 0 or 1 beside an answer may be KTO's mark or a class; nothing tells them apart."""
    value = fields.values.get("label")
    if value is not None and number(value) in (-1, 0, 1):
        key = fields.typed["label"]
        raise BadRecordError(
            f"`{key}` is {as_text(value, 'label')}, which may mark the answer as unwanted or be a class: write false "
            f"or true, or set `data.init_args.reading.ignore: [{key}]` if it is a class"
        )


def _check_unknown(fields: Fields) -> None:
    """Refuses what may say that something isn't learned, in words that aren't known here."""
    for name, value in fields.values.items():
        if name in fields.read or is_harmless(name) or flag(value) is None:
            continue
        if _ABOUT_LEARNING.search(name) is not None:
            key = fields.typed[name]
            raise BadRecordError(
                f"`{key}` is {shown(value)}, which may say whether it is to be learned: write `train: false` for what "
                f"isn't, or leave it out by `data.init_args.reading.ignore: [{key}]`"
            )
