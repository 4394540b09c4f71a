from lightning_quicktune.data.turns import Record, Turn

ASKED = (Turn("system", "Be brief."), Turn("user", "Who keeps the log?"))


def test_question_and_answer_of_a_record():
    record = Record((*ASKED, Turn("assistant", "The clerk.")), "pier.jsonl", 4)
    assert record.question == "Be brief.\nWho keeps the log?"
    assert (record.answer, record.where) == ("The clerk.", "pier.jsonl:4")


def test_a_record_without_an_answer_is_all_question():
    record = Record(ASKED, "pier.jsonl", 4)
    assert record.question == "Be brief.\nWho keeps the log?"
    assert record.answer == ""
