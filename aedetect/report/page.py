"""The content of a page, read from the output folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from aedetect.drift.daily_table import missing_shares, read_blocks
from aedetect.drift.shifts import shifts_of
from aedetect.errors import NoData
from aedetect.events import read_event_table, read_labels
from aedetect.events.table import as_events, read_withdrawn
from aedetect.output import list_files
from aedetect.output.partitions import EVENTS, SCORES, Span
from aedetect.report.axis import Axis, make_axis
from aedetect.report.cards import MAX_DRAWN, Card, make_cards, read_scores
from aedetect.report.forewarning import Detections, compare_with_known
from aedetect.report.grid import Grid, read_grid
from aedetect.report.past_events import add_past_events
from aedetect.report.slow_faults import SlowFault, find_faults
from aedetect.scoring.run_log import read_runs
from aedetect.timestamps import NANOSECONDS, to_nanoseconds

if TYPE_CHECKING:
    from aedetect.drift import Shift
    from aedetect.events import Event
    from aedetect.report.facts import PageFacts

_MAX_RUNS = 20
_MAX_WITHDRAWN = 20


@dataclass(frozen=True, kw_only=True)
class Page:
    """The content of a page; `events` is a table as of events/, the most anomalous first."""

    facts: PageFacts
    axis: Axis
    grid: Grid
    events: pa.Table  # reported ones
    suppressed: int  # events
    cards: tuple[Card, ...]
    before: int | None  # reported events of as much time before; None: not scored
    shifts: tuple[Shift, ...]
    faults: tuple[SlowFault, ...]  # of these shifts, with what belongs to them
    missing: Mapping[str, float]  # share of rows without a value, on the newest days, by column
    runs: tuple[dict[str, Any], ...]  # the newest first
    withdrawn: tuple[Event, ...]
    detections: Detections | None  # None without labels
    period: int  # ns between rows

    @property
    def days(self) -> float:
        """The length of the time that was scored, in days."""
        return max(self.last - self.first, self.period) / NANOSECONDS["d"]

    first: int  # ns, start of the time shown
    last: int  # ns, its end


def first_cards(output: Path, facts: PageFacts) -> tuple[list[Card], int]:
    """Return the cards that `read_page` gives lines, without any yet, and the period (ns).

    Raises as `read_page` does.
    """
    first, last, period = _reach(output, facts)
    reported = read_event_table(output, since=first, until=last + 1)
    return make_cards(reported, (), facts.clock, most=MAX_DRAWN), period


def read_page(
    output: Path,
    facts: PageFacts,
    *,
    drawn: int = MAX_DRAWN,
    shifts: Sequence[Shift] | None = None,
) -> Page:
    """Read the content of a page; `shifts` are those of its last day, where they are known.

    Raises NoData when nothing was scored in the time asked for, and OutputError for a damaged file.
    """
    first, last, period = _reach(output, facts)
    axis = make_axis(first, last, clock=facts.clock)
    table = read_event_table(output, since=first, until=last + 1, suppressed=True)
    reported = table.filter(pc.is_null(table["suppressed"]))
    labels = read_labels(output)
    grid = read_grid(output, axis, first=reported["entity"].to_pylist())
    cards = make_cards(reported, labels, facts.clock)
    cards = add_past_events(output, cards, labels, facts.clock)
    lines = read_scores(output, cards[:drawn], period=period)
    span = Span(first, last + 1)
    # By the days that a run judges by, or what began before the page would begin on its first day.
    judged = read_blocks(output, span=Span(None, last + 1), clock=facts.clock)
    days = [each for each in judged if each.overlaps(span, facts.clock)]
    shifts = tuple(shifts_of(judged) if shifts is None else shifts)
    return Page(
        facts=facts,
        axis=axis,
        grid=grid,
        events=reported,
        suppressed=len(table) - len(reported),
        cards=tuple(replace(each, scores=lines.get(each.event.event_id)) for each in cards),
        before=_count_before(output, first, last),
        shifts=shifts,
        faults=tuple(find_faults(shifts, days, reported, facts.clock)),
        missing=missing_shares(days),
        runs=tuple(read_runs(output, limit=_MAX_RUNS)),
        withdrawn=_withdrawn(output, span, facts),
        detections=_detections(reported, facts, span),
        period=period,
        first=first,
        last=last,
    )


def _reach(output: Path, facts: PageFacts) -> tuple[int, int, int]:
    """Return first and last timestamp that are shown, and the period of rows, in ns."""
    files = list_files(output, SCORES, span=facts.span)
    ranges = [each for each in (file.times("timestamp") for file in files[:1] + files[-1:]) if each]
    if not ranges:
        if facts.span != Span() and list_files(output, SCORES):
            raise NoData(
                f"there are no scores in the time asked for in {output}: ask for another time with "
                "--since and --until, or leave them out for the last days"
            )
        raise NoData(f"there are no scores in {output}: run `aedetect score CONFIG` first")
    first, last = min(each.first for each in ranges), max(each.last for each in ranges)
    since, until = facts.span.since, facts.span.until
    last = last if until is None else min(last, until - 1)
    if since is None:
        newest = facts.clock.shown(last) // NANOSECONDS["d"] * NANOSECONDS["d"]
        since = facts.clock.first_at(newest - (facts.days - 1) * NANOSECONDS["d"])
    period = files[-1].origin().period or NANOSECONDS["min"]
    return max(first, since), max(last, since), period


def _count_before(output: Path, first: int, last: int) -> int | None:
    """Return the reported events that began in as much time before."""
    since = first - (last - first)
    if not list_files(output, SCORES, span=Span(since, since + 1)):
        return None
    count = 0
    for file in list_files(output, EVENTS, span=Span(since, first)):
        table = file.read(["start", "suppressed"])
        start = to_nanoseconds(table["start"])
        within = pc.and_(pc.greater_equal(start, since), pc.less(start, first))
        count += table.filter(pc.and_(within, pc.is_null(table["suppressed"]))).num_rows
    return count


def _withdrawn(output: Path, span: Span, facts: PageFacts) -> tuple[Event, ...]:
    table = read_withdrawn(output, since=span.since, until=span.until)
    if table is None:
        return ()
    return tuple(as_events(table.slice(0, _MAX_WITHDRAWN), facts.clock.zone))


def _detections(reported: pa.Table, facts: PageFacts, span: Span) -> Detections | None:
    if facts.known is None:
        return None
    since, until = span.since, span.until
    assert since is not None
    assert until is not None
    known = [each for each in facts.known if each.start < until and each.end >= since]
    starts, ends = (to_nanoseconds(reported[name]).to_pylist() for name in ("start", "end"))
    entities = reported["entity"].to_pylist()
    return compare_with_known(known, entities, starts, ends, before=facts.forewarning)


def with_facts(page: Page, facts: PageFacts, cards: Sequence[Card] | None = None) -> Page:
    """Return a page with facts of the same time range, and cards with more lines."""
    found = _detections(page.events, facts, Span(page.first, page.last + 1))
    own = page.cards if cards is None else tuple(cards)
    return replace(page, facts=facts, detections=found, cards=own)
