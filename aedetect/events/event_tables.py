"""Events as tables: the columns of events/, from flagged rows and the events they form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.events.description import describe_event
from aedetect.events.event_arrays import EventArrays
from aedetect.events.event_causes import MAX_ROWS, EventRows, gather_causes
from aedetect.events.flagged_rows import read_peaks
from aedetect.events.formation_state import Formation, FormationState
from aedetect.output import Partition
from aedetect.output.schemas import LEVEL_SHIFTED, SEVERITIES, events_schema

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int64


def event_tables(
    formation: Formation, state: FormationState, formed: EventArrays, numbers: Sequence[int]
) -> dict[Partition, pa.Table]:
    """Return the events that begin in some partitions; of their rows, causes are read."""
    chosen = [formed.starting_in(number) for number in numbers]
    every = np.concatenate([*chosen, np.zeros(0, np.int64)])
    empty = {state.partitions[n]: _nothing(formed.flagged.kinds[n]) for n in numbers}
    if not len(every):
        return empty
    details = _details(state, formed, every)
    tables = {}
    for number, events in zip(numbers, chosen, strict=True):
        if not len(events):
            continue
        mine, details = details.slice(0, len(events)), details.slice(len(events))
        schema = events_schema(formed.flagged.kinds[number])
        table = event_columns(formed, events, schema.field("end").type)
        for name in ("threshold", "causes", "model_name", "model_version", "calibration_version"):
            table = table.append_column(name, mine[name])
        texts = _texts(mine, formation.units, formed.shifted[events])
        table = table.append_column("text", texts)
        tables[state.partitions[number]] = table.select(schema.names).cast(schema)
    return empty | tables


def _details(state: FormationState, formed: EventArrays, events: Int64) -> pa.Table:
    """Read what flagged the peak of each event, and the causes of all of it."""
    flagged, peaks = formed.flagged, formed.peak[events]
    details = read_peaks(state.files, flagged.file[peaks], flagged.row[peaks])
    ruled = details["reason"].is_valid().to_numpy()
    number, rows = formed.rarest_rows(events, most=MAX_ROWS)
    chosen = EventRows(
        event=number,
        file=flagged.file[rows],
        row=flagged.row[rows],
        leads=ruled[number] & (rows == peaks[number]),
    )
    causes = gather_causes(state.files, chosen, len(events))
    for name in causes.column_names:
        details = details.append_column(name, causes[name])
    return details


def event_columns(formed: EventArrays, events: Int64, time: pa.DataType) -> pa.Table:
    """Return the columns of events that follow from the small columns of flagged rows."""
    flagged = formed.flagged
    times = {
        "start": formed.start[events],
        "end": formed.end[events],
        "peak_timestamp": flagged.time[formed.peak[events]],
    }
    exact = pa.timestamp("ns", tz=time.tz)
    reasons = pa.array(formed.reasons, pa.string())
    return pa.table(
        {
            "event_id": pa.array(formed.ids[events], pa.string()),
            "incident_id": pa.array(formed.incidents[events], pa.string()),
            "entity": pa.array(flagged.names, pa.string()).take(pa.array(formed.entity[events])),
            **{n: pa.array(each, exact).cast(time, safe=False) for n, each in times.items()},
            "rows": pa.array(formed.rows[events]),
            "peak_score": pa.array(formed.peak_score[events], pa.float32()),
            "p_value": pa.array(formed.p_value[events]),
            "strength": pa.array(formed.strength[events]),
            "severity": pa.array(SEVERITIES).take(pa.array(formed.severity[events])),
            "suppressed": reasons.take(pa.array(formed.suppression[events])),
        }
    )


def _texts(details: pa.Table, units: Mapping[str, str], shifted: Bool) -> pa.Array:
    rows = details.select(["causes", "outside", "reason"]).to_pylist()
    texts = [
        f"{LEVEL_SHIFTED if is_shift else ''}"
        f"{describe_event(each['causes'], each['outside'], units, rule=each['reason'])}"
        for each, is_shift in zip(rows, shifted.tolist(), strict=True)
    ]
    return pa.array(texts, pa.string())


@lru_cache
def _nothing(time: pa.DataType) -> pa.Table:
    """Return no events, with the type of times of a flagged file."""
    return pa.Table.from_batches([], events_schema(time))
