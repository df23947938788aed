"""Convert columns of a pandas table to Arrow, and Python objects to a column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aedetect.errors import SchemaMismatch

if TYPE_CHECKING:
    import pandas as pd

_UNNAMED = re.compile(r"__index_level_\d+__")


def check_frame(frame: object) -> None:
    """Raise TypeError for what is no pandas table."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        kind = f"{type(frame).__module__.partition('.')[0]}.{type(frame).__name__}"
        raise TypeError(f"frame must be a pandas.DataFrame, got {kind}: convert it")


def with_index_columns(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return a table with the named index levels as additional columns."""
    levels = [name for name in names if name in frame.index.names and name not in frame.columns]
    return frame.assign(**{name: frame.index.get_level_values(name) for name in levels})


def missing_columns(frame: pd.DataFrame, needed: Iterable[str]) -> list[str]:
    """Return which of the required columns a table lacks.

    Raises SchemaMismatch if a name is ambiguous.
    """
    repeated = [name for name in needed if list(frame.columns).count(name) > 1]
    if repeated:
        raise SchemaMismatch(
            f"column names must be unique, got {', '.join(repeated)} more than once: rename them"
        )
    return [name for name in needed if name not in frame.columns]


def missing_message(frame: pd.DataFrame, missing: Sequence[str], *, timestamp: str) -> str:
    """Return a message on missing and existing columns, with a remedy if the index has them."""
    import pandas as pd

    there = ", ".join(map(str, frame.columns)) or "no column"
    message = f"the frame must have the columns {', '.join(missing)}, got {there}"
    if timestamp in missing and isinstance(frame.index, pd.DatetimeIndex):
        return f"{message}: the index holds timestamps, name it: frame.rename_axis({timestamp!r})"
    return f"{message}: give the names of the columns that are there"


def check_moments(column: pd.Series[Any], name: str) -> None:
    """Raise SchemaMismatch for a column that holds no timestamps, with what converts it."""
    import pandas as pd

    kind = column.dtype
    if isinstance(kind, pd.PeriodDtype):
        remedy = f"frame[{name!r}].dt.to_timestamp()"
    elif pd.api.types.is_numeric_dtype(kind):
        remedy = f'pd.to_datetime(frame[{name!r}], unit="s")'
    elif pd.api.types.is_string_dtype(column):  # of objects: those that are text
        remedy = f"pd.to_datetime(frame[{name!r}])"
    else:
        return
    raise SchemaMismatch(
        f'column "{name}" must hold timestamps, got {kind}: convert it, frame[{name!r}] = {remedy}'
    )


def index_columns(schema: pa.Schema) -> frozenset[str]:
    """Return the columns of a file that are the index of a pandas table: a row's number or key.

    Of indexes with a name only those of whole numbers: others may be measured.
    """
    stored: list[Any] = []
    with suppress(ValueError, AttributeError, TypeError):  # whoever wrote the file may write this
        stored = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    named = {name for name in stored if isinstance(name, str) and name in schema.names}
    return frozenset(
        field.name
        for field in schema
        if _UNNAMED.fullmatch(field.name)
        or (field.name in named and pa.types.is_integer(field.type))
    )


def arrow_column(column: pd.Series[Any], name: str) -> pa.Array:
    """Convert a column to Arrow; raise SchemaMismatch if its values have several types."""
    zone = getattr(column.dtype, "tz", None)
    try:
        if zone is None:
            return pa.array(column, from_pandas=True)
        # For columns with a zone, pandas 3.1 warns about the conversion in pyarrow.
        moments = pa.array(column.dt.tz_convert(None), from_pandas=True)
        zoned = pa.timestamp(moments.type.unit, tz=pa.lib.tzinfo_to_string(zone))
        return moments.cast(pa.int64()).cast(zoned)
    except pa.ArrowException as error:
        raise SchemaMismatch(
            f'column "{name}" must hold values of one type ({error}): cast it'
        ) from error


def object_column(values: Sequence[object]) -> pd.Series[Any]:
    """Return a column of lists, which Arrow would convert to arrays."""
    import pandas as pd

    return pd.Series(values, dtype=object)
