"""Columns of a pandas table as Arrow has them, and Python objects as a column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aedetect.errors import SchemaMismatch

if TYPE_CHECKING:
    import pandas as pd


def with_index_columns(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return a table in which the index levels of those names are columns too."""
    levels = [name for name in names if name in frame.index.names and name not in frame.columns]
    return frame.assign(**{name: frame.index.get_level_values(name) for name in levels})


def missing_columns(frame: pd.DataFrame, needed: Iterable[str]) -> list[str]:
    """Return which of the needed columns a table lacks.

    Raises SchemaMismatch when it is ambiguous which column a name stands for.
    """
    repeated = [name for name in needed if list(frame.columns).count(name) > 1]
    if repeated:
        raise SchemaMismatch(
            f"column names must be unique, got {', '.join(repeated)} more than once: rename them"
        )
    return [name for name in needed if name not in frame.columns]


def arrow_column(column: pd.Series[Any], name: str) -> pa.Array:
    """Return a column as Arrow has it; raise SchemaMismatch when its values are of many types."""
    zone = getattr(column.dtype, "tz", None)
    try:
        if zone is None:
            return pa.array(column, from_pandas=True)
        # With the zone still on it, pandas 3.1 warns of what pyarrow does to get at the values.
        moments = pa.array(column.dt.tz_convert(None), from_pandas=True)
        zoned = pa.timestamp(moments.type.unit, tz=pa.lib.tzinfo_to_string(zone))
        return moments.cast(pa.int64()).cast(zoned)
    except pa.ArrowException as error:
        raise SchemaMismatch(
            f'column "{name}" must hold values of one type ({error}): cast it'
        ) from error


def object_column(values: Sequence[object]) -> pd.Series[Any]:
    """Return lists as lists; what Arrow makes of them for pandas are arrays."""
    import pandas as pd

    return pd.Series(values, dtype=object)
