"""Backtest a threshold on past scores: the events, compared with known anomalies.

Reads scores/ only: no score is recomputed, and no network is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Float64
from aedetect.errors import NoData
from aedetect.events import EventRules
from aedetect.events.grouping import REPORTED, Segments, group_held, suppressed_groups
from aedetect.output import list_files
from aedetect.output.partitions import SCORES, Span
from aedetect.output.schemas import ANOMALY, NORMAL
from aedetect.timestamps import NANOSECONDS, format_instant, to_nanoseconds
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int32, Int64
    from aedetect.evaluation.ground_truth import KnownAnomalies

_COLUMNS = ["timestamp", "entity", "score", "verdict", "reason"]
_DAY = NANOSECONDS["d"]
_UTC = WallClock()


class Levels(NamedTuple):
    """The scores above which a row is flagged, and above which an event goes on."""

    flag: float
    hold: float = math.inf


@dataclass(frozen=True)
class Alarm:
    """One event of the backtest; start and end in ns, both inclusive."""

    entity: str | None
    start: int
    end: int
    rows: int
    peak: float  # highest score relative to its threshold


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
    thresholds: Callable[[str | None], Levels],
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
    above = _RowsAboveThreshold()
    for batch in _scored(output, span):
        above.add(batch, thresholds)
    if above.first is None:
        raise NoData(f"there are no scores in {output} for that time: run aedetect score first")
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
    raise NoData(f"there are no scores in {output} for that time: run aedetect score first")


class _RowsAboveThreshold:
    """Collects the rows above their threshold, batch by batch."""

    def __init__(self) -> None:
        self.rows = 0
        self.first: int | None = None
        self.last = 0
        self.entities: dict[str | None, int] = {}  # name -> code
        self._batches: list[tuple[Int64, Int32, Float64, Bool]] = []

    def add(self, batch: pa.RecordBatch, thresholds: Callable[[str | None], Levels]) -> None:
        """Add the rows of a batch that are flagged, by score or by a column rule, or held."""
        time = np.asarray(to_nanoseconds(batch["timestamp"]).to_numpy(zero_copy_only=False))
        encoded = batch["entity"].dictionary_encode(null_encoding="encode")
        names = encoded.dictionary.to_pylist()
        limits = np.array([thresholds(name) for name in names], dtype=np.float64).reshape(-1, 2)
        for name in names:
            self.entities.setdefault(name, len(self.entities))
        codes = np.array([self.entities[name] for name in names], dtype=np.int32)
        index = encoded.indices.to_numpy(zero_copy_only=False)
        score = batch["score"].to_numpy(zero_copy_only=False)
        flag, hold = limits[index].T
        rules = batch["reason"].is_valid().to_numpy(zero_copy_only=False)
        flagged = (score > flag) | rules
        kept = np.flatnonzero(flagged | (score > hold))
        ratio = score[kept] / flag[kept]
        self._batches.append((time[kept], codes[index[kept]], ratio, flagged[kept]))
        self.rows += len(time)
        first = int(time.min())
        self.first = first if self.first is None else min(self.first, first)
        self.last = max(self.last, int(time.max()))

    def alarms(
        self, rules: EventRules, own: Mapping[str | None, EventRules]
    ) -> tuple[tuple[Alarm, ...], int]:
        """Form events; return the reported ones and the number of suppressed ones."""
        columns = [np.concatenate(part) for part in zip(*self._batches, strict=True)]
        order = np.lexsort((columns[0], columns[1]))
        time, entity, ratio, flagged = (each[order] for each in columns)
        of_name = [own.get(name, rules) for name in self.entities]
        bridge, stay = (
            np.array([getattr(each, step) for each in of_name], dtype=np.int64)[entity]
            for step in ("bridge", "stay")
        )
        found = group_held(Segments.of_rows(entity, time, flagged), bridge=bridge, stay=stay)
        time, entity, ratio = time[flagged], entity[flagged], ratio[flagged]
        reported = suppressed_groups(time, entity, found, rules) == REPORTED
        names = list(self.entities)
        alarms = tuple(
            Alarm(
                names[entity[first]],
                int(time[first]),
                int(end),
                int(last - first + 1),
                float(ratio[first : last + 1].max()),
            )
            for first, last, end in zip(
                found.first[reported], found.last[reported], found.end[reported], strict=True
            )
        )
        return alarms, int((~reported).sum())


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
