"""Score a pandas table: the same verdicts as for files, in the order of its rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Float64, Int64
from aedetect.data import Feature, Rows, Schema
from aedetect.data.counters import Counting, take_increases
from aedetect.data.missing_values import mark_missing
from aedetect.data.pandas_columns import (
    arrow_column,
    check_frame,
    check_moments,
    missing_columns,
    missing_message,
    object_column,
    with_index_columns,
)
from aedetect.data.row_order import text_codes
from aedetect.data.scan import WHOLE
from aedetect.data.schema import kind_of
from aedetect.errors import SchemaMismatch
from aedetect.explain import rank_causes
from aedetect.scoring.rows import score_rows
from aedetect.scoring.tables import scores_batch, severities

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.detector import CalibratedScorer, Scored

_VERDICTS = ["timestamp", "entity", "score", "p_value", "verdict", "reason"]
_DETAILS = ["threshold", "severity"]
_NO_TIME = "timestamp is missing"


def score_frame(
    detector: CalibratedScorer,
    frame: pd.DataFrame,
    *,
    causes: bool = False,
    details: bool = False,
) -> pd.DataFrame:
    """Return timestamp, entity, score, p_value, verdict and reason for each row, in its order.

    With `causes`, also return the causes of each anomalous row, as in `flagged/`: a list of
    `{"feature", "share", "observed", "expected", "unusual"}`, the largest share first; None for
    other rows. With `details`, also threshold (of scored rows), severity (of anomalies) and
    calibration_version.

    The rows may be in any order. The context of a row is the earlier rows of its entity.
    Raises SchemaMismatch if a column is missing or has another type than in training.
    """
    schema = detector.scorer.schema
    table = frame_table(schema, frame)
    rows, place = table_rows(schema, table)
    scored = score_rows(detector, rows, np.ones(len(rows), dtype=np.bool_))
    kind = table.schema.field(schema.timestamp).type
    verdicts = pa.Table.from_batches([scores_batch(rows, scored, kind)])
    if details:
        for name, column in _details(detector, rows, scored).items():
            verdicts = verdicts.append_column(name, column)
    if causes:
        verdicts = verdicts.append_column("causes", _causes(detector, rows, scored))
    back = np.full(len(table), -1)
    back[place] = np.arange(len(place))
    result = verdicts.take(pa.array(back, mask=back < 0))
    shown = _with_undated(result.select(_VERDICTS), schema, table)
    for name in _DETAILS if details else ():
        shown = shown.append_column(name, result[name])
    answered: pd.DataFrame = shown.to_pandas()
    if details:
        answered["calibration_version"] = np.int32(detector.calibration.version)
    if causes:
        answered["causes"] = object_column(result["causes"].to_pylist())
    return answered


def frame_table(schema: Schema, frame: pd.DataFrame) -> pa.Table:
    """Return the columns that a detector needs, with the rows of a frame, in its order.

    Raises SchemaMismatch if a column is missing or has another type than in training.
    """
    check_frame(frame)
    frame = with_index_columns(frame, (schema.timestamp, schema.entity or ""))
    needed = _present(schema, frame)
    check_moments(frame[schema.timestamp], schema.timestamp)
    table = pa.table({name: arrow_column(frame[name], name) for name in needed})
    _check(schema, table)
    return table


def table_rows(schema: Schema, table: pa.Table) -> tuple[Rows, Int64]:
    """Return the rows of a table that have a timestamp, by entity and time, and their places."""
    moments = table[schema.timestamp]
    time = moments.cast(pa.timestamp("ns", tz=getattr(moments.type, "tz", None)))
    dated = np.flatnonzero(time.is_valid().to_numpy())
    known = table.take(pa.array(dated))
    rows, order = _ordered(schema, known, time.take(pa.array(dated)))
    return rows, dated[order]


def _details(
    detector: CalibratedScorer, rows: Rows, scored: Scored
) -> dict[str, pa.Array | pa.StringArray]:
    """Return the threshold of scored rows, and the severity of anomalous ones: (R,) each."""
    calibration = detector.calibration
    limits = calibration.thresholds(detector.scorer.preparation.entity_codes(rows))
    strength = calibration.strengths(scored.score[scored.flagged], scored.entity)
    rated = severities(strength, ruled=scored.reason[scored.flagged] >= 0)
    return {
        "threshold": pa.array(limits, mask=np.isnan(scored.score)),
        "severity": rated.take(_places(scored, len(rows))),
    }


def _causes(detector: CalibratedScorer, rows: Rows, scored: Scored) -> pa.ListArray:
    """Return the causes of anomalous rows, null for the others: (R,)."""
    values = rows.take(scored.flagged).values  # noqa: PD011 - not those of a DataFrame
    ranked = rank_causes(detector.scorer.preparation, scored, values)
    return ranked.take(_places(scored, len(rows)))


def _places(scored: Scored, count: int) -> pa.Int64Array:
    """Return the place of each row among the flagged ones, null for the others: (R,)."""
    place = np.full(count, -1)
    place[scored.flagged] = np.arange(len(scored.flagged))
    return pa.array(place, mask=place < 0)


def _present(schema: Schema, frame: pd.DataFrame) -> list[str]:
    """Return the required columns; raise SchemaMismatch if one is missing."""
    needed = [schema.timestamp, *([schema.entity] if schema.entity else []), *schema.names]
    if missing := missing_columns(frame, needed):
        raise SchemaMismatch(missing_message(frame, missing, timestamp=schema.timestamp))
    return needed


def _check(schema: Schema, table: pa.Table) -> None:
    """Raise SchemaMismatch for a column of the wrong type."""
    time = table.schema.field(schema.timestamp).type
    if kind_of(time) != "time" or (getattr(time, "tz", None) is not None) != schema.aware:
        zone, to = ("with", schema.timezone or "UTC") if schema.aware else ("without", None)
        remedy = f"as in training, such as by frame[{schema.timestamp!r}].dt.tz_localize({to!r})"
        raise SchemaMismatch(
            f'column "{schema.timestamp}" must hold timestamps {zone} zone, got {time}: make it '
            f"{remedy}"
        )
    for feature in schema.features:
        kind = table.schema.field(feature.name).type
        fits = ("category",) if feature.is_text else ("number", "boolean")
        if not pa.types.is_null(kind) and kind_of(kind) not in fits:
            needed = "text" if feature.is_text else "numbers"
            raise SchemaMismatch(f'column "{feature.name}" must hold {needed}, got {kind}: cast it')


def _ordered(schema: Schema, table: pa.Table, time: pa.ChunkedArray) -> tuple[Rows, Int64]:
    """Return the rows by entity and time, and the original position of each: (R,)."""
    entity = _names(table[schema.entity]) if schema.entity else pa.nulls(len(table), pa.string())
    encoded = pa.chunked_array(
        [entity] if isinstance(entity, pa.Array) else entity.chunks, pa.string()
    )
    encoded = encoded.combine_chunks().dictionary_encode(null_encoding="encode")
    codes = encoded.indices.to_numpy()
    instants = time.cast(pa.int64()).to_numpy()
    order = np.lexsort((np.arange(len(table)), instants, codes))
    values = [_values(table[feature.name], feature) for feature in schema.features]
    rows = Rows(
        time=instants[order],
        entity=codes[order],
        names=tuple(encoded.dictionary.to_pylist()),
        values=np.stack(values, axis=1)[order],
    )
    (taken,) = take_increases([rows], Counting.of(schema)) if len(rows) else (rows,)
    return taken, order


def _names(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return entities as text, as they are named when they are read from files."""
    if pa.types.is_decimal(column.type) and column.type.scale > 0:
        return pc.utf8_rtrim(pc.utf8_rtrim(column.cast(pa.string()), "0"), ".")
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    texts = [None if number is None else _number_name(number) for number in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _number_name(number: float) -> str | None:
    """Name an entity as `aedetect.data.scan.entity_name` does: 7.0 is 7, not a number is none."""
    if math.isnan(number):
        return None
    is_whole = number.is_integer() and abs(number) < WHOLE
    return str(int(number)) if is_whole else repr(number)


def _values(column: pa.ChunkedArray, feature: Feature) -> Float64:
    """Return a column as raw numbers for the model: (R,), NaN where missing."""
    if feature.is_text:
        return text_codes(column.cast(pa.string()).combine_chunks(), feature.categories)
    plain = (
        column.cast(pa.float64(), safe=False)  # large integers lose digits, as in files
        if not pa.types.is_boolean(column.type)
        else column.cast(pa.int8())
    )
    values = np.asarray(plain.cast(pa.float64()).to_numpy(), dtype=np.float64)
    return np.where(mark_missing(values, feature.missing), np.nan, values)


def _with_undated(result: pa.Table, schema: Schema, table: pa.Table) -> pa.Table:
    """Add verdicts for rows without a timestamp."""
    undated = pc.is_null(result["verdict"])
    texts = {"verdict": "not_scored", "reason": _NO_TIME}
    for name, text in texts.items():
        index = result.schema.get_field_index(name)
        filled = pc.if_else(undated, text, result[name])
        result = result.set_column(index, name, filled)
    if schema.entity is not None:
        result = result.set_column(1, "entity", _names(table[schema.entity]))
    return result
