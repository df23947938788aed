"""The live files of a table with a log, by its format; its package is imported only now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aedetect.data.table_formats import DELTA, EXPORT, HUDI, ICEBERG
from aedetect.errors import NoData

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def live_files(fs: AbstractFileSystem, table: str, kind: str) -> list[tuple[str, str]]:
    """Return (path, name) of the files of the current snapshot of a table, in order of the names.

    Columns that are in the log instead of the files are in the names, as key=value folders.
    Raises NoData when the table cannot be read as the plain rows of its files.
    """
    try:
        found = _READERS[kind](fs, table)
    except NoData as error:
        raise NoData(f"{table} holds a table of {kind}, and {error}") from error
    except ImportError as error:
        extra = "delta" if kind == DELTA else "iceberg"
        raise NoData(
            f"{table} holds a table of {kind}, and the package that reads it is not installed: "
            f"pip install 'aedetect[{extra}]', or {EXPORT}"
        ) from error
    if not found:
        raise NoData(f"{table} holds a table of {kind} without rows: write rows to it first")
    return sorted(found, key=lambda pair: pair[1])


def _delta(fs: AbstractFileSystem, table: str) -> list[tuple[str, str]]:
    from aedetect.data.delta_tables import delta_files

    return delta_files(fs, table)


def _iceberg(fs: AbstractFileSystem, table: str) -> list[tuple[str, str]]:
    from aedetect.data.iceberg_tables import iceberg_files

    return iceberg_files(fs, table)


def _none(_fs: AbstractFileSystem, _table: str) -> list[tuple[str, str]]:
    raise NoData(f"no package for it is used here: {EXPORT}")


_READERS = {DELTA: _delta, ICEBERG: _iceberg, HUDI: _none}
