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
