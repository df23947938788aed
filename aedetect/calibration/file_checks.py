"""Checks on numbers of a saved detector before they count: anyone may have written its files."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

HELD_OUT_SCHEMA = pa.schema(
    [
        ("entity", pa.int32()),
        ("time", pa.int64()),
        ("score", pa.float32()),
        ("anomaly", pa.bool_()),
        ("suspect", pa.bool_()),
    ]
)
# Rows of equal values take next to no bytes in a file, and all their bytes in memory. Scores are
# not like that: beyond some millions of rows a file has at least a byte for so many.
_FREE_ROWS, _ROWS_A_BYTE = 2_000_000, 4


def parse_json(text: str) -> Any:
    """Parse JSON of finite numbers; raises ValueError for NaN, infinity and what becomes one."""
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def check_finite(value: object, name: str) -> None:
    """Raise ValueError when a number in a dataclass, or in what it holds, is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    if is_dataclass(value):
        for each in fields(value):
            check_finite(getattr(value, each.name), f"{name} {each.name}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_finite(inner, f"{name} {key}")
    elif isinstance(value, tuple | list):
        for inner in value:
            check_finite(inner, name)


def as_finite(values: object, kind: npt.DTypeLike, name: str) -> npt.NDArray[Any]:
    """Return numbers as an array; raise ValueError when one is not finite, or is not a number."""
    array = np.array(values)
    if array.dtype.kind not in "iufb" and array.size:
        raise ValueError(f"{name} must be numbers, got {array.dtype}")
    array = array.astype(kind)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    return array


def read_held_out_rows(path: Path) -> pa.Table:
    """Read a file of held-out rows; its footer is checked before.

    Raises ValueError when it has other columns, missing values, scores that are not finite, or more
    rows than a file of its size has.
    """
    size = path.stat().st_size
    with path.open("rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as parquet:
        if not parquet.schema_arrow.remove_metadata().equals(HELD_OUT_SCHEMA):
            raise ValueError(f"{path.name} must have the columns {HELD_OUT_SCHEMA.names}")
        rows = parquet.metadata.num_rows
        groups = range(parquet.metadata.num_row_groups)
        rows = max(rows, sum(parquet.metadata.row_group(each).num_rows for each in groups))
        if rows > max(_FREE_ROWS, _ROWS_A_BYTE * size):
            raise ValueError(f"{path.name} claims {rows:,} rows in {size:,} bytes")
        table = parquet.read(use_threads=False)
    if any(column.null_count for column in table.columns):
        raise ValueError(f"{path.name} must have no missing values")
    if not np.isfinite(table["score"].to_numpy()).all():
        raise ValueError(f"the scores of {path.name} must be finite")
    return table


def _refuse(constant: str) -> None:
    raise ValueError(f"numbers must be finite, got {constant}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"numbers must be finite, got {text}")
    return number
