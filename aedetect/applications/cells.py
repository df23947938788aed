"""Read all columns of the rows unchanged, and replace some of their cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.data import Query
from aedetect.data.reader import BATCH_ROWS
from aedetect.data.scan import ORDER, TIME, Cell, identifier, scan

if TYPE_CHECKING:
    import duckdb

    from aedetect.arrays import Bool, Float64
    from aedetect.data import Feature, SourceFile


class Originals:
    """All rows of a query's files: in the order of `read_rows`, then those without a timestamp."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, query: Query) -> None:
        """Start reading."""
        names = list(dict.fromkeys(name for file in query.files for name in file.columns))
        aliases = [f"aedetect:{index}" for index in range(len(names))]
        cells = dict(zip(aliases, map(Cell, names), strict=True))
        self._reader = connection.sql(
            f"SELECT {', '.join(map(identifier, aliases))} "
            f"FROM {scan(query.files, cells, entity=query.entity, undated=True)} "
            f"ORDER BY {TIME} IS NULL, {ORDER}"
        ).to_arrow_reader(BATCH_ROWS)
        self._names = names
        read = pa.schema(
            [field.with_name(n) for n, field in zip(names, self._reader.schema, strict=True)]
        )
        self.schema = _as_in_files(read, query.files)
        self._waiting = read.empty_table()

    def take(self, rows: int) -> pa.Table:
        """Return the next rows."""
        while self._waiting.num_rows < rows:
            batch = self._named(self._reader.read_next_batch())
            self._waiting = pa.concat_tables([self._waiting, batch])
        taken, self._waiting = self._waiting.slice(0, rows), self._waiting.slice(rows)
        return taken.cast(self.schema).combine_chunks()

    def rest(self) -> Iterator[pa.Table]:
        """Yield the remaining rows."""
        if self._waiting.num_rows:
            yield self.take(self._waiting.num_rows)
        for batch in self._reader:
            yield self._named(batch).cast(self.schema)

    def _named(self, batch: pa.RecordBatch) -> pa.Table:
        return pa.Table.from_batches([batch]).rename_columns(self._names)


def replace_cells(
    table: pa.Table, features: Sequence[Feature], values: Float64, replaced: Bool
) -> pa.Table:
    """Put new values (R, F) where `replaced` (R, F); the other cells are unchanged to the bit.

    Whole numbers are rounded, booleans true from 0.5; a category's value is its index.
    """
    for column in np.flatnonzero(replaced.any(axis=0)).tolist():
        index = table.schema.get_field_index(features[column].name)
        field = table.schema.field(index)
        new = _typed(values[:, column], features[column], field.type, replaced[:, column])
        mask = pa.array(replaced[:, column])
        merged = pc.if_else(mask, new, table.column(index).combine_chunks())
        table = table.set_column(index, field, merged)
    return table


def _typed(values: Float64, feature: Feature, dtype: pa.DataType, used: Bool) -> pa.Array:
    """Return values as a column's type; unused ones are arbitrary."""
    finite = np.where(used, values, 0.0)
    if feature.is_text:
        names = pa.array(feature.categories, pa.string())
        return names.take(pa.array(finite.astype(np.int64))).cast(dtype)
    if pa.types.is_boolean(dtype):
        return pa.array(finite >= 0.5)  # noqa: PLR2004 - halfway
    if pa.types.is_integer(dtype):
        limits = np.iinfo(dtype.to_pandas_dtype())
        whole = np.clip(np.rint(finite), float(limits.min), float(limits.max))
        return pa.array(whole.astype(dtype.to_pandas_dtype()), dtype)
    if pa.types.is_decimal(dtype):
        finite = np.round(finite, dtype.scale)
    return pa.array(finite).cast(dtype, safe=False)


def _as_in_files(read: pa.Schema, files: Sequence[SourceFile]) -> pa.Schema:
    """Return the column types of the files; where they differ, the type that DuckDB read."""
    fields = []
    for field in read:
        kinds = {file.columns[field.name] for file in files if field.name in file.columns}
        kind = kinds.pop() if len(kinds) == 1 else field.type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        fields.append(pa.field(field.name, plain))
    return pa.schema(fields)
