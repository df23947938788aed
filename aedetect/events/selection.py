"""Which events of a table are asked for: of an entity, of some severity, of the last days."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

_SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for; None: all."""

    days: float | None = None  # before the end of the newest event
    entity: str | None = None  # a name, or a pattern such as pump_*
    severity: str | None = None  # this one, or a more severe one

    def of(self, events: pa.Table) -> pa.Table:
        """Return the events that are asked for, in their order."""
        if self.entity is not None and events.num_rows:
            names = events["entity"].unique().to_pylist()
            chosen = [n for n in names if n is not None and self._is_named(n)]
            events = events.filter(pc.is_in(events["entity"], pa.array(chosen, pa.string())))
        if self.severity is not None:
            severe = _SEVERITIES[_SEVERITIES.index(self.severity) :]
            events = events.filter(pc.is_in(events["severity"], pa.array(severe, pa.string())))
        if self.days is not None and events.num_rows:
            newest = pc.max(events["end"]).as_py()
            from_then = pa.scalar(newest - timedelta(days=self.days), events["end"].type)
            events = events.filter(pc.greater_equal(events["end"], from_then))
        return events

    def _is_named(self, name: str) -> bool:
        assert self.entity is not None, "checked by the caller"
        return name == self.entity or fnmatch.fnmatchcase(name, self.entity)
