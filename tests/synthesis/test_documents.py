import logging

import pytest

from lightning_quicktune.synthesis.documents import Document, chunks, html_to_text, read_documents


def test_a_folder_is_read_in_order_and_what_is_left_out_is_named(documents, caplog):
    (documents / "deep").mkdir()
    (documents / "deep" / "z.TXT").write_text("Zeta.")
    (documents / "plan.pdf").write_bytes(b"%PDF")
    with caplog.at_level(logging.WARNING):
        found = read_documents(documents)
    assert [document.name for document in found] == ["alpha.md", "beta.html", "deep/z.TXT", "gamma.txt"]
    assert found[1].text == "The mineral betite is green."
    assert "1 files of other kinds are not read: plan.pdf" in caplog.text


def test_a_single_file_is_a_document(documents):
    assert [document.name for document in read_documents(documents / "gamma.txt")] == ["gamma.txt"]


def test_nothing_to_read_is_an_error(tmp_path):
    (tmp_path / "plan.pdf").write_bytes(b"%PDF")
    with pytest.raises(FileNotFoundError, match=r"`documents` is .* it holds \.pdf\. Readable are .*\.md.* convert"):
        read_documents(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"it holds nothing\."):
        read_documents(tmp_path / "missing")


def test_another_encoding_is_an_error(tmp_path):
    (tmp_path / "old.txt").write_bytes("Öl".encode("latin-1"))
    with pytest.raises(ValueError, match=r"old\.txt is not UTF-8 \(byte 0 is 0xd6\).* `iconv -t UTF-8`"):
        read_documents(tmp_path)


def test_html_keeps_what_a_reader_sees():
    page = "<h1>Title</h1><script>x = '<p>'</script><p>One&amp;<i>two</i>\n  three<br>four</p><ul><li>a<li>b</ul>"
    assert html_to_text(page) == "Title\n\nOne&two three\n\nfour\n\na\n\nb"


@pytest.mark.parametrize("end", ["</head><body>", "<body>", ""])
def test_html_whose_head_is_not_closed_keeps_all_its_text(end):
    page = f"<html><head><title>Hidden</title><meta charset=utf-8><style>p {{}}</style>{end}Plain<p>One<p>Two"
    assert html_to_text(page) == "Plain\n\nOne\n\nTwo"


def test_chunks_are_whole_paragraphs_and_lose_nothing():
    text = "One.\n\nTwo two.\n\n\nThree three three. Four four.\nFive."
    cut = [chunk.text for chunk in chunks(Document("d", text), 20)]
    assert cut == ["One.\n\nTwo two.", "Three three three.", "Four four. Five."]
    assert " ".join(" ".join(cut).split()) == " ".join(text.split())
    assert [chunk.text for chunk in chunks(Document("d", text), 1000)] == [text.replace("\n\n\n", "\n\n")]


def test_a_sentence_is_never_cut():
    assert [chunk.text for chunk in chunks(Document("d", "Far too long a sentence."), 5)] == [
        "Far too long a sentence."
    ]
