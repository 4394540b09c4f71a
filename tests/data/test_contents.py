import codecs
from pathlib import Path

import pytest

from lightning_quicktune.data.contents import decode, encoding_advice, encoding_problem

PATH = Path("a.csv")


def test_utf8_is_read_with_and_without_a_byte_order_mark():
    assert decode(PATH, "Größe".encode()) == ("Größe", True)
    assert decode(PATH, codecs.BOM_UTF8 + "5 €".encode()) == ("5 €", True)
    assert encoding_problem("5 €") is None


def test_a_byte_of_another_encoding_is_found_where_it_stands():
    text, clean = decode(PATH, "gut\n3 €".encode("cp1252"))
    assert not clean
    assert [encoding_problem(line) for line in text.split("\n")] == [None, "not UTF-8: byte 0x80 after '3 '"]
    assert encoding_problem(decode(PATH, b"\xe9")[0]) == "not UTF-8: byte 0xe9 at the start"


def test_the_advice_keeps_the_euro_sign():
    assert "`iconv -f cp1252 -t utf-8 a.csv` (cp1252 is Windows' encoding; latin1 would lose" in encoding_advice(
        "b/a.csv"
    )
    assert "Save `a.csv.gz` as UTF-8, for example with `iconv -f cp1252 -t utf-8 a.csv`" in encoding_advice("a.csv.gz")
    assert "3 €".encode("cp1252").decode("cp1252") == "3 €" != "3 €".encode("cp1252").decode("latin1")


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
def test_other_unicode_encodings_are_refused_by_name(name):
    message = (
        rf"`a\.csv` isn't UTF-8: it begins with the byte order mark of {name.upper()}\. .*`iconv -f {name} -t utf-8"
    )
    with pytest.raises(ValueError, match=message):
        decode(PATH, "question".encode(name))


@pytest.mark.parametrize("name", ["utf-16le", "utf-16be"])
def test_they_are_known_without_a_mark_too(name):
    with pytest.raises(ValueError, match=rf"every other byte is zero, as in {name.upper()}\. .*`iconv -f {name} -t"):
        decode(PATH, "question".encode(name))


@pytest.mark.parametrize(("data", "ending"), [(b"PAR1\x15", ".parquet"), (b"ARROW1\0\0", ".arrow")])
def test_a_table_is_no_text(data, ending):
    with pytest.raises(
        ValueError, match=rf"`a\.csv` isn't text, but a table of the kind that ends in \{ending}\. Rename"
    ):
        decode(PATH, data)
