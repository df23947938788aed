"""The live files of an Iceberg table, as the package pyiceberg reads its metadata.

A table without a catalogue is the newest of its metadata files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.hive_names import hive_keys, with_keys
from aedetect.data.table_formats import is_metadata_file, unreadable, unsupported
from aedetect.errors import NoData

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pyiceberg.table import FileScanTask, StaticTable

_FIELD_ID = b"PARQUET:field_id"


def iceberg_files(fs: AbstractFileSystem, folder: str) -> list[tuple[str, str]]:
    """Return (path, name) of the live files of the newest version."""
    from pyiceberg.table import StaticTable

    version = newest_metadata(
        fs.ls(f"{folder.rstrip('/')}/metadata", detail=False),
        hint=_hint(fs, folder),
    )
    try:
        table = StaticTable.from_metadata(_address(fs, version))
        _check_in_place(fs, folder, table.location())
        tasks = list(table.scan().plan_files())
    except NoData:
        raise
    except Exception as error:  # a damaged file can raise anything: the table is refused
        raise unreadable(error) from error
    _check_plain(table, tasks)
    keys = _stored_in_path(table)
    return [_file(fs, task.file.file_path, folder, keys) for task in tasks]


def newest_metadata(paths: Iterable[str], *, hint: str = "") -> str:
    """Return the metadata file with the highest number; of two, the one that the hint names.

    >>> newest_metadata(["t/metadata/v2.metadata.json", "t/metadata/v10.metadata.json"])
    't/metadata/v10.metadata.json'
    """
    numbered: dict[int, list[str]] = {}
    for path in filter(is_metadata_file, paths):
        found = re.match(r"v?(\d+)", path.rpartition("/")[2])
        numbered.setdefault(int(found[1]) if found else -1, []).append(path)
    newest = numbered[max(numbered)]
    hinted = [path for path in newest if hint and hint in path.rpartition("/")[2]]
    if len(newest) > 1 and len(hinted) != 1:
        names = " and ".join(sorted(path.rpartition("/")[2] for path in newest))
        raise unsupported(
            f"its newest version is not the only one of its number ({names})",
            "remove the metadata file that was never committed",
        )
    return newest[0] if len(newest) == 1 else hinted[0]


def _hint(fs: AbstractFileSystem, folder: str) -> str:
    try:
        return str(fs.cat_file(f"{folder.rstrip('/')}/metadata/version-hint.text").decode()).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _check_in_place(fs: AbstractFileSystem, folder: str, location: str) -> None:
    """Raise NoData for a copy: the metadata names the files of the original by their full paths."""
    here, there = folder.rstrip("/"), _plain(fs, location).rstrip("/")
    if "file" in fs.protocol:
        is_here = Path(here).resolve() == Path(there).resolve()
    else:
        is_here = here == there
    if not is_here:
        raise unsupported(
            f"it is a copy of {location}, whose files it names", "point to the original"
        )


def _check_plain(table: StaticTable, tasks: Iterable[FileScanTask]) -> None:
    """Raise NoData unless the rows of the live files are the rows of the table."""
    from pyiceberg.manifest import FileFormat

    tasks = list(tasks)
    if any(task.delete_files for task in tasks):
        raise unsupported(
            "it has deleted rows in its files (delete files)",
            "compact it (rewrite_data_files with delete-file-threshold 1)",
        )
    if others := {
        str(t.file.file_format) for t in tasks if t.file.file_format != FileFormat.PARQUET
    }:
        raise unsupported(f"its files are {', '.join(sorted(others))}", "rewrite them as Parquet")
    if any(each.initial_default is not None for each in table.schema().fields):
        raise unsupported(
            "it has a column whose default is not in the files", "rewrite its data files"
        )
    if (
        len({tuple((f.field_id, f.name) for f in each.fields) for each in table.metadata.schemas})
        > 1
    ):
        _check_names(table, tasks)


def _check_names(table: StaticTable, tasks: Iterable[FileScanTask]) -> None:
    """Raise NoData if a live file has a column that was renamed, dropped or replaced since."""
    current = {field.field_id: field.name for field in table.schema().fields}
    for task in tasks:
        try:
            with table.io.new_input(task.file.file_path).open() as stream:
                schema = pq.ParquetFile(stream).schema_arrow
        except (OSError, pa.ArrowException):  # quarantined with its reason when it is read
            continue
        for field in schema:
            number = (field.metadata or {}).get(_FIELD_ID)
            if number is None or current.get(int(number)) != field.name:
                raise unsupported(
                    f'its column "{field.name}" was renamed, dropped or replaced after '
                    f"{task.file.file_path.rpartition('/')[2]} was written",
                    "rewrite that file (rewrite_data_files with rewrite-all)",
                )


def _stored_in_path(table: StaticTable) -> set[str]:
    """Return the columns by whose own values the files lie in folders."""
    names = {field.field_id: field.name for field in table.schema().fields}
    fields = [field for spec in table.specs().values() for field in spec.fields]
    return {
        field.name
        for field in fields
        if str(field.transform) == "identity" and names.get(field.source_id) == field.name
    }


def _file(fs: AbstractFileSystem, location: str, folder: str, keys: set[str]) -> tuple[str, str]:
    """Return path and name of a file; folders of derived values (day=3) are no columns."""
    path = _plain(fs, location)
    name = path.removeprefix(folder.rstrip("/") + "/").lstrip("/")
    kept = {key: value for key, value in hive_keys(name).items() if key in keys}
    return (path if "file" in fs.protocol else fs.unstrip_protocol(path)), with_keys(name, kept)


def _plain(fs: AbstractFileSystem, location: str) -> str:
    return str(fs._strip_protocol(location))  # noqa: SLF001 - as fsspec.url_to_fs does


def _address(fs: AbstractFileSystem, path: str) -> str:
    return path if "file" in fs.protocol else str(fs.unstrip_protocol(path))
