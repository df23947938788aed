"""Times in which rows are held: above the lower level of an event, though not flagged.

They follow from scores/ alone. What of a partition can matter to an event is small (at most two
stretches an entity more than there are flagged rows), and is kept in the footer of its flagged
file, so that events are formed without reading all scores again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.events.grouping import EventRules, Segments, find_runs, steps_of
from aedetect.output.atomic import origin_in
from aedetect.output.files import clock_of
from aedetect.output.schemas import ANOMALY, IS_MISSING, NORMAL
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from aedetect.arrays import Bool, Int32, Int64
    from aedetect.output import Origin, OutputFile

HELD_KEY = b"aedetect.held"  # in the footers of flagged/, once events are formed
_COLUMNS = ("timestamp", "entity", "p_value", "verdict", "reason")
_SCHEMA = pa.schema([("entity", pa.string()), ("start", pa.int64()), ("end", pa.int64())])
NONE_HELD = pa.Table.from_batches([], _SCHEMA)  # empty_table() would import pandas


def find_held(
    scores: OutputFile,
    rules: EventRules,
    own: Mapping[str | None, EventRules],
    *,
    origin: Origin | None = None,
) -> pa.Table:
    """Return the stretches of a partition that an event may go on in: entity, start, end (ns).

    Rows are taken together in steps of at most `stay`. A stretch matters if a flagged row is in it,
    or if it may go on in the partition before or after. None of a file of another `origin`.
    """
    with scores.opened(_COLUMNS) as found:
        if origin is not None and origin_in(found.metadata.metadata) != origin:
            return NONE_HELD
        if not _may_hold(found.metadata, rules):
            return NONE_HELD
        names: dict[str | None, int] = {}
        parts = [_kept(batch, rules, names) for batch in found.batches]
        clock = clock_of(found.schema.field("timestamp").type)
    return _stretches(parts, names, rules, own, scores.partition.bounds(clock))


def _may_hold(metadata: pq.FileMetaData, rules: EventRules) -> bool:
    """Whether a file has a row that is flagged or held, by the statistics of its footer."""
    schema = metadata.schema
    place = {schema.column(n).path: n for n in range(metadata.num_columns)}
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        p_value, verdict = (group.column(place[n]).statistics for n in ("p_value", "verdict"))
        if verdict is None or not verdict.has_min_max or verdict.min <= ANOMALY <= verdict.max:
            return True
        if p_value is None or (p_value.has_min_max and p_value.min <= rules.hold):
            return True
        if not p_value.has_min_max and p_value.num_values:
            return True
    return False


def _stretches(
    parts: Sequence[tuple[Segments, Bool]],
    names: Mapping[str | None, int],
    rules: EventRules,
    own: Mapping[str | None, EventRules],
    bounds: tuple[int, int],
) -> pa.Table:
    """Join what was kept of each batch, and choose what matters."""
    _, stays = steps_of(names, rules, own)
    runs = [_joined(segments, held, stays) for segments, held in parts if len(segments)]
    if not runs:
        return NONE_HELD
    columns = zip(*((*_columns(segments), held) for segments, held in runs), strict=True)
    entity, start, end, flagged, held = (np.concatenate(column) for column in columns)
    found, held = _joined(Segments(entity, start, end, flagged), held, stays)
    begin, until = bounds
    stay = stays[found.entity]
    at_edge = (found.start - begin <= stay) | (until - found.end <= stay)
    kept = held & (found.flagged | at_edge)
    named = pa.array(list(names), pa.string()).take(pa.array(found.entity[kept]))
    return pa.table([named, found.start[kept], found.end[kept]], schema=_SCHEMA)


def _kept(
    batch: pa.RecordBatch, rules: EventRules, names: dict[str | None, int]
) -> tuple[Segments, Bool]:
    """Return the flagged rows and those that are held, and which are held only."""
    lost = pc.fill_null(pc.ends_with(batch["reason"], IS_MISSING), fill_value=False)
    flagged = pc.and_not(pc.equal(batch["verdict"], ANOMALY), lost)
    above = pc.fill_null(pc.less_equal(batch["p_value"], rules.hold), fill_value=False)
    held = pc.and_(pc.equal(batch["verdict"], NORMAL), above)
    kept = batch.filter(pc.or_(flagged, held))
    encoded = kept["entity"].dictionary_encode(null_encoding="encode")
    codes = [names.setdefault(name, len(names)) for name in encoded.dictionary.to_pylist()]
    time = np.asarray(to_nanoseconds(kept["timestamp"]).to_numpy(zero_copy_only=False))
    entity = np.array(codes, dtype=np.int32)[encoded.indices.to_numpy(zero_copy_only=False)]
    is_held = pc.equal(kept["verdict"], NORMAL).to_numpy(zero_copy_only=False)
    return Segments.of_rows(entity, time, ~is_held), is_held


def _joined(segments: Segments, held: Bool, stays: Int64) -> tuple[Segments, Bool]:
    """Join what follows in steps of at most `stay`; also which of them have rows that are held."""
    order = segments.order
    rows = segments.take(order)
    first, last, reach = find_runs(rows, stays[rows.entity])
    flagged = np.logical_or.reduceat(rows.flagged, first)
    runs = Segments(rows.entity[first], rows.start[first], reach[last], flagged)
    return runs, np.logical_or.reduceat(held[order], first)


def _columns(segments: Segments) -> tuple[Int32, Int64, Int64, Bool]:
    return segments.entity, segments.start, segments.end, segments.flagged


def held_by(names: Sequence[str | None], held: pa.Table | None) -> tuple[Int32, Int64, Int64]:
    """Return the stretches of some entities: index into the names, start, end (H,)."""
    found = NONE_HELD if held is None else held
    code = pc.index_in(found["entity"], value_set=pa.array(names, pa.string()))
    known = found.filter(code.is_valid())
    owner = code.drop_null().to_numpy().astype(np.int32)
    return owner, known["start"].to_numpy(), known["end"].to_numpy()


def pack_held(found: pa.Table) -> bytes:
    """Return stretches as the value of a footer entry."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, _SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(found.combine_chunks())
    return base64.b64encode(sink.getvalue())


def unpack_held(packed: Sequence[bytes]) -> pa.Table:
    """Return the stretches of some footers."""
    tables = [pa.ipc.open_stream(base64.b64decode(each)).read_all() for each in packed]
    return pa.concat_tables([NONE_HELD, *tables])
