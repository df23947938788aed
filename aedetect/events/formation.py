"""The second stage of a scoring run: flagged/ -> events/, and the event of each flagged row.

The first stage writes flagged files without a mark in their footer. This stage forms events from
all flagged rows, writes them, and marks the flagged files last. If a run is killed in between, the
next run finds a file without the mark and forms the events again. The result depends only on
flagged/ and the settings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from aedetect.events.event_arrays import EventArrays, assemble_events
from aedetect.events.event_tables import event_columns, event_tables
from aedetect.events.flagged_rows import read_flagged_columns, read_ids, write_ids
from aedetect.events.formation_state import Formation, FormationState, read_formation_state
from aedetect.events.grouping import EventRules
from aedetect.events.held import HELD_KEY, NONE_HELD, find_held, pack_held, unpack_held
from aedetect.events.judged_rows import read_judged_rows
from aedetect.events.table import EventChanges, compare_events
from aedetect.events.withdrawn import record_withdrawn
from aedetect.output import (
    Partition,
    aside,
    locked,
    written,
)
from aedetect.output.atomic import publish_all, sync_paths, withdraw
from aedetect.output.catalog import reach_mark
from aedetect.output.filesystem import map_files
from aedetect.output.partitions import EVENTS, SCORES
from aedetect.output.table_writer import TableWriter

_NOTHING = pack_held(NONE_HELD)
_SYNCED = 128  # files that are written, synced and moved together


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
    new = event_tables(formation, state, formed, unsettled)
    there = set(state.partitions)
    gone = [each for each in state.events if each not in there]
    old = {each: state.events[each].read() for each in (*new, *gone) if each in state.events}
    changes, vanished = compare_events(old, new)
    present = formed.ids.tolist()
    record_withdrawn(output, vanished, present, marks=state.marks, folder=folder)
    for some in _together(unsettled):
        paths = [_write_events(folder, state, formed, n, new[state.partitions[n]]) for n in some]
        targets = [state.partitions[n].path(output, EVENTS) for n in some]
        moves = zip(paths, targets, strict=True)
        _publish([(path, to) for path, to in moves if not _is_same(path, to)])
    for partition in gone:
        withdraw(state.events[partition].path, root=output / EVENTS)
    stale = [n for n in range(len(state.files)) if _may_be_stale(state, formed, n, unsettled)]
    for some in _together(stale):
        copies = [_write_flagged(folder, state, formed, n, held[n]) for n in some]
        _publish(
            [(copy, state.files[n].path) for copy, n in zip(copies, some, strict=True) if copy]
        )
    return changes


def _held(output: Path, state: FormationState, own: Mapping[str | None, EventRules]) -> list[bytes]:
    """Return what is held in each partition: from its footer, or from the scores if it is new."""
    found = [each or _NOTHING for each in state.held]
    if not state.rules.hold:
        return [_NOTHING for _ in found]

    def fresh(number: int) -> bytes:
        file, origin = state.files[number], state.origins[number]
        scores = replace(file, kind=SCORES, path=file.partition.path(output, SCORES))
        if not scores.path.exists():
            return _NOTHING
        # They differ after a run that was killed in between; the next one writes both again.
        stretches = find_held(scores, state.rules, own, origin=origin)
        return _NOTHING if stretches is NONE_HELD else pack_held(stretches)

    new = [n for n in range(len(found)) if not state.marked[n] or state.held[n] is None]
    for number, packed in zip(new, map_files(fresh, new, output), strict=True):
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
        table.equals(event_columns(formed, mine, table.schema.field("end").type).select(names))
    )


def _marks(state: FormationState, formed: EventArrays, number: int) -> dict[bytes, bytes]:
    """Return the footer of the events of a partition, without their origin."""
    return {**state.marks, **reach_mark(formed.reach(number))}


def _may_be_stale(
    state: FormationState, formed: EventArrays, number: int, unsettled: Sequence[int]
) -> bool:
    """Whether the events of the flagged rows of a partition may have changed."""
    return not state.marked[number] or bool(np.isin(formed.file_of_rows(number), unsettled).any())


def _write_events(
    folder: Path, state: FormationState, formed: EventArrays, number: int, table: pa.Table
) -> Path:
    """Write the events that begin in a partition to a temporary file, not synced."""
    path = folder / f"events-{number}.parquet"
    origin, marks = state.origins[number], _marks(state, formed, number)
    with TableWriter(path, table.schema, origin, marks, synced=False) as writer:
        for batch in table.to_batches():
            writer.write(batch)
    return path


def _write_flagged(
    folder: Path, state: FormationState, formed: EventArrays, number: int, held: bytes
) -> Path | None:
    """Write the event of each flagged row of a partition likewise; None if it is up to date."""
    file = state.files[number]
    ids = pa.array(formed.ids[formed.of_rows(number)], pa.string())
    if (
        state.marked[number]
        and state.held[number] == held
        and read_ids(file).combine_chunks().equals(ids)
    ):
        return None
    copy = folder / f"flagged-{number}.parquet"
    marks = {**state.marks, HELD_KEY: held}
    write_ids(file, copy, ids, origin=state.origins[number], marks=marks)
    return copy


def _together(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield some at a time, whose files are synced to disk together."""
    for start in range(0, len(numbers), _SYNCED):
        yield numbers[start : start + _SYNCED]


def _is_same(path: Path, target: Path) -> bool:
    return target.exists() and target.read_bytes() == path.read_bytes()


def _publish(moves: Sequence[tuple[Path, Path]]) -> None:
    """Sync files to disk, and move them to their targets."""
    sync_paths(path for path, _ in moves)
    publish_all(moves)
