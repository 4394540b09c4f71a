"""The contents of a file: unpacked bytes and decoded text, and what a file was mistaken for."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

NOT_UTF8 = "not UTF-8"
_TABLES = ((b"PAR1", ".parquet"), (b"ARROW1", ".arrow"))
_UNDECODED = re.compile("[\udc80-\udcff]")
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_RECORDS = (
    (b"version https://git-lfs.github.com", "is a pointer of Git LFS, not the file itself. Run `git lfs pull` there"),
    (b"PK\x03\x04", "is a ZIP archive or a workbook. Unpack it, or save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "is compressed by gzip. Give it an ending such as .jsonl.gz"),
    (b"SQLite format 3", "is a database of SQLite. Export the table that is meant as CSV UTF-8"),
    (b"%PDF-", "is a PDF. `lightning-quicktune synthesize` makes questions and answers of documents; use it"),
    (b"<!doctype html", "is a web page, perhaps in the place of a download. Fetch the file itself"),
    (b"<html", "is a web page, perhaps in the place of a download. Fetch the file itself"),
)


def read_bytes(path: Path) -> bytes:
    """Reads a whole file, unpacked where its last ending is one of ``COMPRESSIONS``.

    Raises:
        ValueError: If it can't be read or unpacked, or is a thing that never holds records.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(unreadable(path, error)) from error
    unpack = COMPRESSIONS.get(path.suffix.lower())
    if unpack is not None and data:
        data = _unpacked(path, data, unpack)
    head = data[:40].lstrip().lower()
    for mark, advice in _NOT_RECORDS:
        if head.startswith(mark.lower()):
            raise ValueError(f"`{path}` {advice}, or name another file as `data.init_args.path`.")
    return data


def unreadable(path: Path, error: OSError) -> str:
    """Says that a file or folder can't be read, and why."""
    return (
        f"`{path}` can't be read: {error.strerror or error}. Records come from it, so it must be a file, or a folder "
        "of files, that this user may read. Mend that, or name another as `data.init_args.path`."
    )


def decode(path: Path, data: bytes) -> tuple[str, bool]:
    """Decodes UTF-8, with or without a byte order mark.

    Args:
        path: The file, for messages.
        data: Its bytes.

    Returns:
        The text, and whether all of it is UTF-8. Bytes that aren't stand as lone surrogates, which
        ``encoding_problem`` finds, so that one of them spoils its own line alone.

    Raises:
        ValueError: If it is UTF-16 or UTF-32, of which no line could be read, or no text.
    """
    table = next((ending for mark, ending in _TABLES if data.startswith(mark)), None)
    if table is not None:
        raise ValueError(f"`{path}` isn't text, but a table of the kind that ends in {table}. Rename it to that.")
    encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), None)
    if encoding is not None:
        raise ValueError(_other_encoding(path, f"it begins with the byte order mark of {encoding.upper()}", encoding))
    if len(data) >= 4 and (data[1:4:2] == b"\0\0" or data[0:4:2] == b"\0\0"):
        order = "utf-16le" if data[1] == 0 else "utf-16be"
        raise ValueError(_other_encoding(path, f"every other byte is zero, as in {order.upper()}", order))
    try:
        return data.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return data.decode("utf-8-sig", errors="surrogateescape"), False


def encoding_problem(text: str) -> str | None:
    """Where a text that ``decode`` returned is not UTF-8, if anywhere."""
    found = _UNDECODED.search(text)
    if found is None:
        return None
    before = text[max(0, found.start() - 12) : found.start()]
    return f"{NOT_UTF8}: byte {ord(found.group()) - 0xDC00:#04x} {f'after {before!r}' if before else 'at the start'}"


def encoding_advice(file: str) -> str:
    """What to do with a file some of whose lines are not UTF-8."""
    name = Path(file).name
    unpacked = Path(name).stem if Path(name).suffix.lower() in COMPRESSIONS else name
    return (
        f"Text in another encoding would reach the model garbled. Save `{file}` as UTF-8, for example with "
        f"`iconv -f cp1252 -t utf-8 {unpacked}` (cp1252 is Windows' encoding; latin1 would lose the euro sign)."
    )


def _other_encoding(path: Path, problem: str, encoding: str) -> str:
    return (
        f"`{path}` isn't UTF-8: {problem}. Text in another encoding would reach the model garbled. Save the file as "
        f"UTF-8, for example with `iconv -f {encoding} -t utf-8 {path.name}`, or name another as `data.init_args.path`."
    )


def _unpacked(path: Path, data: bytes, unpack: Callable[[bytes], bytes]) -> bytes:
    try:
        return unpack(data)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(
            f"`{path}` can't be unpacked: {error}. It is damaged, cut short or packed otherwise than its ending says. "
            "Fetch or pack it again, or name another file as `data.init_args.path`."
        ) from error


def _unpack_zstd(data: bytes) -> bytes:
    import pyarrow as pa

    with pa.CompressedInputStream(io.BytesIO(data), "zstd") as stream:
        return bytes(stream.read())


COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": _unpack_zstd,
}
