"""The live files of a Delta table, as the package deltalake reads its log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from aedetect.data.hive_names import with_keys
from aedetect.data.table_formats import unreadable, unsupported
from aedetect.errors import NoData

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from fsspec import AbstractFileSystem

# Features of tables that leave the rows of live files as they are, or are looked at below.
_HARMLESS = {
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
}


def delta_files(fs: AbstractFileSystem, folder: str) -> list[tuple[str, str]]:
    """Return (path, name) of the live files; partition columns of the log are in the names."""
    from deltalake import DeltaTable

    is_local = "file" in fs.protocol
    try:
        table = DeltaTable(
            Path(folder).absolute().as_uri() if is_local else fs.unstrip_protocol(folder)
        )
        _check_plain(table)
        actions = pa.table(table.get_add_actions(flatten=False)).to_pylist()
    except NoData:
        raise
    except Exception as error:  # a damaged log can raise anything: the table is refused
        raise unreadable(error) from error
    return [_file(each, folder.rstrip("/")) for each in actions]


def _check_plain(table: DeltaTable) -> None:
    """Raise NoData unless the rows of the live files are the rows of the table."""
    unknown = set(table.protocol().reader_features or ()) - _HARMLESS
    if unknown:
        raise unsupported(
            f"it has a feature that is not known here ({', '.join(sorted(unknown))})",
            "drop the feature",
        )
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise unsupported(
            "its columns have other names in the log than in the files (column mapping)",
            "drop the feature columnMapping",
        )
    if pa.RecordBatchReader.from_stream(table.deletion_vectors()).read_all().num_rows:
        raise unsupported(
            "it has deleted rows in its files (deletion vectors)",
            "run REORG TABLE ... APPLY (PURGE)",
        )


def _file(action: Mapping[str, object], folder: str) -> tuple[str, str]:
    """Return path and name of a file; the log has its path as a URL has it."""
    written = unquote(str(action["path"]))
    keys = action.get("partition") or {}
    assert isinstance(keys, Mapping)
    texts = {key: None if value is None else _text(value) for key, value in keys.items()}
    if "://" in written or written.startswith("/"):  # of another table, as clones have it
        path = written.removeprefix("file://")
        return path, with_keys(path.removeprefix(f"{folder}/"), texts)
    return f"{folder}/{written}", with_keys(written, texts)


def _text(value: object) -> str:
    """Return a value as the log has it: true, 3, 2026-02-01 10:00:00.

    >>> _text(True), _text(3)
    ('true', '3')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
