"""Backtest a threshold on past scores: the events, compared with known anomalies.

Reads scores/ only: no score is recomputed, and no network is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from aedetect.errors import NoData
from aedetect.evaluation.alarms import Alarm, AlarmLevels, RowsAboveThreshold
from aedetect.events import EventRules
from aedetect.output import list_files
from aedetect.output.partitions import SCORES, Span
from aedetect.output.schemas import ANOMALY, NORMAL
from aedetect.timestamps import NANOSECONDS, format_instant, to_nanoseconds
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    from aedetect.evaluation.ground_truth import KnownAnomalies

_COLUMNS = ["timestamp", "entity", "score", "verdict", "reason"]
_DAY = NANOSECONDS["d"]
_UTC = WallClock()


@dataclass(frozen=True)
class Detection:
    """One known anomaly, and the delay from its start to its detection (ns)."""

    known: KnownAnomalies
    delay: int | None  # None: missed


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """The events that a threshold gives on past scores."""

    since: int  # ns, the first scored row
    until: int  # ns, the last
    rows: int  # scored
    alarms: tuple[Alarm, ...]  # reported, sorted by entity and time
    suppressed: int  # events suppressed by min_duration or cool_down
    entities: tuple[str | None, ...]  # with scored rows
    known: tuple[KnownAnomalies, ...] | None  # in that time; None: no labels
    # Whether there are no other anomalies: a label column marks each row that is one,
    # people who label events leave the others open.
    complete: bool = True
    false_alarms: tuple[KnownAnomalies, ...] = ()  # events that people labelled so
    clock: WallClock = _UTC  # of its days

    @property
    def days(self) -> float:
        """Time from the first to the last row, in days."""
        return (self.until - self.since) / _DAY

    @property
    def by_day(self) -> dict[str, dict[str | None, int]]:
        """Number of events that start on each day, by entity; entities without any are omitted."""
        first, last = (self.clock.shown(time) // _DAY for time in (self.since, self.until))
        table: dict[str, dict[str | None, int]] = {_day(n): {} for n in range(first, last + 1)}
        for alarm in self.alarms:
            row = table[_day(self.clock.shown(alarm.start) // _DAY)]
            row[alarm.entity] = row.get(alarm.entity, 0) + 1
        return table

    @property
    def detections(self) -> tuple[Detection, ...]:
        """Detection of each known anomaly."""
        return tuple(_detection(known, self.alarms) for known in self.known or ())

    @property
    def false(self) -> int:
        """Number of events that overlap no known anomaly."""
        return sum(not self.overlaps_known(alarm) for alarm in self.alarms)

    @property
    def precision(self) -> float | None:
        """Share of the events that overlap a known anomaly; None without events."""
        return 1 - self.false / len(self.alarms) if self.alarms else None

    @property
    def time_in_alarm(self) -> float:
        """Share of the entities' time that lies within an event, whether it is false or not."""
        alarmed = sum(alarm.end - alarm.start for alarm in self.alarms)
        whole = (self.until - self.since) * len(self.entities)
        return alarmed / whole if whole else 0.0

    @property
    def longest(self) -> int:
        """The length of the longest event, ns."""
        return max((alarm.end - alarm.start for alarm in self.alarms), default=0)

    @property
    def by_label(self) -> dict[str, int]:
        """Number of events by what people said: confirmed, false_alarm or unlabelled."""
        counts = {"confirmed": 0, "false_alarm": 0, "unlabelled": 0}
        for alarm in self.alarms:
            false = any(_overlap(alarm, each) for each in self.false_alarms)
            said = "false_alarm" if false else "unlabelled"
            counts["confirmed" if self.overlaps_known(alarm) else said] += 1
        return counts

    def overlaps_known(self, alarm: Alarm) -> bool:
        """Whether an event overlaps a known anomaly."""
        return any(_overlap(alarm, each) for each in self.known or ())


def backtest_threshold(
    output: Path,
    *,
    thresholds: Callable[[str | None], AlarmLevels],
    rules: EventRules,
    span: Span,
    known: Sequence[KnownAnomalies] | None,
    own: Mapping[str | None, EventRules] | None = None,
) -> Backtest:
    """Apply the threshold of each entity to past scores in [since, until) ns, and form events.

    Some entities may have rules of their own. Suppressed rows stay suppressed. Known
    anomalies count when they overlap the time of the scores.
    Raises NoData when there are no scores.
    """
    above = RowsAboveThreshold()
    for batch in _scored(output, span):
        above.add(batch, thresholds)
    if above.first is None:
        raise NoData(
            f"there are no scores in {output} for that time: run `aedetect score CONFIG` first"
        )
    since, until = above.first, above.last
    alarms, suppressed = above.alarms(rules, own or {})
    inside = None
    if known is not None:
        names = set(above.entities)
        inside = tuple(
            each
            for each in known
            if each.entity in names and each.start <= until and each.end >= since
        )
    return Backtest(
        since=since,
        until=until,
        rows=above.rows,
        alarms=alarms,
        suppressed=suppressed,
        entities=tuple(sorted(above.entities, key=lambda name: name or "")),
        known=inside,
    )


def newest_timestamp(output: Path, *, until: int | None) -> int:
    """Return the timestamp (ns) of the last scored row before `until`. Raises NoData."""
    for file in reversed(list_files(output, SCORES, span=Span(None, until))):
        times = file.read(["timestamp"])["timestamp"]
        earlier = times.filter(_inside(times, Span(None, until)))
        if len(earlier):
            return int(to_nanoseconds(pc.max(earlier)).as_py())
    raise NoData(
        f"there are no scores in {output} for that time: run `aedetect score CONFIG` first"
    )


def _scored(output: Path, span: Span) -> Iterator[pa.RecordBatch]:
    """Yield the rows of scores/ in the span whose verdict is normal or anomaly."""
    for file in list_files(output, SCORES, span=span):
        for batch in file.batches(_COLUMNS):
            decided = pc.is_in(batch["verdict"], pa.array([NORMAL, ANOMALY]))
            kept = batch.filter(pc.and_(decided, _inside(batch["timestamp"], span)))
            if kept.num_rows:
                yield kept


def _inside(times: pa.Array, span: Span) -> pa.Array:
    """Return the mask of timestamps in the span."""
    time = to_nanoseconds(times)
    inside = pc.is_valid(time)
    if span.since is not None:
        inside = pc.and_(inside, pc.greater_equal(time, span.since))
    if span.until is not None:
        inside = pc.and_(inside, pc.less(time, span.until))
    return inside


def _overlap(alarm: Alarm, known: KnownAnomalies) -> bool:
    same = alarm.entity == known.entity
    return same and alarm.start <= known.end and alarm.end >= known.start


def _detection(known: KnownAnomalies, alarms: Sequence[Alarm]) -> Detection:
    """Return the detection delay of a known anomaly: 0 when the event starts before it."""
    starts = [max(alarm.start, known.start) for alarm in alarms if _overlap(alarm, known)]
    return Detection(known, min(starts) - known.start if starts else None)


def _day(number: int) -> str:
    return format_instant(number * _DAY)[:10]
