"""Flag rows by a new threshold; rows that were flagged before keep their causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.arrays import Float64, Int32, Int64
from aedetect.output import Origin
from aedetect.output.schemas import ANOMALY, IS_FAR, NORMAL
from aedetect.scoring.tables import severities

if TYPE_CHECKING:
    from aedetect.detector import Outline

_BATCH_ROWS = 4096
_NO_ENTITY = "\0"  # represents a missing entity; never in a table


class ExplainedRows:
    """The rows that were flagged before, found by entity and time, and read on demand.

    All keys are kept in memory, rows only one batch at a time: they are requested in order.
    """

    def __init__(self, file: pq.ParquetFile) -> None:
        """Read the keys."""
        self.schema = file.schema_arrow.remove_metadata()
        keys = file.read(columns=["entity", "timestamp"], use_threads=False)
        names = pc.unique(pc.fill_null(keys["entity"], _NO_ENTITY))
        self._names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
        self._times = np.unique(_moments(keys["timestamp"].combine_chunks()))
        found = self._keys(keys["entity"].combine_chunks(), keys["timestamp"].combine_chunks())
        self._order = np.argsort(found, kind="stable")
        self._ordered = found[self._order]
        self._batches = file.iter_batches(_BATCH_ROWS, use_threads=False)
        self._held = pa.Table.from_batches([], self.schema)
        self._first = 0  # position of the first row in memory

    def places(self, entity: pa.Array, timestamp: pa.Array) -> Int64:
        """Return the positions of rows among those flagged before: (N,), -1 if not flagged."""
        key = self._keys(entity, timestamp)
        if not len(self._ordered):
            return np.full(len(key), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self._ordered, key), len(self._ordered) - 1)
        found = (self._ordered[place] == key) & (key >= 0)
        return np.where(found, self._order[place], -1)

    def take(self, places: Int64) -> pa.Table:
        """Return rows by position: ascending, and none before those of earlier calls."""
        if not len(places):
            return self._held.slice(0, 0)
        self._forget(int(places[0]))
        while self._first + len(self._held) <= places[-1]:
            batch = next(self._batches).replace_schema_metadata(None)
            self._held = pa.concat_tables([self._held, pa.Table.from_batches([batch])])
            self._forget(int(places[0]))
        return self._held.take(pa.array(places - self._first))

    def _forget(self, place: int) -> None:
        """Release the rows before a position."""
        gone = min(max(place - self._first, 0), len(self._held))
        self._held, self._first = self._held.slice(gone), self._first + gone

    def _keys(self, entity: pa.Array, timestamp: pa.Array) -> Int64:
        """Number rows by entity and time: (N,), -1 for rows that were never flagged."""
        code = pc.fill_null(
            pc.index_in(pc.fill_null(entity, _NO_ENTITY), value_set=self._names), -1
        ).to_numpy(zero_copy_only=False)
        moment = _moments(timestamp)
        rank = np.searchsorted(self._times, moment)
        known = np.minimum(rank, max(len(self._times) - 1, 0))
        there = (self._times[known] == moment) if len(self._times) else np.zeros(len(moment), bool)
        key = code.astype(np.int64) * len(self._times) + known
        return np.where(there & (code >= 0), key, -1)


def reflag_batch(
    rows: pa.RecordBatch,
    *,
    threshold: Float64,
    strength: Float64,
    kept: ExplainedRows,
    origin: Origin,
) -> tuple[pa.RecordBatch, int]:
    """Return the flagged/ rows of anomalies (M,), and how many of them have no causes yet."""
    places = kept.places(rows["entity"], rows["timestamp"])
    before = kept.take(places[places >= 0])
    back = np.full(len(places), -1, dtype=np.int64)
    back[places >= 0] = np.arange(len(before))
    count = len(places)
    known = {
        **{name: rows[name] for name in rows.schema.names},
        "threshold": pa.array(threshold),
        "strength": pa.array(strength),
        "severity": severities(
            strength, ruled=rows["reason"].is_valid().to_numpy(zero_copy_only=False)
        ),
        "event_id": pa.nulls(count, pa.string()),  # events are formed afterwards
        "model_name": pa.repeat(origin.model_name, count),
        "model_version": pa.array(np.full(count, origin.model_version, dtype=np.int32)),
        "calibration_version": pa.array(np.full(count, origin.calibration_version, dtype=np.int32)),
    }
    explained = before.take(pa.array(back, mask=back < 0)).combine_chunks()
    columns = [
        known[name] if name in known else _column(explained[name], count)
        for name in kept.schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=kept.schema), int((places < 0).sum())


def _column(column: pa.ChunkedArray, count: int) -> pa.Array:
    """Return a column as one array, of nulls where a table without rows has none."""
    return column.combine_chunks() if len(column) else pa.nulls(count, column.type)


def _moments(timestamp: pa.Array) -> Int64:
    return np.asarray(timestamp.cast(pa.int64()).to_numpy(zero_copy_only=False))


def judge_batch(saved: Outline, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Float64, Float64]:
    """Return scored rows with the verdicts and p-values of the calibration.

    Also returns the thresholds, and how far the rows are above them. Rows that are suppressed or
    not scored keep their verdict, and so do rows that break a column rule. A row with a value far
    beyond its training range keeps the p-value of that value.
    """
    calibration = saved.calibration
    score = batch["score"].to_numpy(zero_copy_only=False)
    entity = _codes(saved, batch["entity"])
    scored = ~np.isnan(score)
    threshold = calibration.thresholds(entity)
    p_value = np.full(len(score), np.nan)
    p_value[scored] = calibration.p_values(score[scored], entity[scored])
    far = pc.fill_null(pc.ends_with(batch["reason"], IS_FAR), fill_value=False).to_numpy(
        zero_copy_only=False
    )
    before = batch["p_value"].to_numpy(zero_copy_only=False)
    p_value[far] = np.minimum(p_value[far], before[far])
    judged = pc.is_in(batch["verdict"], value_set=pa.array([NORMAL, ANOMALY]))
    rules = batch["reason"].is_valid().to_numpy(zero_copy_only=False)  # of those judged
    fresh = pa.array([NORMAL, ANOMALY]).take(
        pa.array(((score > threshold) | rules).astype(np.int8))
    )
    new = {
        "p_value": pa.array(p_value, pa.float64(), from_pandas=True),
        "verdict": pc.if_else(judged, fresh, batch["verdict"]),
    }
    columns = [new.get(name, batch[name]) for name in batch.schema.names]
    strength = np.zeros(len(score))
    strength[scored] = calibration.strengths(score[scored], entity[scored])
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema), threshold, strength


def _codes(saved: Outline, entity: pa.Array) -> Int32:
    """Return each row's entity as learnt: (N,), 0 when all are scaled together, -1 when unseen."""
    if not saved.entities:
        return np.zeros(len(entity), dtype=np.int32)
    known = pa.array(saved.entities, pa.string())
    found = pc.index_in(entity, value_set=known)
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int32)
