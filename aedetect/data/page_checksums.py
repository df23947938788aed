"""Page checksums of Parquet files: where a writer left them, a damaged page is found.

Neither DuckDB nor pyarrow looks at them unless asked, and pyarrow decodes the pages to do so. A
page's header is a Thrift struct (compact protocol); what follows it is what the CRC-32 is of
(parquet-format, PageHeader in parquet.thrift and "Checksumming" in its README).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_HEAD = 256  # bytes; the sizes and the checksum come first in a page header
_COMPRESSED_SIZE, _CRC = 3, 4  # numbers of the fields
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_LONG = 15  # a list of so many items or more gives its length apart
_MORE = 0x80  # a variable-length number goes on


def damaged_column(stream: IO[bytes], metadata: pq.FileMetaData) -> str | None:
    """Return the first column with a page that does not match its checksum; None: none is known.

    Files without checksums, as most writers make them, are not read.
    """
    if not metadata.num_row_groups or not _has_checksums(stream, metadata):
        return None
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index in range(group.num_columns):
            chunk = group.column(index)
            stream.seek(_start(chunk))
            content = stream.read(chunk.total_compressed_size)
            if not _is_whole(content, chunk.total_compressed_size):
                return str(chunk.path_in_schema)
    return None


def _has_checksums(stream: IO[bytes], metadata: pq.FileMetaData) -> bool:
    """Whether the first page of any column has one."""
    group = metadata.row_group(0)
    for index in range(group.num_columns):
        stream.seek(_start(group.column(index)))
        if _CRC in dict(_numbers(stream.read(_HEAD))):
            return True
    return False


def _start(chunk: pq.ColumnChunkMetaData) -> int:
    offsets = [chunk.data_page_offset, chunk.dictionary_page_offset]
    return int(min(offset for offset in offsets if offset))


def _is_whole(content: bytes, size: int) -> bool:
    """Whether every page of a column chunk matches its checksum, where it has one."""
    at = 0
    try:
        while at < size:
            fields, at = _header(content, at)
            end = at + fields[_COMPRESSED_SIZE]
            page = content[at:end]
            crc = fields.get(_CRC)
            is_damaged = crc is not None and zlib.crc32(page) != crc & 0xFFFFFFFF
            if is_damaged or not at <= end <= size:
                return False
            at = end
    except (IndexError, KeyError, ValueError):
        return False
    return True


def _numbers(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield the numbers that a header begins with, up to its first struct."""
    at = field = 0
    while at < len(content):
        kind, step = content[at] & 0x0F, content[at] >> 4
        if kind not in {4, 5, 6} or not step:
            return
        field += step
        value, at = _varint(content, at + 1)
        yield field, value


def _header(content: bytes, at: int) -> tuple[dict[int, int], int]:
    """Return the numbers of a struct by field, and where it ends."""
    fields: dict[int, int] = {}
    field = 0
    while (kind := content[at] & 0x0F) or content[at]:
        step, at = content[at] >> 4, at + 1
        if not step:
            value, at = _varint(content, at)
            field = (value >> 1) ^ -(value & 1)
        else:
            field += step
        if kind in {4, 5, 6}:
            value, at = _varint(content, at)
            fields[field] = (value >> 1) ^ -(value & 1)
        else:
            at = _skip(content, at, kind)
    return fields, at + 1


def _skip(content: bytes, at: int, kind: int) -> int:
    """Return where a value ends that nobody needs."""
    if kind in {_TRUE, _FALSE}:
        return at
    if kind in {_BYTE, _DOUBLE}:
        return at + (1 if kind == _BYTE else 8)
    if kind == _BINARY:
        length, at = _varint(content, at)
        return at + length
    if kind == _STRUCT:
        return _header(content, at)[1]
    if kind in {_LIST, _SET}:
        items, inner, at = content[at] >> 4, content[at] & 0x0F, at + 1
        if items == _LONG:
            items, at = _varint(content, at)
        for _ in range(items):
            at = at + 1 if inner in {_TRUE, _FALSE} else _skip(content, at, inner)
        return at
    if kind in {4, 5, 6}:
        return _varint(content, at)[1]
    message = f"a page header holds no {kind}"
    raise ValueError(message)


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length number, and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & ~_MORE) << shift
        shift, at = shift + 7, at + 1
        if not byte & _MORE:
            return value, at
