"""SQL to read Parquet: rows, columns and order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aedetect.data.counters import Counting
from aedetect.data.scan import ENTITY, FILE, ORDER, ROW, TIME, Cell, identifier, scan, sql_literal
from aedetect.data.sources import SourceFile

if TYPE_CHECKING:
    from aedetect.data.schema import Schema

NAMED = f"{ENTITY} IS NOT NULL"  # the condition that a row has an entity


@dataclass(frozen=True, kw_only=True)
class EntityRange:
    """Entities that follow each other by the bytes of their names, as rows are ordered."""

    low: str | None  # the first; None: from the first of all
    high: str | None  # the first of those after; None: to the last, and rows without an entity
    rows: int  # of a query, at most


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which rows and columns to read.

    `categories` maps each column to its categories, () for a column of numbers or booleans.
    """

    files: Sequence[SourceFile]
    timestamp: str
    entity: str | None
    categories: Mapping[str, tuple[str, ...]]
    missing: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # see `Feature.missing`
    counting: Counting | None = None  # whose increase is read; None: all columns as they are
    where: str | None = None  # SQL
    mentioned: Collection[str] = ()  # columns that `where` names
    start: int | None = None  # ns, inclusive
    end: int | None = None  # ns, exclusive
    entities: EntityRange | None = None  # only their rows

    @classmethod
    def of(
        cls,
        schema: Schema,
        files: Sequence[SourceFile],
        *,
        numbers: Sequence[str] = (),
        where: str | None = None,
        mentioned: Collection[str] = (),
        start: int | None = None,
        end: int | None = None,
        levels: bool = False,
        entities: EntityRange | None = None,
    ) -> Query:
        """Query the features of a schema, in its order, and then further numeric columns.

        Counters are read as their increase, or with `levels` as they are.
        """
        features = {feature.name: feature.categories for feature in schema.features}
        return cls(
            files=files,
            timestamp=schema.timestamp,
            entity=schema.entity,
            categories={**features, **dict.fromkeys(numbers, ())},
            missing={each.name: each.missing for each in schema.features},
            counting=None if levels else Counting.of(schema),
            where=where,
            mentioned=mentioned,
            start=start,
            end=end,
            entities=entities,
        )


def select(query: Query, *, ordered: bool = True) -> str:
    """Write the query: typed columns, the filters, and an order without ties.

    Not ordered, the columns `_file` and `_row` break the ties.
    """
    cells = {
        f"aedetect:{index}": typed_cell(name, is_text=bool(categories), missing=query.missing)
        for index, (name, categories) in enumerate(query.categories.items())
    }
    columns = [f"epoch_ns({TIME}) AS _time", f"{ENTITY} AS _entity"]
    columns += [f"{identifier(alias)} AS c{index}" for index, alias in enumerate(cells)]
    rows = scan(
        query.files,
        cells | plain_cells(query.mentioned),
        entity=query.entity,
        start=query.start,
        end=query.end,
    )
    filters = [f"({query.where})"] if query.where else []
    filters += [f"({_among(query.entities)})"] if query.entities else []
    where = f" WHERE {' AND '.join(filters)}" if filters else ""
    if ordered:
        return f"SELECT {', '.join(columns)} FROM {rows}{where} ORDER BY {ORDER}"
    columns += [f"{FILE} AS _file", f"{ROW} AS _row"]
    return f"SELECT {', '.join(columns)} FROM {rows}{where}"


def select_counts(query: Query) -> str:
    """Write the query for how many rows each entity has, in their order."""
    rows = scan(query.files, {}, entity=query.entity, start=query.start, end=query.end)
    return (
        f"SELECT {ENTITY} AS _entity, count(*) AS _rows FROM {rows} "
        f"GROUP BY {ENTITY} ORDER BY {ENTITY} NULLS LAST"
    )


def _among(entities: EntityRange) -> str:
    """Write the SQL for the rows of some entities. DuckDB compares text by its bytes."""
    low, high = entities.low, entities.high
    parts = [] if low is None else [f"{ENTITY} >= {sql_literal(low)}"]
    parts += [] if high is None else [f"{ENTITY} < {sql_literal(high)}"]
    if high is None:
        return f"{' AND '.join(parts) or 'true'} OR {ENTITY} IS NULL"
    return " AND ".join(parts)


def typed_cell(name: str, *, is_text: bool, missing: Mapping[str, tuple[float, ...]]) -> Cell:
    """Give a column as text, or as a double that is null where it stands for a missing value."""
    return Cell(name, "VARCHAR") if is_text else Cell(name, "DOUBLE", missing.get(name, ()))


def plain_cells(names: Iterable[str]) -> dict[str, Cell]:
    """Give columns under their own names, for SQL that a person wrote."""
    return {name: Cell(name) for name in names}


def within(start: int, end: int) -> str:
    """Write the SQL for moments in [start, end) ns, of any rows that `scan` gives."""
    return f"epoch_ns({TIME}) >= {start} AND epoch_ns({TIME}) < {end}"
