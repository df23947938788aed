"""How a CSV file is written: encoding, delimiter, lines above the header, names of columns."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from aedetect.errors import NoData, UnreadableFile
from aedetect.onboarding.time_formats import is_time_text
from aedetect.wording import plural

if TYPE_CHECKING:
    from aedetect.onboarding.raw_files import RawFile

_HEAD = 1 << 18  # bytes that the dialect is found in
_LINES = 200
_DELIMITERS = (";", "\t", ",", "|")
_NUMBER = re.compile(r"[+-]?(\d[\d.,' ]*|[.,]\d+)([eE][+-]?\d+)?|nan|NaN|NULL|")
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What DuckDB must be told to read a CSV file."""

    encoding: str
    delimiter: str
    skip: int  # lines above the header or the first row
    header: bool
    names: tuple[str, ...]  # distinct, also without case
    remarks: tuple[str, ...]


def read_dialect(file: RawFile) -> Dialect:
    """Find the dialect of a CSV file in its first lines.

    Raises NoData for a file without a row, UnreadableFile for one that is no text.
    """
    head, encoding = _head(file)
    lines = head.splitlines()[:_LINES]
    if len(lines) > 1 and not head.endswith("\n") and len(head) >= _HEAD // 4:
        lines = lines[:-1]  # it may be cut
    if not any(line.strip() for line in lines):
        raise NoData(f"{file.name} is empty: leave it out")
    delimiter, skip, rows = _cut(lines)
    header = _has_header(rows)
    if header and len(rows) == 1:
        raise NoData(f"{file.name} has a header and no row: leave it out")
    names, remarks = _names(rows[0] if header else [""] * len(rows[0]))
    said = {"\t": "tab"}.get(delimiter, delimiter)
    remarks = [f'separated by "{said}"'] * (delimiter != ",") + remarks
    remarks += [f"encoded as {encoding}"] * (encoding != "utf-8")
    remarks += [f"{plural(skip, 'line')} above the header skipped"] * (skip > 0)
    remarks += ["no header"] * (not header)
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        skip=skip,
        header=header,
        names=names,
        remarks=tuple(remarks),
    )


def _head(file: RawFile) -> tuple[str, str]:
    """Return the first characters, and the encoding of all of them."""
    try:
        with _opened(file) as stream:
            raw = stream.read(_HEAD)
            encoding = next((name for bom, name in _BOMS.items() if raw.startswith(bom)), None)
            if encoding is None:
                encoding = "utf-8" if _is_utf8(raw, stream) else "latin-1"
    except (OSError, EOFError) as error:
        raise UnreadableFile(f"{file.name} cannot be read ({error}): restore it") from error
    if encoding != "utf-16" and b"\0" in raw:
        raise UnreadableFile(f"{file.name} is not text: name a CSV file, or leave it out")
    text = raw.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="ignore")
    return text, encoding


def _opened(file: RawFile) -> IO[bytes]:
    if file.compression == "gzip":
        return cast("IO[bytes]", gzip.open(file.path, "rb"))
    if file.compression == "zstd":
        import pyarrow as pa

        return cast("IO[bytes]", pa.CompressedInputStream(file.path, "zstd"))
    return open(file.path, "rb")  # noqa: PTH123 - the caller closes it


def _is_utf8(raw: bytes, stream: IO[bytes]) -> bool:
    """Whether all bytes are UTF-8: one line in another encoding ends a conversion."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while raw:
            decoder.decode(raw)
            raw = stream.read(1 << 22)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _cut(lines: Sequence[str]) -> tuple[str, int, list[list[str]]]:
    """Return the delimiter that gives most lines the same number of cells, and the rows."""
    best: tuple[float, str, int, list[list[str]]] | None = None
    for delimiter in _DELIMITERS:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
        rows = [row for row in rows if row]
        width, alike = Counter(map(len, rows)).most_common(1)[0]
        skip = next(place for place, row in enumerate(rows) if len(row) == width)
        score = (alike / len(rows)) * (width > 1) + 1e-3 * min(width, 99) * (width > 1)
        if best is None or score > best[0]:
            best = score, delimiter, skip, rows[skip:]
    assert best is not None, "one of the delimiters gives rows"
    _, delimiter, skip, rows = best
    return delimiter, skip, [row for row in rows if len(row) == len(rows[0])]


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: none of its cells is a number or a time."""
    cells = [cell.strip() for cell in rows[0]]
    return not any(cell and (_NUMBER.fullmatch(cell) or is_time_text(cell)) for cell in cells)


def _names(cells: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return distinct names of columns, and what was changed."""
    names: list[str] = []
    used: set[str] = set()
    remarks = []
    for place, cell in enumerate(cells):
        plain = " ".join(cell.split()) or f"column_{place + 1}"
        name, number = plain, 1
        while name.lower() in used:
            number += 1
            name = f"{plain}_{number}"
        if number > 1:
            remarks.append(f'column "{plain}" is there twice: the later one is "{name}"')
        used.add(name.lower())
        names.append(name)
    return tuple(names), remarks
