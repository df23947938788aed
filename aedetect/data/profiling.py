"""Profile the training data: which columns can be features, and which rows are normal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import duckdb

from aedetect.data.reader import reading
from aedetect.data.row_filter import columns_in
from aedetect.data.scan import ENTITY, Cell, identifier, scan
from aedetect.data.schema import (
    MAX_CATEGORIES,
    Feature,
    Kind,
    check_column,
    check_time,
    choose_features,
    kind_of,
)
from aedetect.data.settings import DataSettings
from aedetect.data.sql import plain_cells
from aedetect.errors import ConfigError, NoData, SchemaMismatch

if TYPE_CHECKING:
    from aedetect.data.sources import Source

# Errors of DuckDB for SQL that parses but is invalid for these columns.
_MEANINGLESS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.ParserException,
)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The data that training will use, and what is left out and why."""

    features: tuple[Feature, ...]
    aware: bool  # whether timestamps carry a time zone
    where: str | None  # SQL condition for normal rows
    shown: str | None  # the same as a user writes it
    mentioned: tuple[str, ...]  # columns that it names
    rows: int  # in the files
    normal: int  # of these, normal and with a timestamp
    left_out: tuple[str, ...]  # one sentence each


def survey(connection: duckdb.DuckDBPyConnection, source: Source, settings: DataSettings) -> Survey:
    """Check the columns, choose the features and count the normal rows.

    Raises SchemaMismatch if a column is missing or has the wrong type, ConfigError if `normal` is
    not an SQL condition on these columns, NoData if no row is normal.
    """
    aware = check_time(source.files, timestamp=settings.timestamp)
    if settings.entity is not None:
        check_column(source.files, settings.entity, setting="[data] entity")
    mentioned = columns_in(connection, settings.normal) if settings.normal else set()
    for name in sorted(mentioned):
        check_column(source.files, name, setting="[data] normal")
    kinds = choose_features(source.files, settings=settings, reserved=mentioned)
    where, labels = _normal_rows(source, settings)
    needed = mentioned | labels
    _check_distinct(needed)
    rows = sum(file.rows for file in source.files)
    counted = _count(connection, source, settings, kinds, where, needed)
    if not counted["_rows"].rows:
        raise NoData(
            f"none of the {rows} rows is normal and has a timestamp "
            f"(normal: {_as_written(where, settings) or 'all'}): "
            "check [data] normal, label and timestamp"
        )
    features, left_out = _features(connection, source, settings, kinds, counted)
    return Survey(
        features=features,
        aware=aware,
        where=where,
        shown=_as_written(where, settings),
        mentioned=tuple(sorted(needed)),
        rows=rows,
        normal=counted["_rows"].rows,
        left_out=(*_filtered_by(source, settings, mentioned - kinds.keys()), *left_out),
    )


def _check_distinct(names: set[str]) -> None:
    """Raise ConfigError when SQL cannot tell the columns apart: to it, case is no difference."""
    folded: dict[str, str] = {}
    for name in sorted(names):
        other = folded.setdefault(name.lower(), name)
        if other != name:
            raise ConfigError(
                f"[data] normal and label must name columns that differ in more than case, got "
                f'"{other}" and "{name}": rename one of them'
            )


def _as_written(where: str | None, settings: DataSettings) -> str | None:
    """Return the SQL with the names of the columns in the files."""
    if where is None or settings.entity is None:
        return where
    return where.replace(ENTITY, identifier(settings.entity))


def _filtered_by(source: Source, settings: DataSettings, names: set[str]) -> Iterator[str]:
    """Report columns that are no features because of the filter, with a remedy."""
    if settings.features:  # whoever names features has decided
        return
    could = choose_features(source.files, settings=settings) if names else {}
    for name in sorted(names & could.keys()):
        yield (
            f'column "{name}" is named in [data] normal: left out; to keep it as a feature, set '
            '[data] features = ["*"] or list the columns'
        )


def _normal_rows(source: Source, settings: DataSettings) -> tuple[str | None, set[str]]:
    """Write the SQL for normal rows: filter, a known entity, the label where files have one.

    Also return the label when it counts.
    """
    conditions = [f"({settings.normal})"] if settings.normal else []
    if settings.entity is not None:  # rows without an entity may belong to several
        conditions.append(f"{ENTITY} IS NOT NULL")
    counts: set[str] = set()
    label = settings.label
    labelled = [file for file in source.files if label in file.columns]
    if label is not None and len(labelled) == len(source.files):
        if kind_of(labelled[0].columns[label]) not in {"number", "boolean"}:
            raise SchemaMismatch(
                f'label column "{label}" must be boolean or 0 and 1, got '
                f"{labelled[0].columns[label]}: name the normal rows in [data] normal instead"
            )
        conditions.append(f"NOT coalesce(CAST({identifier(label)} AS BOOLEAN), FALSE)")
        counts = {label}
    return " AND ".join(conditions) or None, counts


@dataclass(frozen=True)
class Counted:
    """The number of rows with a value, and for numbers the minimum and maximum."""

    rows: int
    low: float | None = None
    high: float | None = None


def _count(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    settings: DataSettings,
    kinds: dict[str, Kind],
    where: str | None,
    mentioned: Collection[str],
) -> dict[str, Counted]:
    """Count the normal rows ("_rows") and each feature's values in them, with their range."""
    counts = []
    cells: dict[str, Cell] = {}
    for index, (name, kind) in enumerate(kinds.items()):
        is_text, column = kind == "category", identifier(f"aedetect:{index}")
        cells[f"aedetect:{index}"] = Cell(name, "VARCHAR" if is_text else "DOUBLE")
        test = f"{column} IS NOT NULL" if is_text else f"isfinite({column})"
        counts.append(f"count(*) FILTER ({test})")
        number = "NULL" if is_text else column
        counts += [f"{each}({number}) FILTER ({test})" for each in ("min", "max")]
    rows = scan(source.files, cells | plain_cells(mentioned), entity=settings.entity)
    sql = f"SELECT count(*), {', '.join(counts)} FROM {rows} WHERE ({where or 'TRUE'})"
    with reading(source.files):
        try:
            row = connection.sql(sql).fetchall()[0]
        except _MEANINGLESS as error:
            raise ConfigError(
                f"[data] normal must hold or not for each row, got {_as_written(where, settings)} "
                f"({str(error).splitlines()[0]}); write for example \"state = 'on'\""
            ) from error
    found = {name: Counted(*row[1 + 3 * n : 4 + 3 * n]) for n, name in enumerate(kinds)}
    return {"_rows": Counted(row[0]), **found}


def _features(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    settings: DataSettings,
    kinds: dict[str, Kind],
    counted: dict[str, Counted],
) -> tuple[tuple[Feature, ...], tuple[str, ...]]:
    """Make features of the usable columns; also return which are not usable and why."""
    features, left_out = [], []
    for name, kind in kinds.items():
        if not counted[name].rows:
            left_out.append(f'column "{name}" has no value in the normal rows: left out')
        elif kind != "category":
            low, high = counted[name].low, counted[name].high
            plain: Literal["boolean", "number"] = "boolean" if kind == "boolean" else "number"
            features.append(Feature(name, plain, low=low, high=high))
        else:
            categories = _categories(connection, source, name)
            if len(categories) <= MAX_CATEGORIES:
                features.append(Feature(name, "category", categories))
            elif name in settings.features:
                raise SchemaMismatch(
                    f'feature "{name}" is text with more than {MAX_CATEGORIES} different values, '
                    "which is too many for a category: remove it from [data] features"
                )
            else:
                left_out.append(
                    f'column "{name}" is text with over {MAX_CATEGORIES} values: left out'
                )
    if not features:
        raise SchemaMismatch(f"no column can be a feature: {'; '.join(left_out)}")
    return tuple(features), tuple(left_out)


def _categories(
    connection: duckdb.DuckDBPyConnection, source: Source, name: str
) -> tuple[str, ...]:
    """Return the values of a text column, sorted, at most one more than allowed.

    Text that is mostly numbers is refused: as categories, numbers would lose order and magnitude.
    """
    rows = scan(source.files, {"value": Cell(name, "VARCHAR")}, entity=None)
    sql = (
        "SELECT DISTINCT value, TRY_CAST(value AS DOUBLE) IS NOT NULL AS numeric "
        f"FROM {rows} WHERE value IS NOT NULL LIMIT {MAX_CATEGORIES + 1}"
    )
    with reading(source.files):
        found = sorted(connection.sql(sql).fetchall())
    numbers = [value for value, numeric in found if numeric]
    if 2 * len(numbers) > len(found):
        raise SchemaMismatch(
            f'feature "{name}" of {source.files[0].name} is text where numbers are expected '
            f'(such as "{numbers[0]}"): cast it to double when the file is written, or put it in '
            "[data] exclude"
        )
    return tuple(value for value, _ in found)
