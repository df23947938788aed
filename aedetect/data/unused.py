"""Name what the input has and training does not use: columns, and files without rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pyarrow as pa

from aedetect.data.schema import FEATURE_KINDS, Schema, kind_of
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.data.settings import DataSettings
    from aedetect.data.sources import Source, SourceFile

_MOST = 8  # columns that a sentence names
_REMEDIES = (
    (pa.types.is_duration, "write it as a number of seconds"),
    (pa.types.is_time, "write it as a number of seconds"),
    (pa.types.is_temporal, "write what matters of it as a number, such as an age"),
    (pa.types.is_nested, "write each of its values into a column of its own"),
)
_OTHERWISE = "write it as a number or as text"


def with_rows(source: Source) -> Source:
    """Leave out the files without rows, whose columns and types mean nothing, if others have any.

    Writers that save an empty table often leave the type null, or not a single column.
    """
    files = tuple(file for file in source.files if file.rows)
    return replace(source, files=files) if files else source


def columns_left_out(files: Sequence[SourceFile], settings: DataSettings) -> Iterator[str]:
    """Yield a sentence for each column that is no feature though nobody asked for that.

    Whoever names features has decided. Columns in the path are keys of files.
    """
    if settings.features:
        return
    known = {settings.timestamp, settings.entity, settings.label}
    stored = [set(file.columns) - file.hive - set(file.index) - known for file in files]
    for name in dict.fromkeys(name for file in files for name in file.columns):
        holders = [f for f, names in zip(files, stored, strict=True) if name in names]
        if not holders or any(fnmatch(name, pattern) for pattern in settings.exclude):
            continue
        dtype = holders[0].columns[name]
        shown = f'column "{name}" ({dtype})'
        if len(holders) < len(files):
            lacking = next(file.name for file in files if name not in file.columns)
            yield (
                f"{shown} is in {len(holders)} of {len(files)} files, not in {lacking}: left out; "
                "to learn it, train on files that have it, or write it without values into the "
                "others"
            )
        elif kind_of(dtype) not in {*FEATURE_KINDS, "missing"}:
            yield f"{shown} cannot be a feature: left out; to learn it, {_remedy(dtype)}"


def unused_columns(
    schema: Schema, files: Iterable[SourceFile], settings: DataSettings
) -> str | None:
    """Return a sentence on the columns of files that a detector saw in training and does not use.

    New columns are reported as such, file by file. None if there is no such column.
    """
    used = {*schema.names, schema.timestamp, schema.entity, settings.label}
    seen = {name for name, _ in schema.types} - used
    seen = {name for name in seen if not any(fnmatch(name, each) for each in settings.exclude)}
    types: dict[str, pa.DataType] = {}
    for file in files:
        for name in seen & (file.columns.keys() - file.hive - set(file.index)):
            types.setdefault(name, file.columns[name])
    if not types:
        return None
    named = [f'"{name}" ({dtype})' for name, dtype in sorted(types.items())]
    return (
        f"not used, since they were left out in training: {list_some(named, most=_MOST)}; "
        "`aedetect check` names the reason and the remedy"
    )


def _remedy(dtype: pa.DataType) -> str:
    return next((remedy for test, remedy in _REMEDIES if test(dtype)), _OTHERWISE)
