import pytest

from lightning_quicktune.data.turns import BadRecordError
from lightning_quicktune.data.wanted import UnwantedRecordError

PAIR = {"prompt": "Who rings?", "completion": "The pilot."}
CHAT = [{"role": "user", "content": "Who rings?"}, {"role": "assistant", "content": "The pilot."}]


@pytest.mark.parametrize(
    "mark",
    [
        {"label": False},
        {"label": "False"},
        {"kto_tag": False},
        {"kto_tag": 0},
        {"accepted": "0"},
        {"weight": 0},
        {"weight": -1.0},
        {"weight": "0.0"},
        {"train": False},
        {"deleted": True},
        {"was_cancelled": True},
        {"is_correct": False},
        {"submitted": 0},
        {"is_rejected": "true"},
        {"status": "Discarded"},
        {"status": "draft"},
        {"review_status": "rejected"},
        {"accept": False},
        {"is_preferred": 0},
        {"valid": False},
        {"exclude": True},
        {"is_safe": False},
    ],
)
def test_records_marked_as_unwanted_are_none(mark, parse):
    key, value = next(iter(mark.items()))
    for raw in (PAIR, {"messages": CHAT}, {"question": "Who rings?", "answer": "The pilot."}):
        with pytest.raises(UnwantedRecordError, match=rf"marked as unwanted: `{key}` is {value!r}, "):
            parse({**raw, **mark})


@pytest.mark.parametrize(
    "mark", [{"label": True}, {"kto_tag": 1}, {"weight": 1}, {"status": "submitted"}, {"deleted": False}]
)
def test_marks_of_wanted_records_are_left_out(mark, parse, said):
    assert said({**PAIR, **mark}) == ["u: Who rings?", "a: The pilot."]
    assert parse({**PAIR, **mark}).ignored == set(mark)


def test_a_label_that_is_a_class_is_no_mark(said, parse):
    assert said({"question": "Who rings?", "answer": "The pilot.", "label": 3}) == ["u: Who rings?", "a: The pilot."]
    with pytest.raises(BadRecordError, match="`label` would not be read"):
        parse({**PAIR, "label": "harbour"})


@pytest.mark.parametrize("label", [0, 1, "0", -1])
def test_a_label_that_may_be_a_class_or_a_mark_is_refused_beside_any_answer(label, parse):
    for raw in (PAIR, {"messages": CHAT}, {"question": "Who rings?", "answer": "The pilot."}):
        with pytest.raises(
            BadRecordError, match=rf"`label` is {label}, which may mark the answer as unwanted or be a class"
        ):
            parse({**raw, "label": label})
        assert parse({**raw, "label": label}, ignore=["label"]).ignored == {"label"}


@pytest.mark.parametrize("weight", [0.5, 2, "heavy"])
def test_other_weights_are_refused(weight, parse):
    with pytest.raises(BadRecordError, match=r"`weight` is .*, but only 1 .learned. and 0 .not learned. can be kept"):
        parse({**PAIR, "weight": weight})
    with pytest.raises(BadRecordError, match=r"turn 2: `weight` is .*reading.ignore: .weight."):
        parse({"messages": [CHAT[0], {**CHAT[1], "weight": weight}]})


@pytest.mark.parametrize(
    "mark",
    [
        {"weight": 0},
        {"weight": -1},
        {"train": False},
        {"training": 0},
        {"loss": False},
        {"masked": True},
        {"loss_mask": 0},
        {"is_target": False},
        {"compute_loss": False},
    ],
)
def test_turns_that_are_not_to_be_learned_are_context(mark, said):
    better = [{"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "Yes.", "weight": 1}]
    messages = [CHAT[0], {**CHAT[1], **mark}, *better]
    assert said({"messages": messages}) == ["u: Who rings?", "(a): The pilot.", "u: Sure?", "a: Yes."]


def test_turns_behind_the_last_learned_one_are_left_out(said):
    messages = [*CHAT, {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "No.", "weight": 0}]
    assert said({"messages": messages}) == ["u: Who rings?", "a: The pilot."]


def test_a_record_of_which_nothing_is_learned_is_unwanted(parse):
    with pytest.raises(UnwantedRecordError, match="marked as unwanted: no turn of it is to be learned"):
        parse({"messages": [CHAT[0], {**CHAT[1], "weight": 0}]})


def test_a_turn_that_a_review_rejected_makes_its_record_unwanted(parse):
    with pytest.raises(UnwantedRecordError, match="turn 2: marked as unwanted: `deleted` is True"):
        parse({"messages": [CHAT[0], {**CHAT[1], "deleted": True}]})


def test_masks_of_parts_and_of_the_wrong_side_are_refused(parse, said):
    with pytest.raises(BadRecordError, match="turn 2: `train_detail` marks parts of an answer"):
        parse({"messages": [CHAT[0], {**CHAT[1], "train_detail": [{"begin_offset": 0, "train": False}]}]})
    nemo = {"conversations": [{"from": "User", "value": "Who?"}, {"from": "Assistant", "value": "Anna."}]}
    assert said({**nemo, "mask": "User", "system": ""}) == ["u: Who?", "a: Anna."]
    with pytest.raises(BadRecordError, match="`mask` is 'Assistant', but only the assistant's turns can be learned"):
        parse({**nemo, "mask": "Assistant"})


@pytest.mark.parametrize(
    ("key", "value"), [("do_loss", False), ("train_this", 0), ("learn_it", True), ("is_in_loss", "1")]
)
def test_what_may_say_whether_something_is_learned_is_refused(key, value, parse, said):
    for raw in ({**PAIR, key: value}, {"messages": [CHAT[0], {**CHAT[1], key: value}]}):
        with pytest.raises(
            BadRecordError,
            match=rf"`{key}` is {value!r}, which may say whether it is to be learned: write `train: false`",
        ):
            parse(raw)
        assert said(raw, ignore=[key]) == ["u: Who rings?", "a: The pilot."]


def test_numbers_about_a_record_are_no_marks_of_learning(said):
    for answer in ("The pilot.", "[The pilot.]"):
        assert said({"question": "Who rings?", "answer": answer, "train_id": 0, "n_train": 1})[1] == f"a: {answer}"


@pytest.mark.parametrize("mark", [{"is_good": False}, {"accepted": 0}, {"ignored": True}])
def test_a_turn_that_is_no_good_makes_its_record_unwanted(mark, parse, said):
    key, value = next(iter(mark.items()))
    with pytest.raises(UnwantedRecordError, match=rf"turn 2: marked as unwanted: `{key}` is {value}"):
        parse({"messages": [CHAT[0], {**CHAT[1], **mark}]})
    assert said({"messages": [CHAT[0], {**CHAT[1], key: not value}]}) == ["u: Who rings?", "a: The pilot."]


@pytest.mark.parametrize("key", ["loss_mask", "assistant_masks", "weights", "loss_weights", "train_turns"])
def test_masks_of_tokens_are_refused(key, parse, said):
    for raw in ({**PAIR, key: [0, 1]}, {"messages": [CHAT[0], {**CHAT[1], key: [0, 1]}]}):
        with pytest.raises(BadRecordError, match=rf"`{key}` marks parts of an answer, .*reading.ignore: \[{key}\]`"):
            parse(raw)
        assert said(raw, ignore=[key]) == ["u: Who rings?", "a: The pilot."]


def test_a_mark_that_means_something_else_can_be_ignored(parse, said):
    with pytest.raises(
        UnwantedRecordError, match=r"if it means something else: `data.init_args.reading.ignore: \[correct\]`"
    ):
        parse({**PAIR, "correct": False})
    assert said({**PAIR, "correct": False}, ignore=["correct"]) == ["u: Who rings?", "a: The pilot."]


def test_a_status_that_is_no_state_of_a_review_is_text(parse):
    with pytest.raises(BadRecordError, match=r"`status` would not be read .'shipped'."):
        parse({**PAIR, "status": "shipped"})
