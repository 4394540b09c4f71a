import pytest

from lightning_quicktune.compose import build, with_overrides
from lightning_quicktune.data.reading import ReadingSettings, column_overrides

COLUMNS = {"question": "Frage", "answer": "Antwort"}


def test_columns_of_the_command_line_reach_the_settings_of_the_task(fit_config):
    config = with_overrides(fit_config, column_overrides(" question=Frage, answer = Antwort"))
    reading = {**config["data"]["init_args"]["reading"], "ignore": ["Notiz"], "preference": "chosen"}
    data = build(with_overrides(config, {"data.init_args.reading": reading})).data
    assert data.reading == ReadingSettings(columns=COLUMNS, ignore=["Notiz"], preference="chosen")
    assert column_overrides(None) == {}


def test_settings_are_equal_and_hashed_by_value():
    assert hash(ReadingSettings(columns=COLUMNS)) == hash(ReadingSettings(columns=dict(COLUMNS)))
    assert ReadingSettings(columns=COLUMNS) != ReadingSettings()


@pytest.mark.parametrize("columns", ["question", "question=", "=Frage", "question=Frage,", ""])
def test_columns_of_another_form_are_refused(columns):
    with pytest.raises(ValueError, match=r"`--columns` is '.*', but it holds pairs .*--columns question=Frage,answer"):
        column_overrides(columns)


def test_a_key_that_is_mapped_twice_is_refused():
    with pytest.raises(ValueError, match=r"`--columns` is .*, which gives one key two of the dataset's"):
        column_overrides("question=Frage,question=Titel")
    with pytest.raises(
        ValueError, match=r"`data.init_args.reading.columns` names Frage, Frage: one of the dataset's keys"
    ):
        ReadingSettings(columns={"question": "Frage", "answer": "Frage"})


def test_a_key_that_no_format_reads_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"columns` maps `anser`, which no format reads, .*Did you mean `answer`\?"):
        ReadingSettings(columns={"question": "Frage", "anser": "Antwort"})
    with pytest.raises(ValueError, match=r"maps `zzz`, which no format reads.* Known are .*\.$"):
        ReadingSettings(columns={"zzz": "Frage"})


def test_a_blank_answer_to_questions_without_one_is_refused():
    with pytest.raises(ValueError, match=r"`data.init_args.reading.unanswerable` is blank"):
        ReadingSettings(unanswerable=" ")
