import pytest

from lightning_quicktune.collection.entries import RECORDS_PER_SLICE, TaskEntry, entry_of


@pytest.mark.parametrize(
    ("text", "source", "records", "name"),
    [
        ("tasks/shop", "tasks/shop", None, "shop"),
        ("tasks/shop@2400", "tasks/shop", 2400, "shop@2400"),
        ("shop.jsonl@480", "shop.jsonl", 480, "shop@480"),
        ("suite:suite-towns-dates@60", "suite:suite-towns-dates", 60, "suite-towns-dates@60"),
        ("owner/shop@main", "owner/shop@main", None, "shop-main"),
    ],
)
def test_an_entry_names_a_dataset_and_perhaps_a_length(text, source, records, name):
    entry = entry_of(text)
    assert (entry.source, entry.records, entry.name) == (source, records, name)


def test_a_folder_of_that_very_name_has_no_length(tmp_path):
    (tmp_path / "shop@480").mkdir()
    assert entry_of(str(tmp_path / "shop@480")).records is None


def test_the_records_are_cut_into_slices():
    assert TaskEntry("shop", 2400).overrides(5) == {RECORDS_PER_SLICE: 480}
    assert TaskEntry("shop").overrides(5) == {}


@pytest.mark.parametrize(("records", "fitting"), [(482, 480), (3, 5)])
def test_records_that_make_no_equal_slices_are_refused(records, fitting):
    with pytest.raises(
        ValueError, match=rf"`tasks` has shop@{records}, but .*`max_fidelity: 5` .*Write shop@{fitting}"
    ):
        TaskEntry("shop", records).overrides(5)
