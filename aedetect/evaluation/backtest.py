"""What a threshold would have meant: the events of past scores, and how they meet what is known.

Works on scores/ alone: nothing is computed anew, and no network is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Float64
from aedetect.errors import NoData
from aedetect.events import EventRules
from aedetect.events.grouping import REPORTED, group_rows, suppressed_groups
from aedetect.output import list_files
from aedetect.output.partitions import SCORES, Span
from aedetect.output.schemas import ANOMALY, NORMAL
from aedetect.timestamps import NANOSECONDS, format_instant, to_nanoseconds

if TYPE_CHECKING:
    from aedetect.arrays import Int32, Int64
    from aedetect.evaluation.ground_truth import KnownAnomalies

_COLUMNS = ["timestamp", "entity", "score", "verdict"]
_DAY = NANOSECONDS["d"]


@dataclass(frozen=True)
class Alarm:
    """One event that there would have been: moments in ns, both of its own."""

    entity: str | None
    start: int
    end: int
    rows: int
    peak: float  # highest score over its threshold


@dataclass(frozen=True)
class Detection:
    """One known stretch, and how long after its start it would have been reported (ns)."""

    stretch: KnownAnomalies
    delay: int | None  # None: missed


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """The events that a threshold would have given, over the rows that were scored."""

    since: int  # ns, the first scored row
    until: int  # ns, the last
    rows: int  # scored
    alarms: tuple[Alarm, ...]  # reported, by entity and time
    quiet: int  # events that min_duration or cool_down would have kept back
    entities: tuple[str | None, ...]  # with scored rows
    known: tuple[KnownAnomalies, ...] | None  # anomalous stretches in that time; None: nobody says

    @property
    def days(self) -> float:
        """Length of time from the first to the last row, in days."""
        return (self.until - self.since) / _DAY

    @property
    def by_day(self) -> dict[str, dict[str | None, int]]:
        """Number of events that start on each day, of each entity that had any."""
        first, last = self.since // _DAY, self.until // _DAY
        table: dict[str, dict[str | None, int]] = {_day(n): {} for n in range(first, last + 1)}
        for alarm in self.alarms:
            row = table[_day(alarm.start // _DAY)]
            row[alarm.entity] = row.get(alarm.entity, 0) + 1
        return table

    @property
    def detections(self) -> tuple[Detection, ...]:
        """How each known stretch was met."""
        return tuple(_detection(stretch, self.alarms) for stretch in self.known or ())

    @property
    def false(self) -> int:
        """Events that meet no known stretch."""
        return sum(not self.meets(alarm) for alarm in self.alarms)

    def meets(self, alarm: Alarm) -> bool:
        """Whether an event meets a known stretch."""
        return any(_meet(alarm, each) for each in self.known or ())


def backtest_threshold(
    output: Path,
    *,
    thresholds: Callable[[str | None], float],
    rules: EventRules,
    span: Span,
    known: Sequence[KnownAnomalies] | None,
) -> Backtest:
    """Apply each entity's threshold to past scores in [since, until) ns, and form events.

    Suppressed rows stay suppressed. Known stretches count when they meet the time of the scores.
    Raises NoData when there are no scores.
    """
    strange = _Strange()
    for batch in _scored(output, span):
        strange.add(batch, thresholds)
    if strange.first is None:
        raise NoData(f"there are no scores in {output} for that time: run aedetect score first")
    since, until = strange.first, strange.last
    alarms, kept_back = strange.alarms(rules)
    inside = None
    if known is not None:
        names = set(strange.entities)
        inside = tuple(
            each
            for each in known
            if each.entity in names and each.start <= until and each.end >= since
        )
    return Backtest(
        since=since,
        until=until,
        rows=strange.rows,
        alarms=alarms,
        quiet=kept_back,
        entities=tuple(sorted(strange.entities, key=lambda name: name or "")),
        known=inside,
    )


def newest_timestamp(output: Path, *, until: int | None) -> int:
    """Return the moment (ns) of the last scored row before `until`. Raises NoData without any."""
    for file in reversed(list_files(output, SCORES, span=Span(None, until))):
        times = file.read(["timestamp"])["timestamp"]
        moments = times.filter(_inside(times, Span(None, until)))
        if len(moments):
            return int(to_nanoseconds(pc.max(moments)).as_py())
    raise NoData(f"there are no scores in {output} for that time: run aedetect score first")


class _Strange:
    """Gathers the rows above their threshold, batch by batch."""

    def __init__(self) -> None:
        self.rows = 0
        self.first: int | None = None
        self.last = 0
        self.entities: dict[str | None, int] = {}  # name -> code
        self._kept: list[tuple[Int64, Int32, Float64]] = []

    def add(self, batch: pa.RecordBatch, thresholds: Callable[[str | None], float]) -> None:
        """Take what is above the threshold from rows that have a verdict."""
        time = np.asarray(to_nanoseconds(batch["timestamp"]).to_numpy(zero_copy_only=False))
        encoded = batch["entity"].dictionary_encode(null_encoding="encode")
        names = encoded.dictionary.to_pylist()
        limits = np.array([thresholds(name) for name in names], dtype=np.float64)
        for name in names:
            self.entities.setdefault(name, len(self.entities))
        codes = np.array([self.entities[name] for name in names], dtype=np.int32)
        index = encoded.indices.to_numpy(zero_copy_only=False)
        ratio = batch["score"].to_numpy(zero_copy_only=False) / limits[index]
        above = np.flatnonzero(ratio > 1)
        self._kept.append((time[above], codes[index[above]], ratio[above]))
        self.rows += len(time)
        first = int(time.min())
        self.first = first if self.first is None else min(self.first, first)
        self.last = max(self.last, int(time.max()))

    def alarms(self, rules: EventRules) -> tuple[tuple[Alarm, ...], int]:
        """Form events; return those reported, and how many are kept back."""
        time, entity, ratio = (np.concatenate(part) for part in zip(*self._kept, strict=True))
        order = np.lexsort((time, entity))
        time, entity, ratio = time[order], entity[order], ratio[order]
        found = group_rows(time, entity, bridge=rules.bridge)
        reported = suppressed_groups(time, entity, found, rules) == REPORTED
        names = list(self.entities)
        alarms = tuple(
            Alarm(
                names[entity[first]],
                int(time[first]),
                int(time[last]),
                int(last - first + 1),
                float(ratio[first : last + 1].max()),
            )
            for first, last in zip(found.first[reported], found.last[reported], strict=True)
        )
        return alarms, int((~reported).sum())


def _scored(output: Path, span: Span) -> Iterator[pa.RecordBatch]:
    """Yield the rows of scores/ that have a verdict of their own, in the time asked for."""
    for file in list_files(output, SCORES, span=span):
        for batch in file.batches(_COLUMNS):
            judged = pc.is_in(batch["verdict"], pa.array([NORMAL, ANOMALY]))
            kept = batch.filter(pc.and_(judged, _inside(batch["timestamp"], span)))
            if kept.num_rows:
                yield kept


def _inside(times: pa.Array, span: Span) -> pa.Array:
    """Return which moments are asked for."""
    moment = to_nanoseconds(times)
    inside = pc.is_valid(moment)
    if span.since is not None:
        inside = pc.and_(inside, pc.greater_equal(moment, span.since))
    if span.until is not None:
        inside = pc.and_(inside, pc.less(moment, span.until))
    return inside


def _meet(alarm: Alarm, stretch: KnownAnomalies) -> bool:
    same = alarm.entity == stretch.entity
    return same and alarm.start <= stretch.end and alarm.end >= stretch.start


def _detection(stretch: KnownAnomalies, alarms: Sequence[Alarm]) -> Detection:
    """Say how long after its start a stretch would have been reported; at once if before."""
    starts = [max(alarm.start, stretch.start) for alarm in alarms if _meet(alarm, stretch)]
    return Detection(stretch, min(starts) - stretch.start if starts else None)


def _day(number: int) -> str:
    return format_instant(number * _DAY)[:10]
