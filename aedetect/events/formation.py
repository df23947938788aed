"""The second stage of a scoring run: flagged/ -> events/, and the event of each flagged row.

The first stage writes flagged files without a mark in their footer. This stage forms events from
all flagged rows, writes them, and marks the flagged files last. If a run is killed in between, the
next run finds a file without the mark and forms the events again. The result depends only on
flagged/ and the settings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.events.description import describe_event
from aedetect.events.event_arrays import EventArrays, assemble_events
from aedetect.events.flagged_rows import read_flagged_columns, read_ids, read_peaks, write_ids
from aedetect.events.formation_state import Formation, FormationState, read_formation_state
from aedetect.events.grouping import EventRules
from aedetect.events.held import HELD_KEY, NONE_HELD, find_held, pack_held, unpack_held
from aedetect.events.judged_rows import read_judged_rows
from aedetect.events.table import EventChanges, compare_events
from aedetect.events.telling_rows import read_telling_rows
from aedetect.events.withdrawn import record_withdrawn
from aedetect.output import (
    Origin,
    Partition,
    aside,
    locked,
    publish,
    written,
)
from aedetect.output.atomic import withdraw
from aedetect.output.catalog import reach_mark
from aedetect.output.filesystem import is_remote
from aedetect.output.partitions import EVENTS, SCORES
from aedetect.output.schemas import LEVEL_SHIFTED, SEVERITIES, events_schema
from aedetect.output.table_writer import TableWriter

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int64

_NOTHING = pack_held(NONE_HELD)


def form_events(
    output: Path, formation: Formation, *, leaving: Collection[Partition] = ()
) -> EventChanges:
    """Form events from the flagged rows of all partitions except those about to be withdrawn.

    Returns the changes. If nothing changed, only footers are read.
    Raises OutputError when the output cannot be written or contains foreign files.
    """
    with written(output), locked(output, alone=True):
        state = read_formation_state(output, formation, leaving)
        if state.is_formed:
            return EventChanges()
        with aside(output) as folder:
            return _form(output, formation, state, folder)


def _form(output: Path, formation: Formation, state: FormationState, folder: Path) -> EventChanges:
    """Form events, write the files that differ, and mark the flagged files last."""
    own = formation.own_rules_of(state.origins[-1] if state.origins else None)
    held = _held(output, state, own)
    formed = assemble_events(
        read_flagged_columns(state.files),
        state.rules,
        detector=formation.detector,
        own=own,
        held=unpack_held(held),
        precision=formation.precision,
        judged=None if formation.precision is None else read_judged_rows(output, by=formation.by),
    )
    unsettled = [n for n in range(len(state.files)) if not _is_settled(state, formed, n)]
    new = _tables(formation, state, formed, unsettled)
    gone = [each for each in state.events if each not in set(state.partitions)]
    old = {each: state.events[each].read() for each in (*new, *gone) if each in state.events}
    changes, vanished = compare_events(old, new)
    present = formed.ids.tolist()
    record_withdrawn(output, vanished, present, marks=state.marks, folder=folder)
    for number in unsettled:
        partition, origin = state.files[number].partition, state.origins[number]
        path = _events_file(folder, new[partition], origin, _marks(state, formed, number))
        _publish_changed(path, partition.path(output, EVENTS))
    for partition in gone:
        withdraw(state.events[partition].path, root=output / EVENTS)
    for number in range(len(state.files)):
        if not state.marked[number] or np.isin(formed.file_of_rows(number), unsettled).any():
            _write_flagged(folder, state, formed, number, held[number])
    return changes


def _held(output: Path, state: FormationState, own: Mapping[str | None, EventRules]) -> list[bytes]:
    """Return what is held in each partition: from its footer, or from the scores if it is new."""
    found = [each or _NOTHING for each in state.held]
    if not state.rules.hold:
        return [_NOTHING for _ in found]

    def fresh(number: int) -> bytes:
        file, origin = state.files[number], state.origins[number]
        scores = replace(file, kind=SCORES, path=file.partition.path(output, SCORES))
        # They differ after a run that was killed in between; the next one writes both again.
        if not scores.path.exists() or scores.origin() != origin:
            return _NOTHING
        return pack_held(find_held(scores, state.rules, own))

    new = [n for n in range(len(found)) if not state.marked[n] or state.held[n] is None]
    with ThreadPoolExecutor(max_workers=16 if is_remote(output) else 4) as pool:
        for number, packed in zip(new, pool.map(fresh, new), strict=True):
            found[number] = packed
    return found


def _is_settled(state: FormationState, formed: EventArrays, number: int) -> bool:
    """Whether the written events that begin in a partition are up to date.

    They are when none of their flagged files is new, and their rows are the same.
    """
    mine, file = formed.starting_in(number), state.events.get(state.files[number].partition)
    last = int(formed.last_file[mine].max(initial=number))
    if file is None or not all(state.marked[number : last + 1]):
        return False
    origin, marks = file.marks()
    expected = _marks(state, formed, number)
    if origin != state.origins[number] or any(marks.get(key) != expected[key] for key in expected):
        return False
    names = ["event_id", "incident_id", "end", "rows", "peak_timestamp", "suppressed"]
    table = file.read(names)
    return bool(
        table.equals(_event_columns(formed, mine, table.schema.field("end").type).select(names))
    )


def _tables(
    formation: Formation, state: FormationState, formed: EventArrays, numbers: Sequence[int]
) -> dict[Partition, pa.Table]:
    """Return the events that begin in some partitions; of each, few rows are read in full."""
    chosen = [formed.starting_in(number) for number in numbers]
    peaks = formed.peak[np.concatenate([*chosen, np.zeros(0, np.int64)])]
    if not len(peaks):
        return {state.partitions[n]: _schema_of(state, n).empty_table() for n in numbers}
    flagged = formed.flagged
    details = read_peaks(state.files, flagged.file[peaks], flagged.row[peaks])
    told = read_telling_rows(state.files, formed, np.concatenate(chosen), details)
    tables = {}
    for number, events in zip(numbers, chosen, strict=True):
        mine, details = details.slice(0, len(events)), details.slice(len(events))
        causes, told = told.slice(0, len(events)), told.slice(len(events))
        schema = _schema_of(state, number)
        table = _event_columns(formed, events, schema.field("end").type)
        for name in ("threshold", "model_name", "model_version", "calibration_version"):
            table = table.append_column(name, mine[name])
        table = table.append_column("causes", causes["causes"])
        texts = _texts(causes, formation.units, formed.shifted[events])
        table = table.append_column("text", texts)
        tables[state.partitions[number]] = table.select(schema.names).cast(schema)
    return tables


def _event_columns(formed: EventArrays, events: Int64, time: pa.DataType) -> pa.Table:
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


def _texts(peaks: pa.Table, units: Mapping[str, str], shifted: Bool) -> pa.Array:
    rows = peaks.select(["causes", "outside", "reason"]).to_pylist()
    texts = [
        f"{LEVEL_SHIFTED if is_shift else ''}"
        f"{describe_event(each['causes'], each['outside'], units, rule=each['reason'])}"
        for each, is_shift in zip(rows, shifted.tolist(), strict=True)
    ]
    return pa.array(texts, pa.string())


def _schema_of(state: FormationState, number: int) -> pa.Schema:
    """Return the schema of the events of a partition, with the time type of its flagged file."""
    return events_schema(state.files[number].schema().field("timestamp").type)


def _marks(state: FormationState, formed: EventArrays, number: int) -> dict[bytes, bytes]:
    """Return the footer of the events of a partition, without their origin."""
    return {**state.marks, **reach_mark(formed.reach(number))}


def _events_file(
    folder: Path, table: pa.Table, origin: Origin, marks: Mapping[bytes, bytes]
) -> Path:
    """Write events to a temporary file; return its path."""
    path = folder / "events.parquet"
    with TableWriter(path, table.schema, origin, marks) as writer:
        for batch in table.to_batches():
            writer.write(batch)
    return path


def _publish_changed(path: Path, target: Path) -> None:
    """Publish a file, unless the target has the same bytes."""
    if not target.exists() or target.read_bytes() != path.read_bytes():
        publish(path, target)


def _write_flagged(
    folder: Path, state: FormationState, formed: EventArrays, number: int, held: bytes
) -> None:
    """Write the event of each flagged row of a partition, unless it is up to date."""
    file = state.files[number]
    ids = pa.array(formed.ids[formed.of_rows(number)], pa.string())
    if (
        state.marked[number]
        and state.held[number] == held
        and read_ids(file).combine_chunks().equals(ids)
    ):
        return
    copy = folder / "flagged.parquet"
    marks = {**state.marks, HELD_KEY: held}
    write_ids(file, copy, ids, origin=state.origins[number], marks=marks)
    publish(copy, file.path)
