"""Documents as plain text, cut into chunks."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

_logger = logging.getLogger(__name__)
_TEXT = {".txt", ".md", ".markdown"}
_HTML = {".html", ".htm"}
_HIDDEN = {"script", "style", "title", "nav", "template", "noscript"}  # not `head`, whose end tag may be left out
_INLINE = {"a", "abbr", "b", "cite", "code", "em", "i", "mark", "q", "small", "span", "strong", "sub", "sup", "u"}


@dataclass(frozen=True)
class Document:
    """One document.

    Args:
        name: Path below the folder of documents.
        text: Its text; paragraphs are separated by empty lines.
    """

    name: str
    text: str


@dataclass(frozen=True)
class Chunk:
    """A part of a document that is small enough for one call of the LLM.

    Args:
        document: Name of the document.
        text: Whole paragraphs of it, or whole sentences of a long one.
    """

    document: str
    text: str


def read_documents(path: Path) -> list[Document]:
    """Reads one document, or all of a folder and its subfolders, ordered by name.

    Args:
        path: A text, Markdown or HTML file, or a folder of them; files of other kinds are named in a warning.

    Raises:
        FileNotFoundError: If there is nothing to read.
        ValueError: If a file is not UTF-8.
    """
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    readable = [file for file in files if file.suffix.lower() in _TEXT | _HTML]
    if not readable:
        found = ", ".join(sorted({file.suffix or file.name for file in files})) or "nothing"
        raise FileNotFoundError(
            f"`documents` is {str(path)!r}, which has no document that can be read: it holds {found}. "
            f"Readable are {', '.join(sorted(_TEXT | _HTML))}; convert others to text first, or correct the path."
        )
    if left_out := [file.name for file in files if file not in readable]:
        _logger.warning("%d files of other kinds are not read: %s", len(left_out), ", ".join(left_out[:10]))
    root = path.parent if path.is_file() else path
    return [Document(file.relative_to(root).as_posix(), _read(file)) for file in readable]


def html_to_text(source: str) -> str:
    """Visible text of an HTML page, a paragraph for each block."""
    reader = _TextOfHTML()
    reader.feed(source)
    reader.close()
    blocks = (" ".join(block.split()) for block in "".join(reader.parts).split("\n\n"))
    return "\n\n".join(block for block in blocks if block)


def chunks(document: Document, max_characters: int) -> list[Chunk]:
    """Cuts a document at paragraphs, and long paragraphs at sentences.

    Args:
        document: What to cut.
        max_characters: Longest chunk; a single sentence may be longer.
    """
    found: list[str] = []
    for piece, joint in _pieces(document.text, max_characters):
        if found and len(found[-1]) + len(joint) + len(piece) <= max_characters:
            found[-1] += joint + piece
        else:
            found.append(piece)
    return [Chunk(document.name, text) for text in found]


def _pieces(text: str, max_characters: int) -> Iterator[tuple[str, str]]:
    """Paragraphs, or the sentences of long ones, each with what joins it to the one before."""
    for paragraph in filter(None, (part.strip() for part in re.split(r"\n\s*\n", text))):
        if len(paragraph) <= max_characters:
            yield paragraph, "\n\n"
            continue
        for index, sentence in enumerate(re.split(r"(?<=[.!?])\s+", paragraph)):
            yield sentence, " " if index else "\n\n"


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} is not UTF-8 (byte {error.start} is {error.object[error.start]:#04x}), so its letters would be "
            "guessed. Save it as UTF-8, for example with `iconv -t UTF-8`, or take it out of `documents`."
        ) from error
    return html_to_text(text) if file.suffix.lower() in _HTML else text


class _TextOfHTML(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in _HIDDEN
        self._end_block(tag)

    def handle_endtag(self, tag: str) -> None:
        self.hidden = max(0, self.hidden - (tag in _HIDDEN))
        self._end_block(tag)

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))

    def _end_block(self, tag: str) -> None:
        if tag not in _INLINE:
            self.parts.append("\n\n")
