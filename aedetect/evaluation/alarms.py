"""Rows above a threshold, batch by batch, and the events that they form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aedetect.arrays import Float64
from aedetect.events import EventRules
from aedetect.events.grouping import (
    REPORTED,
    Segments,
    group_held,
    steps_of,
    suppressed_groups,
)
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.arrays import Bool, Int32, Int64


class AlarmLevels(NamedTuple):
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


class RowsAboveThreshold:
    """Collects the rows above their threshold, batch by batch."""

    def __init__(self) -> None:
        self.rows = 0
        self.first: int | None = None
        self.last = 0
        self.entities: dict[str | None, int] = {}  # name -> code
        self._batches: list[tuple[Int64, Int32, Float64, Bool]] = []

    def add(self, batch: pa.RecordBatch, thresholds: Callable[[str | None], AlarmLevels]) -> None:
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
        merge_gap, stay = steps_of(self.entities, rules, own)
        segments = Segments.of_rows(entity, time, flagged)
        found = group_held(segments, merge_gap=merge_gap[entity], stay=stay[entity])
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
