"""Compare the columns of files with training: which files fit, and what changed in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from aedetect.data import Schema, Source, SourceFile
from aedetect.data.missing_values import mark_missing
from aedetect.data.schema import kind_of, mismatch
from aedetect.data.sources import open_file
from aedetect.data.wholeness import few_columns, open_by_parts
from aedetect.scoring.plan import quarantine

if TYPE_CHECKING:
    from aedetect.arrays import Float64
    from aedetect.preprocessing import Preparation

ColumnChangeKind = Literal["new", "type", "unit"]
MOST_SAMPLED = 500  # files sampled per run to compare units: the newest, about 2 ms each
SAMPLE_ROWS = 4096  # of the first row group
_FACTOR = 1000.0
_ABOUT = 10**0.5  # a factor is about 1000 when it is within half an order of magnitude
_ENOUGH = 8  # values; fewer are not enough to compare units


@dataclass(frozen=True)
class ColumnChange:
    """A difference between a column of a file and training; the file is scored."""

    file: str
    column: str
    change: ColumnChangeKind
    detail: str

    def __str__(self) -> str:
        """Return a description in one line."""
        return f"{self.file}: {self.detail}"


def schema_mismatches(schema: Schema, files: Iterable[SourceFile]) -> dict[str, str]:
    """Return the files that cannot be scored, and why not; one without rows needs nothing."""
    listed = [file for file in files if file.rows]
    # Thousands of files mostly share one set of columns, see `input_cache`.
    kinds = {id(file.columns): file for file in listed}
    why = {key: mismatch(schema, file) or _clock(schema, file) for key, file in kinds.items()}
    reasons = {file.name: why[id(file.columns)] for file in listed}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def admitted(found: Source, schema: Schema) -> tuple[Source, dict[str, str]]:
    """Quarantine the files that cannot be scored; also return why some do not match the schema."""
    wrong = schema_mismatches(schema, found.files)
    return quarantine(found, wrong), wrong


def undated(file: SourceFile) -> str:
    """Return a message on the rows of a file without a usable timestamp, which get no verdict."""
    missing, beyond = file.undated - file.beyond, file.beyond
    parts = [f"{missing} of {file.rows} rows have no timestamp"] if missing else []
    parts += [f"{beyond} of {file.rows} rows are not of the years 1678 to 2261"] if beyond else []
    return f"{' and '.join(parts)} and get no verdict"


def column_changes(
    schema: Schema,
    preparation: Preparation,
    files: Sequence[SourceFile],
    *,
    label: str | None = None,
) -> tuple[ColumnChange, ...]:
    """Return the differences from training in files that fit, in the order of their names.

    The label column is optional, and ignored.

    Columns are read from the footers. Units are compared in a sample of the newest files: reading
    ten thousand files would take too long, and a changed unit persists.
    """
    known: dict[str, set[str]] = {}
    for name, dtype in schema.types:
        known.setdefault(name, set()).add(dtype)
    if known and label is not None:
        known.setdefault(label, set())
    used = {*schema.names, schema.entity}
    found = [change for file in files for change in _footer_changes(file, known, used)]
    newest = sorted(files, key=lambda file: file.times.last if file.times else 0)[-MOST_SAMPLED:]
    missing = {feature.name: feature.missing for feature in schema.features}
    look = partial(_unit_changes, sizes=_sizes(schema, preparation), missing=missing)
    with ThreadPoolExecutor(max_workers=2) as pool:
        found += [change for changed in pool.map(look, newest) for change in changed]
    return tuple(sorted(found, key=lambda change: (change.file, change.change, change.column)))


def _clock(schema: Schema, file: SourceFile) -> str | None:
    """Return how the timestamps of a file differ from those in training; None if they fit."""
    dtype, name = file.columns[schema.timestamp], schema.timestamp
    if kind_of(dtype) != "time":
        return f'has {dtype} in "{name}", which must be a timestamp'
    aware = getattr(dtype, "tz", None) is not None
    if aware != schema.aware:
        has, had = ("a time zone", "none") if aware else ("no time zone", "one")
        return f'has {has} in "{name}" and had {had} in training'
    return None


def _footer_changes(
    file: SourceFile, known: dict[str, set[str]], used: set[str | None]
) -> Iterator[ColumnChange]:
    """Compare names and types; a detector of an earlier version of aedetect has neither.

    A missing column is a mismatch if the model needs it, and is ignored otherwise.
    """
    if not known:
        return
    for name, dtype in file.columns.items():
        now = _plain(dtype)
        if name not in known:
            detail = f'has a new column "{name}" ({dtype}), which is not scored'
            yield ColumnChange(file.name, name, "new", detail)
        elif name in used and now != "null" and _described(now) not in map(_described, known[name]):
            was = " or ".join(sorted(known[name]))
            detail = f'has {now} in "{name}", which was {was} in training'
            yield ColumnChange(file.name, name, "type", detail)


def _plain(dtype: pa.DataType) -> str:
    return str(dtype.value_type if pa.types.is_dictionary(dtype) else dtype)


def _described(dtype: str) -> str:
    """Return the kind of a type, regardless of how text or timestamps are stored.

    >>> _described("large_string"), _described("timestamp[us, tz=UTC]"), _described("int64")
    ('string', 'timestamp', 'int64')
    """
    if dtype.startswith(("timestamp", "date")):
        return "timestamp"
    if dtype.startswith("dictionary<values="):
        return _described(dtype.removeprefix("dictionary<values=").split(",")[0])
    return "string" if dtype in {"string", "large_string", "string_view"} else dtype


def _sizes(schema: Schema, preparation: Preparation) -> dict[str, Float64]:
    """Return the magnitude of each numeric feature, by entity and overall: name -> (E,)."""
    scaling, owner = preparation.scaling, preparation.owner
    sizes = np.maximum(np.abs(scaling.center), np.abs(scaling.scale))
    return {
        feature.name: sizes[:, int(np.flatnonzero(owner == index)[0])]
        for index, feature in enumerate(schema.features)
        if feature.kind == "number" and not feature.counter  # whose increase was learnt
    }


def _unit_changes(
    file: SourceFile, *, sizes: dict[str, Float64], missing: Mapping[str, tuple[float, ...]]
) -> list[ColumnChange]:
    """Compare the magnitude of values in a sample of one file with training."""
    found = []
    for name, values in _sample(file, [name for name in sizes if name not in file.hive]).items():
        real = np.isfinite(values) & ~mark_missing(values, missing[name])
        jump = _jump(np.abs(values[real]), sizes[name])
        if jump is not None:
            detail = f'has values in "{name}" that are about 1000 times {jump} than in training'
            found.append(ColumnChange(file.name, name, "unit", f"{detail}: has its unit changed?"))
    return found


def _jump(magnitudes: Float64, sizes: Float64) -> str | None:
    """Return "larger" or "smaller" if values differ about 1000 times from those of every entity.

    The lower quartile must be larger by that factor, or the maximum smaller: neither an outlier nor
    an idle interval is a change of unit.
    """
    if len(magnitudes) < _ENOUGH:
        return None
    far = _FACTOR / _ABOUT**2
    if sizes.min() / far <= magnitudes.max() <= sizes.max() * far:  # of nearly all columns
        return None
    low, middle, high = np.quantile(magnitudes, [0.25, 0.5, 1.0])
    if low > sizes.max() * far and _is_about(middle / sizes):
        return "larger"
    if middle > 0 and high < sizes.min() / far and _is_about(sizes / middle):
        return "smaller"
    return None


def _is_about(factors: Float64) -> bool:
    """Whether the factor is about 1000 for one of the entities."""
    return bool(((factors > _FACTOR / _ABOUT) & (factors < _FACTOR * _ABOUT)).any())


def _sample(file: SourceFile, names: Sequence[str]) -> dict[str, Float64]:
    """Read the first values of some columns; empty if they cannot be read."""
    if not names or not file.rows:
        return {}
    found: dict[str, Float64] = {}
    try:
        with open_file(file.path) as stream, open_by_parts(stream) as parquet:
            for some in few_columns(names):
                batches = parquet.iter_batches(
                    SAMPLE_ROWS, row_groups=[0], columns=some, use_threads=False
                )
                batch = next(batches)
                found |= {name: _numbers(batch.column(name)) for name in some}
    except (OSError, pa.ArrowException, StopIteration):  # scoring the file reports the error
        return {}
    return found


def _numbers(column: pa.Array) -> Float64:
    """Return values as numbers, missing ones as NaN; empty for other types."""
    try:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        values: Float64 = plain.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        return np.empty(0)
    return values
