"""Profile the training data: which columns can be features, and which rows are normal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aedetect.data.reader import Engine, reading
from aedetect.data.row_filter import columns_in
from aedetect.data.scan import Cell, identifier, scan
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
from aedetect.data.sql import NAMED
from aedetect.data.unused import columns_left_out
from aedetect.data.value_counts import ValueCount, count_values
from aedetect.errors import ConfigError, NoData, SchemaMismatch

if TYPE_CHECKING:
    from aedetect.data.sources import Source

# Errors of DuckDB for SQL that parses but is invalid for these columns. By name: plain files are
# read without it.
_MEANINGLESS = {
    "BinderException",
    "CatalogException",
    "ConversionException",
    "ParserException",
}


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


def survey(engine: Engine, source: Source, settings: DataSettings) -> Survey:
    """Check the columns, choose the features and count the normal rows.

    Raises SchemaMismatch if a column is missing or has the wrong type, ConfigError if `normal` is
    not an SQL condition on these columns, NoData if no row is normal.
    """
    aware = check_time(source.files, timestamp=settings.timestamp)
    if settings.entity is not None:
        check_column(source.files, settings.entity, setting="[data] entity")
    mentioned = columns_in(engine(), settings.normal) if settings.normal else set()
    for name in sorted(mentioned):
        check_column(source.files, name, setting="[data] normal")
    kinds = choose_features(source.files, settings=settings, reserved=mentioned)
    where, labels = _normal_rows(source, settings)
    needed = mentioned | labels
    _check_distinct(needed)
    rows = sum(file.rows for file in source.files)
    with reading(source.files), _filtering(settings.normal or where):
        counted = count_values(engine, source, settings, kinds, where=where, mentioned=needed)
    if not counted.rows:
        raise NoData(
            f"none of the {rows:,} rows is normal and has a timestamp "
            f"(normal: {_as_written(where, settings, labels) or 'all'}): "
            "check [data] normal, label and timestamp"
        )
    features, left_out = _features(engine, source, settings, kinds, counted.columns)
    return Survey(
        features=features,
        aware=aware,
        where=where,
        shown=_as_written(where, settings, labels),
        mentioned=tuple(sorted(needed)),
        rows=rows,
        normal=counted.rows,
        left_out=(
            *_filtered_by(source, settings, mentioned - kinds.keys()),
            *_index_columns(source, settings),
            *columns_left_out(source.files, settings),
            *left_out,
        ),
    )


@contextmanager
def _filtering(where: str | None) -> Iterator[None]:
    """Convert errors of DuckDB for a filter that means nothing to ConfigError."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ not in _MEANINGLESS:
            raise
        raise ConfigError(
            f"[data] normal must hold or not for each row, got {where} "
            f"({str(error).splitlines()[0]}); write for example \"state = 'on'\""
        ) from error


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


def _as_written(where: str | None, settings: DataSettings, counts: set[str]) -> str | None:
    """Return in words which rows are normal."""
    if where is None:
        return None
    parts = [settings.normal] if settings.normal else []
    parts += [f'not marked in "{label}"' for label in sorted(counts)]
    parts += [] if settings.entity is None else [f'with a value in "{settings.entity}"']
    return ", ".join(parts)


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


def _index_columns(source: Source, settings: DataSettings) -> Iterator[str]:
    """Report columns that pandas wrote for its index."""
    keys = {settings.timestamp, settings.entity, settings.label, *settings.features}
    for name in sorted({name for file in source.files for name in file.index} - keys):
        yield f'column "{name}" is the index of a pandas table: left out'


def _normal_rows(source: Source, settings: DataSettings) -> tuple[str | None, set[str]]:
    """Write the SQL for normal rows: filter, a known entity, the label where files have one.

    Also return the label when it counts.
    """
    conditions = [f"({settings.normal})"] if settings.normal else []
    if settings.entity is not None:  # rows without an entity may belong to several
        conditions.append(NAMED)
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


def _features(
    engine: Engine,
    source: Source,
    settings: DataSettings,
    kinds: dict[str, Kind],
    counted: Mapping[str, ValueCount],
) -> tuple[tuple[Feature, ...], tuple[str, ...]]:
    """Make features of the usable columns; also return which are not usable and why."""
    features, left_out = [], []
    for name, kind in kinds.items():
        if not counted[name].rows:
            left_out.append(f'column "{name}" has no value in the normal rows: left out')
        elif kind != "category":
            low, high = counted[name].low, counted[name].high
            plain: Literal["boolean", "number"] = "boolean" if kind == "boolean" else "number"
            missing = settings.missing_values if plain == "number" else ()
            features.append(Feature(name, plain, low=low, high=high, missing=missing))
        else:
            categories = _categories(engine, source, name)
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


def _categories(engine: Engine, source: Source, name: str) -> tuple[str, ...]:
    """Return the values of a text column, sorted, at most one more than allowed.

    Text that is mostly numbers is refused: as categories, numbers would lose order and magnitude.
    """
    rows = scan(source.files, {"value": Cell(name, "VARCHAR")}, entity=None)
    sql = (
        "SELECT DISTINCT value, TRY_CAST(value AS DOUBLE) IS NOT NULL AS numeric "
        f"FROM {rows} WHERE value IS NOT NULL LIMIT {MAX_CATEGORIES + 1}"
    )
    with reading(source.files):
        found = sorted(engine().sql(sql).fetchall())
    numbers = [value for value, numeric in found if numeric]
    if 2 * len(numbers) > len(found):
        raise SchemaMismatch(
            f'feature "{name}" of {source.files[0].name} is text where numbers are expected '
            f'(such as "{numbers[0]}"): cast it to double when the file is written, or put it in '
            "[data] exclude"
        )
    return tuple(value for value, _ in found)
