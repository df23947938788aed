"""The events of a page: which are shown, which of them with lines, and their scores over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Bool, Int64
from aedetect.events import Event
from aedetect.events.table import MAX_CAUSES, as_events
from aedetect.output import list_files
from aedetect.output.partitions import SCORES, Span
from aedetect.report.lines import Line, extremes
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    from aedetect.events import Label
    from aedetect.wall_clock import WallClock

MAX_CARDS = 100  # events on a page, the most anomalous
MAX_MEMBERS = 8  # of these of one incident
MAX_DRAWN = 12  # of these with lines
MAX_COLUMNS_DRAWN = 4  # blamed columns of an event with a chart of their own
LEAST_SHARE = 0.005  # of the blame, for a column to be listed and drawn: 1 % when rounded
_ROWS_AROUND = 60  # before and after an event, at least
_MIN_SHARE = 0.05  # of the blame
_COLUMNS = ["timestamp", "entity", "score"]


@dataclass(frozen=True, kw_only=True)
class ColumnLine:
    """A blamed column around an event: observed, expected, low and high over time."""

    name: str
    unit: str | None
    line: Line


@dataclass(frozen=True, kw_only=True)
class PastWindow:
    """A past window that is like an event, and what people said of the time."""

    entity: str | None
    start: str
    end: str
    distance: float  # in distances that are usual between windows
    said: str | None = None


@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """An earlier event with similar causes."""

    event_id: str
    entity: str | None
    start: str
    likeness: float  # cosine of the causes; 1: the same
    said: Label | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """One event as it is shown."""

    event: Event
    start: int  # ns
    end: int  # ns, of the last flagged row
    label: Label | None = None
    scores: Line | None = None  # score around the event
    columns: tuple[ColumnLine, ...] = ()
    similar: tuple[PastWindow, ...] = ()
    past: tuple[PastEvent, ...] = ()
    more: int = 0  # columns with a part in the score, beyond the causes of the event


def make_cards(
    table: pa.Table, labels: Sequence[Label], clock: WallClock, *, most: int = MAX_CARDS
) -> list[Card]:
    """Return the cards of events/ rows, in their order, of one incident the first ones only."""
    chosen = table.take(_first_of_incidents(table["incident_id"].to_pylist(), most))
    said = {each.event_id: each for each in labels}
    starts, ends = (to_nanoseconds(chosen[name]).to_pylist() for name in ("start", "end"))
    events = as_events(chosen, clock.zone)
    causes = chosen["causes"].to_pylist()
    return [
        Card(
            event=event,
            start=start,
            end=end,
            label=said.get(event.event_id),
            more=sum(each["share"] >= _MIN_SHARE for each in (all_causes or ())[MAX_CAUSES:]),
        )
        for event, start, end, all_causes in zip(events, starts, ends, causes, strict=True)
    ]


def _first_of_incidents(incidents: Sequence[str | None], most: int) -> pa.Array:
    """Return the rows that have a card: an outage of a whole plant leaves room for others."""
    taken: list[int] = []
    counts: dict[str | None, int] = {}
    for row, incident in enumerate(incidents):
        counts[incident] = counts.get(incident, 0) + 1
        if incident is None or counts[incident] <= MAX_MEMBERS:
            taken.append(row)
        if len(taken) == most:
            break
    return pa.array(taken, pa.int64())


def window_of(card: Card, *, period: int) -> tuple[int, int]:
    """Return the time that is shown around an event (ns): before, during and after."""
    around = max(card.end - card.start, _ROWS_AROUND * period)
    return card.start - around, card.end + around


def read_scores(output: Path, cards: Sequence[Card], *, period: int) -> dict[str, Line]:
    """Return the scores around events, by event id. Raises OutputError for a damaged file."""
    wanted = {each.event.event_id: (each, *window_of(each, period=period)) for each in cards}
    found: dict[str, list[pa.Table]] = {name: [] for name in wanted}
    span = Span(
        min((since for _, since, _ in wanted.values()), default=0),
        max((until for _, _, until in wanted.values()), default=0) + 1,
    )
    for file in list_files(output, SCORES, span=span) if wanted else ():
        begin, end = file.partition.bounds(file.clock("timestamp"))
        near = {name: each for name, each in wanted.items() if each[1] < end and each[2] >= begin}
        if not near:
            continue
        names = pa.array({card.event.entity for card, _, _ in near.values()}, pa.string())
        for batch in file.batches(_COLUMNS):
            rows = batch.filter(pc.is_in(batch["entity"], names))
            if rows.num_rows:
                _share_out(rows, near, found)
    return {name: _line(pieces) for name, pieces in found.items() if pieces}


def _share_out(
    rows: pa.RecordBatch,
    wanted: Mapping[str, tuple[Card, int, int]],
    found: dict[str, list[pa.Table]],
) -> None:
    """Add the rows that lie around an event to its own."""
    time = to_nanoseconds(rows["timestamp"])
    for name, (card, since, until) in wanted.items():
        own = pc.is_in(rows["entity"], pa.array([card.event.entity], pa.string()))
        inside: Bool = own.to_numpy(zero_copy_only=False)
        moments: Int64 = time.to_numpy(zero_copy_only=False)
        inside = inside & (moments >= since) & (moments <= until)
        if inside.any():
            chosen = np.flatnonzero(inside)
            score = rows["score"].to_numpy(zero_copy_only=False)[chosen]
            found[name].append(pa.table({"time": moments[chosen], "score": score.astype(float)}))


def _line(pieces: Sequence[pa.Table]) -> Line:
    table = pa.concat_tables(pieces).sort_by("time")
    time, score = table["time"].to_numpy(), table["score"].to_numpy()
    kept = extremes(time, score)
    return Line(time=time[kept], values={"score": score[kept]})
