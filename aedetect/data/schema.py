"""Columns, their kinds, and the sampling period: inferred from files, checked against files."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from aedetect.arrays import Int64
from aedetect.data.rates import OfEntities, Rate, spread
from aedetect.data.settings import DataSettings
from aedetect.data.sources import SourceFile
from aedetect.errors import SchemaMismatch
from aedetect.wall_clock import WallClock
from aedetect.wording import list_some

Kind = Literal["number", "boolean", "category", "time", "missing", "other"]  # missing: no type
FEATURE_KINDS = ("number", "boolean", "category")
INCREASE = " (increase)"  # after the name of a counter, where its increase is shown
MAX_CATEGORIES = 50  # a text column with more distinct values is an identifier, not a state


@dataclass(frozen=True)
class Feature:
    """One input column of the model."""

    name: str
    kind: Literal["number", "boolean", "category"]
    categories: tuple[str, ...] = ()  # of a category, sorted
    counter: bool = False  # only grows: what is learnt is its increase
    missing: tuple[float, ...] = ()  # numbers that stand for a missing value
    low: float | None = field(default=None, compare=False)  # of normal rows, for texts
    high: float | None = field(default=None, compare=False)

    @property
    def is_text(self) -> bool:
        """Whether the column holds text."""
        return self.kind == "category"

    @property
    def label(self) -> str:
        """What its values are: the name of the column, or of its increase."""
        return self.name + INCREASE if self.counter else self.name


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns and sampling that a detector requires of a table."""

    timestamp: str
    aware: bool  # whether timestamps carry a time zone
    entity: str | None
    features: tuple[Feature, ...]
    context: tuple[Literal["hour", "weekday"], ...]
    period: int  # ns between rows
    max_gap: int  # ns, longest step inside a window
    rates: tuple[Rate, ...] = ()  # of entities that are sampled at another rate
    timezone: str | None = None  # of days and hours; None: UTC, or none in the timestamps
    types: tuple[tuple[str, str], ...] = ()  # every column of the training files and its Arrow type

    @property
    def longest_gap(self) -> int:
        """The longest max_gap of any entity (ns)."""
        return max([self.max_gap, *(each.max_gap for each in self.rates)])

    def max_gaps(self, rows: OfEntities) -> Int64:
        """Return the longest step inside a window that ends at each row, in ns: (R,)."""
        return self.spread(rows.names, "max_gap")[rows.entity]

    def spread(self, names: Sequence[str | None], of: Literal["period", "max_gap"]) -> Int64:
        """Return the period or max_gap of some entities, by name: (E,)."""
        return spread(self.rates, names, of, default=getattr(self, of))

    @property
    def clock(self) -> WallClock:
        """The clock that shows its days and hours."""
        return WallClock(self.timezone, self.aware)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the model's columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def counts(self) -> bool:
        """Whether a feature is a counter."""
        return any(feature.counter for feature in self.features)


def kind_of(dtype: pa.DataType) -> Kind:
    """Return the kind of an Arrow type."""
    is_text = pa.types.is_string(dtype) or pa.types.is_large_string(dtype)
    if pa.types.is_null(dtype):
        return "missing"
    if pa.types.is_boolean(dtype):
        return "boolean"
    if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
        return "number"
    if pa.types.is_timestamp(dtype) or pa.types.is_date(dtype):
        return "time"
    if pa.types.is_dictionary(dtype):
        return kind_of(dtype.value_type)
    return "category" if is_text or pa.types.is_string_view(dtype) else "other"


def column_types(files: Iterable[SourceFile]) -> tuple[tuple[str, str], ...]:
    """Return every column of the files with its Arrow type; twice if it has two types."""
    pairs = ((name, str(dtype)) for file in files for name, dtype in file.columns.items())
    return tuple(dict.fromkeys(pairs))


def check_time(files: Iterable[SourceFile], *, timestamp: str) -> bool:
    """Return whether timestamps have a zone; raise SchemaMismatch if they cannot be used."""
    aware: dict[bool, str] = {}
    for file in files:
        dtype = _column(file, timestamp, setting="[data] timestamp")
        if kind_of(dtype) != "time":
            raise SchemaMismatch(
                f'timestamp column "{timestamp}" of {file.name} must be a timestamp, got '
                f"{dtype}: cast it when the file is written"
            )
        aware.setdefault(getattr(dtype, "tz", None) is not None, file.name)
    if len(aware) > 1:
        raise SchemaMismatch(
            f'timestamp column "{timestamp}" has a time zone in {aware[True]} and none in '
            f"{aware[False]}: write all files with a zone, or all without"
        )
    return next(iter(aware), False)


def choose_features(
    files: Sequence[SourceFile], *, settings: DataSettings, reserved: Collection[str] = ()
) -> dict[str, Kind]:
    """Map each feature to its kind: those the settings name, or all columns that can be one.

    `reserved` columns (of the `normal` filter) are features only if named. Raises SchemaMismatch
    if a named column is missing in a file or cannot be a feature, or if none is left.
    """
    named = _expand(settings.features, _common_columns(files), setting="[data] features")
    excluded = _expand(settings.exclude, _all_columns(files), setting="[data] exclude")
    index = {name for file in files for name in file.index} - set(settings.features)
    never = {settings.timestamp, settings.entity, settings.label, *excluded, *index}
    open_to_all = [name for name in _common_columns(files) if name not in {*never, *reserved}]
    candidates = [name for name in (named or open_to_all) if name not in never]
    kinds = {name: _kind_in_all(files, name) for name in candidates}
    chosen = {name: kind for name, kind in kinds.items() if kind in FEATURE_KINDS}
    if unfit := [name for name in named if name in kinds and name not in chosen]:
        dtype = files[0].columns[unfit[0]]
        raise SchemaMismatch(
            f'feature "{unfit[0]}" must hold numbers, booleans or text, got {dtype}: '
            "take it out of [data] features"
        )
    if not chosen:
        raise SchemaMismatch(
            f"at least one feature is needed, but {files[0].name} has only "
            f"{_listed(files[0].columns)}: name them in [data] features"
        )
    return chosen


def mismatch(schema: Schema, file: SourceFile) -> str | None:
    """Return how a file differs from the requirements of the detector; None if it fits.

    Additional columns are ignored.
    """
    keys = [schema.timestamp] if schema.entity is None else [schema.timestamp, schema.entity]
    if missing := [name for name in (*keys, *schema.names) if name not in file.columns]:
        return f"lacks the column{'s' * (len(missing) > 1)} {_listed(missing)}"
    for feature in schema.features:
        kind = kind_of(file.columns[feature.name])
        if kind == "missing":  # as every cell of it
            continue
        if feature.is_text != (kind == "category") or kind not in FEATURE_KINDS:
            needed = "text" if feature.is_text else "a number"
            return f'has {file.columns[feature.name]} in "{feature.name}", which must be {needed}'
    return None


def check_column(files: Iterable[SourceFile], name: str, *, setting: str) -> None:
    """Raise SchemaMismatch, naming the nearest column, if a file lacks the column."""
    for file in files:
        _column(file, name, setting=setting)


def suggest_nearest(name: str, names: Iterable[str]) -> str:
    """Return ' (did you mean "x"?)' for the nearest of the names, or "" if none is near.

    >>> suggest_nearest("tiemstamp", ["timestamp", "cpu"])
    ' (did you mean "timestamp"?)'
    """
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _column(file: SourceFile, name: str, *, setting: str) -> pa.DataType:
    if name not in file.columns:
        raise SchemaMismatch(
            f'{file.name} has no column "{name}" ({setting}){suggest_nearest(name, file.columns)}; '
            f"it has {_listed(file.columns)}"
        )
    return file.columns[name]


def _common_columns(files: Sequence[SourceFile]) -> list[str]:
    """Columns in every file, but not in its path, in the order of the first file."""
    others = files[1:]
    first = [name for name in files[0].columns if name not in files[0].hive]
    return [name for name in first if all(name in file.columns for file in others)]


def _all_columns(files: Sequence[SourceFile]) -> list[str]:
    return list(dict.fromkeys(name for file in files for name in file.columns))


def _kind_in_all(files: Sequence[SourceFile], name: str) -> Kind:
    """Return the kind of a column; number for a mix of booleans and numbers."""
    seen: dict[Kind, str] = {}
    for file in files:
        seen.setdefault(kind_of(file.columns[name]), file.name)
    if len(seen) > 1:
        seen.pop("missing", None)
    if len(seen) == 1:
        return next(iter(seen))
    if set(seen) == {"number", "boolean"}:
        return "number"
    where = ", ".join(f"{kind} in {name}" for kind, name in seen.items())
    raise SchemaMismatch(f'column "{name}" must have one type, got {where}; cast it, or exclude it')


def _expand(patterns: Sequence[str], names: Sequence[str], *, setting: str) -> list[str]:
    """Return the names that match the patterns; a pattern without a match is an error."""
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matching = [pattern] if pattern in names else fnmatch.filter(names, pattern)
        if not matching:
            raise SchemaMismatch(
                f'{setting} names "{pattern}", which is not a column of every file'
                f"{suggest_nearest(pattern, names)}; there are {_listed(names)}"
            )
        chosen |= dict.fromkeys(matching)
    return list(chosen)


def _listed(names: Iterable[str], *, most: int = 12) -> str:
    return list_some((f'"{name}"' for name in names), most=most)
